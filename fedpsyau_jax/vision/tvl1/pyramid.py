"""Bilinear resizing as OpenCV's ``INTER_LINEAR``: a small matrix for the rows and one for the columns."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_SMALLEST = 16

Size = tuple[int, int]


def pyramid_sizes(size: Size, scales: int, step: float) -> tuple[Size, ...]:
    """Sizes of a pyramid, the finest first; it ends before a side falls under 16 pixels.

    >>> pyramid_sizes((128, 100), 5, 0.8)
    ((128, 100), (102, 80), (82, 64), (66, 51), (53, 41))
    >>> pyramid_sizes((20, 20), 5, 0.8)
    ((20, 20), (16, 16))
    """
    sizes = [size]
    while len(sizes) < scales:
        height, width = (round(side * step) for side in sizes[-1])
        if min(height, width) < _SMALLEST:
            break
        sizes.append((height, width))
    return tuple(sizes)


def resized(
    picture: Float[Array, "*stack height width"], size: Size, ratio: tuple[float, float] | None = None
) -> Float[Array, "*stack new_height new_width"]:
    """Bilinear interpolation at pixel centres; the border is repeated.

    Args:
        picture: what to resize, over the last two axes.
        size: new height and width.
        ratio: old pixels per new pixel, of rows and of columns; by default the sizes' own, from which it differs
            where a size was rounded.
    """
    height, width = picture.shape[-2:]
    by_rows, by_columns = ratio or (height / size[0], width / size[1])
    rows, columns = _weights(height, size[0], by_rows), _weights(width, size[1], by_columns)
    across = jnp.matmul(picture, columns.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.matmul(rows, across, precision=jax.lax.Precision.HIGHEST)


def _weights(old: int, new: int, ratio: float) -> np.ndarray:
    """[new, old]: the two old pixels that each new one lies between, and how near it is to either."""
    place = np.clip((np.arange(new) + 0.5) * ratio - 0.5, 0, old - 1)
    first = np.minimum(np.floor(place).astype(int), max(old - 2, 0))
    fraction = (place - first).astype(np.float32)
    weights = np.zeros((new, old), np.float32)
    weights[np.arange(new), first] = 1 - fraction
    weights[np.arange(new), np.minimum(first + 1, old - 1)] += fraction
    return weights
