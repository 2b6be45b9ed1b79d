"""Gradient inversion: examples whose gradient points where a client's update does."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import lax

from fedpsyau_jax.types import Array, Float, Params, PyTree

__all__ = ["Inverted", "blurred", "cosine_distance", "invert", "mean_cosine_distance", "total_variation"]

GradientOf: TypeAlias = Callable[[Any], Params]
"""From candidate examples to the gradient of the loss in the weights."""
Distance: TypeAlias = Callable[[PyTree, PyTree], Float[Array, ""]]
"""Between two gradients."""


class Inverted(NamedTuple):
    """The candidates after the last step, and the distance of their gradient in each.

    >>> Inverted(jnp.zeros((2, 4)), jnp.array([1.0, 0.1])).distance.shape
    (2,)
    """

    examples: PyTree
    distance: Float[Array, "steps"]


def cosine_distance(first: PyTree, second: PyTree) -> Float[Array, ""]:
    """1 - <a, b> / (|a| |b|) over all leaves together; 1 if one of them is zero.

    >>> print(cosine_distance({"w": jnp.array([1.0, 0.0])}, {"w": jnp.array([0.0, 2.0])}))
    1.0
    """

    def product(a: PyTree, b: PyTree) -> Float[Array, ""]:
        return jnp.stack([jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]).sum()

    lengths = product(first, first) * product(second, second)
    return 1 - product(first, second) / jnp.sqrt(jnp.where(lengths > 0, lengths, 1))


def mean_cosine_distance(first: PyTree, second: PyTree) -> Float[Array, ""]:
    """The mean of ``cosine_distance`` over leaves, so that a large matrix does not hide the others.

    >>> one = {"v": jnp.array([9.0]), "w": jnp.array([1.0, 0.0])}
    >>> print(mean_cosine_distance(one, one | {"w": jnp.array([0.0, 1.0])}))
    0.5
    """
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return jnp.stack([cosine_distance(*pair) for pair in pairs]).mean()


def total_variation(images: Float[Array, "*any height width channels"]) -> Float[Array, ""]:
    """Mean absolute difference of neighbouring pixels, down and across.

    >>> print(total_variation(jnp.arange(4.0).reshape(1, 2, 2, 1)))
    3.0
    """
    down, across = (jnp.abs(jnp.diff(images, axis=axis)).mean() for axis in (-3, -2))
    return down + across


def blurred(
    images: Float[Array, "*any height width channels"], passes: int
) -> Float[Array, "*any height width channels"]:
    """Smooth images: so often the mean of (before + 2 own + after) / 4 down and across, borders repeated.

    >>> print(blurred(jnp.array([0.0, 0.0, 4.0]).reshape(1, 3, 1), passes=1).ravel())
    [0. 1. 3.]
    """
    for _ in range(passes):
        for axis in (images.ndim - 3, images.ndim - 2):
            size = images.shape[axis]
            border = [(1, 1) if own == axis else (0, 0) for own in range(images.ndim)]
            padded = jnp.pad(images, border, mode="edge")
            before, after = (lax.slice_in_dim(padded, start, start + size, axis=axis) for start in (0, 2))
            images = (before + 2 * images + after) / 4
    return images


def invert(
    gradient_of: GradientOf,
    observed: Params,
    start: PyTree,
    roughness: Callable[[Any], Float[Array, ""]],
    *,
    num_steps: int,
    rate: float = 5e-3,
    smooth: float | Float[Array, ""] = 0.1,
    distance: Distance = cosine_distance,
) -> Inverted:
    """Candidates x that minimise distance(grad L(x), observed) + smooth roughness(x).

    Adam on the signs of the slope, whose rate falls as half a cosine. What is observed is known up to a positive
    factor: a gradient, or how far a client's weights moved against it.

    Args:
        gradient_of: must be differentiable. Candidates are any real numbers: where examples are bounded or smooth, it
            may take other coordinates.
        observed: of the shape of its results.
        start: candidates.
        roughness: usually the ``total_variation`` of what are pictures.
        num_steps: static under ``jax.jit``.
        rate: of the first steps: about how far a number moves in one.
        smooth: >= 0.
        distance: of two gradients.

    Returns:
        The last candidates, and the distance before each step.

    Source: Geiping et al., Inverting Gradients - How easy is it to break privacy in federated learning?, NeurIPS 2020
    (arXiv 2003.14053), equation 4 and section 5, where the rate falls in three steps.

    >>> secret = jnp.array([0.2, 0.9, 0.4])
    >>> gradient_of = lambda x: jnp.outer(x, x)  # what a linear autoencoder's would be
    >>> found = invert(gradient_of, 3 * gradient_of(secret), jnp.full(3, 0.5), lambda x: 0.0, num_steps=200, rate=0.02)
    >>> bool(cosine_distance(found.examples, secret) < 1e-3)
    True
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, num_steps))

    def objective(candidates: PyTree) -> tuple[Float[Array, ""], Float[Array, ""]]:
        apart = distance(gradient_of(candidates), observed)
        return apart + smooth * roughness(candidates), apart

    def step(state: tuple[PyTree, optax.OptState], _: None) -> tuple[tuple[PyTree, optax.OptState], Array]:
        candidates, memory = state
        slope, apart = jax.grad(objective, has_aux=True)(candidates)
        signs = jax.tree.map(lambda leaf: jnp.sign(jnp.nan_to_num(leaf)), slope)
        change, memory = optimizer.update(signs, memory)
        return (optax.apply_updates(candidates, change), memory), apart

    (examples, _), distances = lax.scan(step, (start, optimizer.init(start)), length=num_steps)
    return Inverted(examples, distances)
