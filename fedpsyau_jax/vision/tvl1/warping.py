"""Bicubic interpolation as OpenCV's ``remap``: zero outside the picture, places rounded to 1/32 of a pixel."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

_SHARPNESS = -0.75  # OpenCV's cubic kernel
_MARGIN = 4  # as far outside, nothing but zeros is seen


def warped(
    pictures: Float[Array, "channels height width"], flow: Float[Array, "2 height width"], steps: int | None = 32
) -> Float[Array, "channels height width"]:
    """Each picture's values at (x, y) + flow.

    Args:
        pictures: what to look up.
        flow: (u, v) in pixels.
        steps: places are rounded to 1 / steps of a pixel, as OpenCV does with 32; None for no rounding. The
            derivative is that without rounding.
    """
    channels, height, width = pictures.shape
    stride = width + 2 * _MARGIN
    columns, x_weights = _taps(jnp.arange(width) + flow[0], width, steps)
    rows, y_weights = _taps(jnp.arange(height)[:, None] + flow[1], height, steps)
    framed = jnp.pad(pictures, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))).reshape(channels, -1)

    def add_row(total: Array, tap: tuple[Array, Array]) -> tuple[Array, None]:
        first, y_weight = tap
        values = (framed.at[:, first + place].get(mode="promise_in_bounds") for place in range(4))
        return total + sum(value * weight for value, weight in zip(values, x_weights, strict=True)) * y_weight, None

    firsts = rows * stride + columns + jnp.arange(4)[:, None, None] * stride
    return lax.scan(add_row, jnp.zeros_like(pictures), (firsts, jnp.stack(y_weights)))[0]


def _taps(
    place: Float[Array, "height width"], size: int, steps: int | None
) -> tuple[Int[Array, "height width"], tuple[Array, Array, Array, Array]]:
    """The first of four neighbours in the framed picture, and the weights of all four."""
    place = jnp.clip(place, -3.0, size + 2.0)
    if steps is not None:
        place = place + lax.stop_gradient(jnp.round(place * steps) / steps - place)
    floor = lax.stop_gradient(jnp.floor(place))
    return floor.astype(jnp.int32) - 1 + _MARGIN, _cubic(place - floor)


def _cubic(fraction: Array) -> tuple[Array, Array, Array, Array]:
    far, near, a = fraction + 1, 1 - fraction, _SHARPNESS
    before = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    at = ((a + 2) * fraction - (a + 3)) * fraction * fraction + 1
    after = ((a + 2) * near - (a + 3)) * near * near + 1
    return before, at, after, 1 - before - at - after
