"""TV-L1 optical flow as one pure function of two pictures."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Real

from fedpsyau_jax.vision.tvl1.iterations import Residual, State, iterate, iterate_fixed
from fedpsyau_jax.vision.tvl1.parameters import OPENCV, Parameters
from fedpsyau_jax.vision.tvl1.pyramid import pyramid_sizes, resized
from fedpsyau_jax.vision.tvl1.warping import warped

_FLAT = float(np.finfo(np.float32).eps)
_SMALLEST = 3

Picture = Real[Array, "height width"] | Real[np.ndarray, "height width"]


def tvl1_flow(onset: Picture, apex: Picture, parameters: Parameters = OPENCV) -> Float[Array, "height width 2"]:
    r"""TV-L1 flow from onset to apex, in steps that are those of OpenCV's ``DualTVL1OpticalFlow``.

    .. math:: \min_{u} \int |\nabla u_1| + |\nabla u_2| + \lambda |I_1(x + u) - I_0(x)| \, dx

    A pure function of one pair: ``jit`` it, ``vmap`` it over pairs. It is differentiable in reverse mode if
    ``parameters.tolerance`` is 0, as that of ``DIFFERENTIABLE``.

    Args:
        onset: grey levels, 0 to 255, of any type; both sides 3 pixels or more.
        apex: as many.
        parameters: constants, static under ``jit``.

    Returns:
        (u, v) in pixels, float32: a point at x in the onset is at x + (u, v) in the apex.

    Raises:
        ValueError: the pictures are not grey pictures of one size.

    Source: Zach, Pock, Bischof, "A duality based approach for realtime TV-L1 optical flow", DAGM 2007; Sánchez,
    Meinhardt-Llopis, Facciolo, "TV-L1 optical flow estimation", IPOL 2013. OpenCV multiplies pictures of floats by
    255; here grey levels are grey levels.

    >>> pairs = np.zeros((2, 8, 128, 100), np.uint8)
    >>> flow = jax.jit(jax.vmap(tvl1_flow))  # compiled when it is called
    >>> jax.eval_shape(flow, *pairs).shape
    (8, 128, 100, 2)
    """
    if len(onset.shape) != 2 or onset.shape != apex.shape or min(onset.shape) < _SMALLEST:
        raise ValueError(
            f"onset is {onset.shape} and apex {apex.shape}: TV-L1 needs two grey pictures of one size, "
            f"{_SMALLEST} pixels or more each way"
        )
    step = parameters.scale_step
    sizes = pyramid_sizes(onset.shape, parameters.scales, step)
    levels = [jnp.stack([jnp.asarray(onset, jnp.float32), jnp.asarray(apex, jnp.float32)])]
    for size in sizes[1:]:
        levels.append(resized(levels[-1], size, (1 / step, 1 / step)))
    flow = jnp.zeros((2, *sizes[-1]), jnp.float32)
    for size, pair in zip(reversed(sizes), reversed(levels), strict=True):
        finer = flow if flow.shape[1:] == size else resized(flow, size) * np.float32(1 / step)
        flow = flow_at_level(pair, finer, parameters)
    return jnp.moveaxis(flow, 0, -1)


def flow_at_level(
    pair: Float[Array, "2 height width"], flow: Float[Array, "2 height width"], parameters: Parameters
) -> Float[Array, "2 height width"]:
    """Improve the flow of a pair at one level of the pyramid: linearise and iterate, ``warps`` times."""
    onset, apex = pair
    looked_up = jnp.stack([apex, *_gradient(apex)])

    def one_warp(state: State, _: None) -> tuple[State, None]:
        if parameters.detached:
            state = lax.stop_gradient(state)
        residual = linearised(onset, warped(looked_up, state.flow, parameters.rounding), state.flow)
        if parameters.tolerance:
            return iterate(state, residual, parameters), None
        return jax.checkpoint(partial(iterate_fixed, parameters=parameters))(state, residual), None

    still = jnp.zeros_like(flow)
    return lax.scan(one_warp, State(flow, still, still), length=parameters.warps)[0].flow


def linearised(
    onset: Float[Array, "height width"], seen: Float[Array, "3 height width"], flow: Float[Array, "2 height width"]
) -> Residual:
    """The brightness difference near a flow.

    Args:
        onset: grey levels.
        seen: the apex and its gradient where the flow leads.
        flow: (u, v) in pixels.
    """
    apex, slope = seen[0], seen[1:]
    steepness = slope[0] * slope[0] + slope[1] * slope[1]
    steep = steepness > _FLAT
    inverse = jnp.where(steep, 1 / jnp.where(steep, steepness, 1), 0)
    return Residual(slope, inverse, apex - slope[0] * flow[0] - slope[1] * flow[1] - onset)


def _gradient(picture: Float[Array, "height width"]) -> tuple[Array, Array]:
    framed = jnp.pad(picture, 1, mode="edge")
    return 0.5 * (framed[1:-1, 2:] - framed[1:-1, :-2]), 0.5 * (framed[2:, 1:-1] - framed[:-2, 1:-1])
