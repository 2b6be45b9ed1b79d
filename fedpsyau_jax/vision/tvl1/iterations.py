"""The primal-dual iterations of TV-L1 for one linearised pair of pictures."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from fedpsyau_jax.vision.tvl1.median import median_blur
from fedpsyau_jax.vision.tvl1.parameters import Parameters

_TINY = 1e-30  # under the root, where its derivative would be infinite

Field = Float[Array, "2 height width"]


class Residual(NamedTuple):
    """Brightness difference as a linear function of the flow: ``rest + slope . flow``."""

    slope: Field
    inverse: Float[Array, "height width"]  # 1 / |slope|^2, 0 where there is no slope
    rest: Float[Array, "height width"]


class State(NamedTuple):
    """The flow (u, v), and the dual variables of its derivatives."""

    flow: Field
    across: Field
    down: Field


def iterate(state: State, residual: Residual, parameters: Parameters) -> State:
    """Median filter and iterations in turns, until the flow changes no more."""
    most_change = np.float32(parameters.tolerance**2 * residual.rest.size)

    def goes_on(most: int, loop: tuple[Array, Array, State]) -> Array:
        count, change, _ = loop
        return (count < most) & (change > most_change)

    def one_step(loop: tuple[Array, Array, State]) -> tuple[Array, Array, State]:
        count, _, state = loop
        return count + 1, *step(state, residual, parameters)

    def one_round(loop: tuple[Array, Array, State]) -> tuple[Array, Array, State]:
        count, change, state = loop
        start = jnp.int32(0), change, filtered(state, parameters)
        return count + 1, *lax.while_loop(lambda inner: goes_on(parameters.inner, inner), one_step, start)[1:]

    start = jnp.int32(0), jnp.float32(np.inf), state
    return lax.while_loop(lambda outer: goes_on(parameters.outer, outer), one_round, start)[2]


def iterate_fixed(state: State, residual: Residual, parameters: Parameters) -> State:
    """All rounds of all iterations; differentiable in reverse mode."""

    def one_step(state: State, _: None) -> tuple[State, None]:
        return step(state, residual, parameters)[1], None

    def one_round(state: State, _: None) -> tuple[State, None]:
        return lax.scan(one_step, filtered(state, parameters), length=parameters.inner)[0], None

    return lax.scan(one_round, state, length=parameters.outer)[0]


def filtered(state: State, parameters: Parameters) -> State:
    """The state with the median of its flow."""
    return state._replace(flow=median_blur(state.flow, parameters.median))


def step(state: State, residual: Residual, parameters: Parameters) -> tuple[Float[Array, ""], State]:
    """One iteration: the flow nearer to equal brightness, then to smoothness, then the dual variables.

    Returns:
        The summed squared change of the flow, and the new state.
    """
    reach = np.float32(parameters.data_weight * parameters.tightness)
    rate = np.float32(parameters.time_step / parameters.tightness)
    (u, v), (slope_x, slope_y) = state.flow, residual.slope
    difference = residual.rest + (slope_x * u + slope_y * v)
    nearer = state.flow + jnp.clip(-difference * residual.inverse, -reach, reach) * residual.slope
    divergence = _backward(state.across, 2) + _backward(state.down, 1)
    flow = nearer + np.float32(parameters.tightness) * divergence
    across, down = _forward(flow, 2), _forward(flow, 1)
    shrink = 1 / (1 + rate * jnp.sqrt(jnp.maximum(across * across + down * down, _TINY)))
    duals = (state.across + rate * across) * shrink, (state.down + rate * down) * shrink
    return jnp.sum((flow - state.flow) ** 2), State(flow, *duals)


def _forward(field: Array, axis: int) -> Array:
    """The next value less this one; 0 at the end."""
    size = field.shape[axis]
    inside = lax.slice_in_dim(field, 1, size, axis=axis) - lax.slice_in_dim(field, 0, size - 1, axis=axis)
    return jnp.pad(inside, [(0, int(place == axis)) for place in range(field.ndim)])


def _backward(field: Array, axis: int) -> Array:
    """This value less the one before; before the first is 0."""
    before = jnp.pad(field, [(int(place == axis), 0) for place in range(field.ndim)])
    return field - lax.slice_in_dim(before, 0, field.shape[axis], axis=axis)
