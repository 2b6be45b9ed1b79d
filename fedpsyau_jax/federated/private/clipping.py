"""The Gaussian mechanism on trees of arrays: a bound on the norm, and noise."""

import jax
import jax.numpy as jnp

from fedpsyau_jax.types import Array, Float, PRNGKeyArray, PyTree

__all__ = ["clipped", "gaussian_like"]

ROUNDING = 1e-5
"""By so much, relatively, a norm is cut below the clip, so that rounding never carries it above."""


def clipped(tree: PyTree, clip: float | Float[Array, ""]) -> PyTree:
    """The tree scaled to a Euclidean norm of at most ``clip``, over all leaves together: g min(1, C / ||g||).

    A tree whose norm is not finite (NaN, infinity or overflow) becomes zeros: it cannot say more than one that is.

    Args:
        tree: of arrays; a gradient or a change of weights.
        clip: C > 0, finite.

    Source: Abadi et al., Deep Learning with Differential Privacy, CCS 2016, algorithm 1.

    >>> print(clipped({"w": jnp.array([3.0, 4.0])}, 1.0)["w"].round(3), clipped(jnp.array([jnp.nan, 1.0]), 1.0))
    [0.6 0.8] [0. 0.]
    """
    squares = [jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree)]
    norm = jnp.sqrt(jnp.stack(squares).sum())
    most = jnp.asarray(clip, norm.dtype) * (1 - ROUNDING)
    scale = jnp.where(norm > most, most / jnp.where(norm > 0, norm, 1), 1)
    return jax.tree.map(lambda leaf: jnp.where(jnp.isfinite(norm), leaf * scale.astype(leaf.dtype), 0), tree)


def gaussian_like(key: PRNGKeyArray, tree: PyTree, deviation: float | Float[Array, ""]) -> PyTree:
    """Independent normal noise with mean 0 and this standard deviation, in the shapes and dtypes of a tree.

    >>> noise = gaussian_like(jax.random.key(0), {"w": jnp.ones(10_000)}, 2.0)["w"]
    >>> 1.9 < noise.std() < 2.1
    Array(True, dtype=bool)
    """
    leaves, structure = jax.tree.flatten(tree)
    draws = [
        jnp.asarray(deviation, leaf.dtype) * jax.random.normal(jax.random.fold_in(key, place), leaf.shape, leaf.dtype)
        for place, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, draws)
