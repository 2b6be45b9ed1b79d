"""Minibatches of a padded client: real examples first in random order, padding last and masked."""

import jax
import jax.numpy as jnp

from fedpsyau_jax.types import Array, Batch, Float, Int, PRNGKeyArray, PyTree

__all__ = ["Batch", "equal_batches", "masked_mean", "num_batches", "shuffled", "split_order", "take_batch"]


def masked_mean(values: Float[Array, "batch"], mask: Float[Array, "batch"]) -> Float[Array, ""]:
    """Mean over the real examples: sum_i m_i v_i / max(sum_i m_i, 1).

    Padded values are ignored, even if they are NaN; without a real example the mean is 0.

    Args:
        values: one number per example.
        mask: 1 real, 0 padding.

    Returns:
        The mean, of the dtype of ``values``.

    >>> import jax.numpy as jnp
    >>> print(masked_mean(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([1.0, 1.0, 0.0])))
    2.0
    """
    real = mask > 0
    return jnp.where(real, values, 0).sum() / jnp.maximum(real.sum(), 1).astype(values.dtype)


def equal_batches(num_examples: int, largest: int) -> int:
    """Batch size, at most ``largest``, that splits the examples into the fewest batches of nearly equal size.

    So the last batch needs little padding, and batch statistics are never those of a few remaining examples. The
    released implementation ends an epoch with a smaller batch instead.

    >>> equal_batches(100, 32), equal_batches(96, 32), equal_batches(10, 32)
    (25, 32, 10)
    """
    return -(-num_examples // -(-num_examples // largest)) if num_examples else largest


def num_batches(mask: Float[Array, "examples"], batch_size: int) -> Int[Array, ""]:
    """Number of batches in an epoch that contain a real example: ceil(sum_i m_i / batch_size)."""
    return -(-(mask > 0).sum(dtype=jnp.int32) // batch_size)


def shuffled(key: PRNGKeyArray, mask: Float[Array, "examples"]) -> Int[Array, "examples"]:
    """A uniform permutation of the real examples, followed by the padding.

    Every example draws a number, and the numbers are sorted. A draw depends only on the key and the position
    (partitionable threefry), so more padding at the end does not change the order of the real examples.

    Args:
        key: one key per epoch.
        mask: 1 real, 0 padding.

    Returns:
        Indices into the examples.
    """
    draws = jax.random.bits(key, mask.shape, jnp.uint32) >> 1
    return jnp.argsort(jnp.where(mask > 0, draws, jnp.uint32(2**32 - 1)))


def split_order(
    order: Int[Array, "examples"], batch_size: int, *, tail: bool
) -> tuple[Int[Array, "steps batch"], Int[Array, "rest"]]:
    """Split an order into full batches and a remainder.

    Args:
        order: indices of the examples.
        batch_size: examples in a batch.
        tail: keep the remainder as a smaller last batch (less work, but a second program to compile); otherwise
            it is padded with -1, which ``take_batch`` masks, and the remainder is empty.

    Returns:
        Indices of the full batches, and of the remainder.
    """
    num_left = order.shape[0] % batch_size
    if num_left and not tail:
        order = jnp.pad(order, (0, batch_size - num_left), constant_values=-1)
    num_full = order.shape[0] // batch_size
    return order[: num_full * batch_size].reshape(num_full, batch_size), order[num_full * batch_size :]


def take_batch(examples: PyTree, mask: Float[Array, "examples"], indices: Int[Array, "batch"]) -> Batch:
    """The examples at ``indices``; padding and index -1 become zeros with mask 0."""
    chosen = jnp.where(indices >= 0, jnp.take(mask, indices, mode="clip"), 0)

    def take(leaf: Array) -> Array:
        rows = jnp.take(leaf, indices, axis=0, mode="clip")
        return jnp.where(chosen.reshape(-1, *[1] * (rows.ndim - 1)) > 0, rows, 0)

    return Batch(jax.tree.map(take, examples), chosen)
