"""The network's inputs from two aligned faces, by JAX alone: pixels to decision in one differentiable program."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Real

from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.patches import cut_patches
from fedpsyau_jax.vision.scaling import FixedRange
from fedpsyau_jax.vision.tvl1.parameters import DIFFERENTIABLE, Parameters
from fedpsyau_jax.vision.tvl1.solver import tvl1_flow

_TINY = 1e-12  # under the root, where its derivative would be infinite


def network_inputs(
    onset: Real[Array, "height width"],
    apex: Real[Array, "height width"],
    points: Float[np.ndarray, "68 2"],
    parameters: Parameters = DIFFERENTIABLE,
    flow_size: int = 28,
) -> tuple[Float[Array, "flow_size flow_size 3"], Float[Array, "landmarks=65 5 5 3"]]:
    """What ``make_sample`` makes of aligned faces, as one function that is differentiable in both.

    Args:
        onset: grey levels, 0 to 255, of the aligned face.
        apex: the same with the head kept still.
        points: (x, y) of the onset's 68 landmarks on it; not traced.
        parameters: of TV-L1.
        flow_size: side of the whole-face flow image.

    Returns:
        The flow image and the windows round the landmarks, both (u, v, strain) in [0, 1] by ``FixedRange``.
    """
    return inputs_of_motion(tvl1_flow(onset, apex, parameters), points, flow_size)


def inputs_of_motion(
    motion: Float[Array, "height width 2"], points: Float[np.ndarray, "68 2"], flow_size: int = 28
) -> tuple[Float[Array, "flow_size flow_size 3"], Float[Array, "landmarks=65 5 5 3"]]:
    """The same from the flow between the faces, pixels."""
    ranges = FixedRange()
    moved = jnp.concatenate([0.5 + motion * (0.5 / ranges.motion), strain(motion)[..., None] / ranges.strain], axis=-1)
    image = jnp.clip(moved, 0, 1)
    rows, columns = (area_average(side, flow_size) for side in image.shape[:2])
    shrunk = jnp.einsum("yh,xw,hwc->yxc", rows, columns, image)
    places = np.arange(image.shape[0] * image.shape[1], dtype=float).reshape(*image.shape[:2], 1)
    seen = cut_patches(np.repeat(places, 3, axis=2), network_landmarks(points))[..., 0].astype(int)
    return jnp.clip(shrunk, 0, 1), image.reshape(-1, 3)[seen]


def strain(motion: Float[Array, "height width 2"]) -> Float[Array, "height width"]:
    """``optical_strain`` in JAX."""
    (u_y, u_x), (v_y, v_x) = (jnp.gradient(motion[..., channel]) for channel in (0, 1))
    return jnp.sqrt(jnp.maximum(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2, _TINY))


def area_average(old: int, new: int) -> Float[np.ndarray, "new old"]:
    """Weights of old pixels in new, larger ones, by the area that they share.

    >>> area_average(3, 2).tolist()
    [[0.6666666865348816, 0.3333333432674408, 0.0], [0.0, 0.3333333432674408, 0.6666666865348816]]
    """
    ratio = old / new
    left = np.arange(new)[:, None] * ratio
    shared = np.minimum(left + ratio, np.arange(old) + 1) - np.maximum(left, np.arange(old))
    return (np.clip(shared, 0, None) / ratio).astype(np.float32)
