"""Gradient inversion: examples whose gradient points where a client's update does."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import lax

from fedpsyau_jax.types import Array, Float, Params, PyTree

__all__ = ["Inverted", "cosine_distance", "invert", "total_variation"]

GradientOf: TypeAlias = Callable[[Any], Params]
"""From candidate examples to the gradient of the loss in the weights."""
DROPS = (3 / 8, 5 / 8, 7 / 8)
"""After so much of the steps the rate falls to a tenth."""


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


def total_variation(images: Float[Array, "*any height width channels"]) -> Float[Array, ""]:
    """Mean absolute difference of neighbouring pixels, down and across.

    >>> print(total_variation(jnp.arange(4.0).reshape(1, 2, 2, 1)))
    3.0
    """
    down, across = (jnp.abs(jnp.diff(images, axis=axis)).mean() for axis in (-3, -2))
    return down + across


def invert(
    gradient_of: GradientOf,
    observed: Params,
    start: PyTree,
    roughness: Callable[[Any], Float[Array, ""]],
    *,
    num_steps: int,
    rate: float = 0.1,
    smooth: float | Float[Array, ""] = 1e-2,
) -> Inverted:
    """Candidates x that minimise 1 - cos(grad L(x), observed) + smooth roughness(x), all values in [0, 1].

    Adam on the signs of the slope, whose rate falls in three steps. What is observed is known up to a positive factor:
    a gradient, or how far a client's weights moved against it.

    Args:
        gradient_of: must be differentiable.
        observed: of the shape of its results.
        start: candidates, leaves in [0, 1].
        roughness: usually the ``total_variation`` of what are pictures.
        num_steps: static under ``jax.jit``.
        rate: of the first steps.
        smooth: >= 0.

    Returns:
        The last candidates, and the distance before each step.

    Source: Geiping et al., Inverting Gradients - How easy is it to break privacy in federated learning?, NeurIPS 2020
    (arXiv 2003.14053), equation 4 and section 5.

    >>> secret = jnp.array([0.2, 0.9, 0.4])
    >>> gradient_of = lambda x: jnp.outer(x, x)  # what a linear autoencoder's would be
    >>> found = invert(gradient_of, 3 * gradient_of(secret), jnp.full(3, 0.5), lambda x: 0.0, num_steps=200, rate=0.02)
    >>> bool(cosine_distance(found.examples, secret) < 1e-3)
    True
    """
    drops = {int(share * num_steps): 0.1 for share in DROPS}
    optimizer = optax.adam(optax.piecewise_constant_schedule(rate, drops))

    def objective(candidates: PyTree) -> tuple[Float[Array, ""], Float[Array, ""]]:
        distance = cosine_distance(gradient_of(candidates), observed)
        return distance + smooth * roughness(candidates), distance

    def step(state: tuple[PyTree, optax.OptState], _: None) -> tuple[tuple[PyTree, optax.OptState], Array]:
        candidates, memory = state
        slope, distance = jax.grad(objective, has_aux=True)(candidates)
        signs = jax.tree.map(lambda leaf: jnp.sign(jnp.nan_to_num(leaf)), slope)
        change, memory = optimizer.update(signs, memory)
        moved = optax.apply_updates(candidates, change)
        return (jax.tree.map(lambda leaf: jnp.clip(leaf, 0, 1), moved), memory), distance

    (examples, _), distances = lax.scan(step, (start, optimizer.init(start)), length=num_steps)
    return Inverted(examples, distances)
