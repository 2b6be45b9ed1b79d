"""The median of a window, as a network of minima and maxima over whole pictures."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def median_blur(picture: Float[Array, "*stack height width"], window: int) -> Float[Array, "*stack height width"]:
    """The median of the window round each pixel; the border is repeated. Equal to ``cv2.medianBlur``.

    Its derivative is that of the value which is the median; several equal ones share it.

    Args:
        picture: over the last two axes.
        window: odd side.
    """
    return middle(_neighbours(picture, window))


@median_blur.defjvp
def _derivative(window: int, pictures: tuple[Array], changes: tuple[Array]) -> tuple[Array, Array]:
    median = median_blur(*pictures, window)
    same = [value == median for value in _neighbours(*pictures, window)]
    changed = [jnp.where(here, change, 0) for here, change in zip(same, _neighbours(*changes, window), strict=True)]
    return median, jnp.sum(jnp.stack(changed), axis=0) / jnp.sum(jnp.stack(same), axis=0)


def _neighbours(picture: Array, window: int) -> list[Array]:
    """The picture moved to each place of the window."""
    reach, (height, width) = window // 2, picture.shape[-2:]
    framed = jnp.pad(picture, [*[(0, 0)] * (picture.ndim - 2), (reach, reach), (reach, reach)], mode="edge")
    places = range(window)
    return [framed[..., down : down + height, right : right + width] for down in places for right in places]


def middle(values: Sequence[Array]) -> Array:
    """Elementwise median of an odd number of arrays, by forgetful selection.

    Of any (n + 3) / 2 of n values neither the smallest nor the largest is the median: both are dropped, and the next
    value is taken in.

    Source: Paeth, "Median finding on a 3 x 3 grid", Graphics Gems, 1990.

    >>> int(middle([jnp.array(n) for n in (3, 9, 1, 7, 4)]))
    4
    """
    count = len(values) // 2 + 2
    kept, waiting = list(values[:count]), list(values[count:])
    while len(kept) > 1:
        kept = _without_extremes(kept) + waiting[:1]
        waiting = waiting[1:]
    return kept[0]


def _without_extremes(values: Sequence[Array]) -> list[Array]:
    """All but the smallest, which is exchanged to the front, and the largest, to the end."""
    kept = list(values)
    last = len(kept) - 1

    def exchange(low: int, high: int) -> None:
        kept[low], kept[high] = jnp.minimum(kept[low], kept[high]), jnp.maximum(kept[low], kept[high])

    for place in range((last + 1) // 2):
        exchange(place, last - place)
    for place in range(1, last // 2 + 1):
        exchange(0, place)
    for place in range(last - 1, (last - 1) // 2, -1):
        exchange(place, last)
    return kept[1:-1]
