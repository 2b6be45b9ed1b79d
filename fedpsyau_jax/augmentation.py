"""Augmentation by rotation: the flow image is rotated, and so are its vectors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from fedpsyau_jax.metrics import AnyArray
from fedpsyau_jax.types import Array, Examples, Float, Int, PRNGKeyArray

REST = 0.5
"""Value of u and v without motion (``vision.scaling.FixedRange``)."""


class Band(NamedTuple):
    """Range of the angle of one rotated copy, in degrees; the angle is drawn uniformly."""

    low: Float[AnyArray, "*copies"] | float
    high: Float[AnyArray, "*copies"] | float


Recipe = Mapping[str, Sequence[Band]]
"""For each class name, the bands of the rotated copies of each of its examples."""

SEVEN_CLASSES: Recipe = {
    **dict.fromkeys(("happiness", "surprise", "fear"), (Band(-3, 3),)),
    **dict.fromkeys(("sadness", "contempt", "anger"), (Band(0, 3), Band(-3, 0))),
}
THREE_CLASSES: Recipe = {
    "surprise": (Band(-6, 6),),
    "positive": tuple(Band(low, low + 3) for low in range(-9, 9, 3)),
}


class Copies(NamedTuple):
    """A training set with rotated copies: the example index and the range of angles of each row."""

    examples: Int[np.ndarray, "copies"]
    band: Band


def rotated_copies(
    train: Int[np.ndarray, "train_examples"],
    labels: Int[np.ndarray, "examples"],
    class_names: Sequence[str],
    recipe: Recipe,
) -> Copies:
    """The unchanged training examples, followed by the rotated copies that the recipe asks for.

    Args:
        train: indices of the training examples.
        labels: class indices of all examples.
        class_names: [classes] in the order of the indices.
        recipe: ``SEVEN_CLASSES``, ``THREE_CLASSES`` (as published), or another.

    Returns:
        Rows with their bands; the unchanged examples have the band from 0 to 0.

    Raises:
        ValueError: the recipe names an unknown class.

    Source: FED-PsyAU (ICCV 2025), centralised training.

    >>> copies = rotated_copies(np.array([4, 7]), np.array([0] * 7 + [2]), ("negative", "positive", "surprise"),
    ...     THREE_CLASSES)
    >>> copies.examples.tolist(), copies.band.high.tolist()
    ([4, 7, 7], [0.0, 0.0, 6.0])
    """
    if unknown := sorted(set(recipe) - set(class_names)):
        raise ValueError(
            f"the augmentation recipe is for {', '.join(unknown)}, but the classes are {', '.join(class_names)}: "
            "use a recipe for these classes"
        )
    rows = [(example, Band(0, 0)) for example in train]
    rows += [(example, band) for example in train for band in recipe.get(class_names[labels[example]], ())]
    examples = np.array([example for example, _ in rows], np.int32)
    low, high = np.array([band for _, band in rows], np.float32).reshape(-1, 2).T
    return Copies(examples, Band(low, high))


def randomly_rotated(example: Examples, band: Band, key: PRNGKeyArray) -> Examples:
    """Rotate an example by an angle drawn from its band; with the band from 0 to 0 it is unchanged, bit for bit."""
    return rotated(example, jax.random.uniform(key, minval=band.low, maxval=band.high))


def rotated(example: Examples, degrees: Float[Array, ""] | float) -> Examples:
    """Rotate an example as if the face had been rotated in the image plane.

    The flow image is rotated about its centre. Each patch is rotated about its own centre, because its landmark moves
    with the face. Action units, their mask and the emotion do not change.

    Args:
        example: leaves without an axis of examples (``jax.vmap`` adds it).
        degrees: angle, anticlockwise as displayed.

    Source: FED-PsyAU (ICCV 2025) rotates by up to 9 degrees. Where we differ: it rotates the image only, so the vectors
    keep pointing in their old directions on a rotated face; we rotate the vectors and the patches too.
    """
    return example._replace(
        flow=rotated_motion(example.flow, degrees),
        patches=jax.vmap(rotated_motion, in_axes=(0, None))(example.patches, degrees),
    )


def rotated_motion(
    image: Float[Array, "height width channels=3"], degrees: Float[Array, ""] | float
) -> Float[Array, "height width channels=3"]:
    r"""Rotate a flow image (u, v, strain) about its centre.

    .. math:: (u, v)'(R x) = R\, (u, v)(x), \qquad strain'(R x) = strain(x)

    with bilinear interpolation between pixels and border values outside the image. Quarter turns of a square image only
    move pixels. Rotated vectors outside the range of the scaling are clipped, as the scaling would have done.

    Args:
        image: in [0, 1], scaled by ``FixedRange``; ``min_max`` does not preserve the zero and the common scale of the
            vectors, so their rotation is only approximate.
        degrees: angle, anticlockwise as displayed.

    Returns:
        The rotated image, in [0, 1].

    >>> right = jnp.broadcast_to(jnp.array([0.75, 0.5, 0.1]), (5, 5, 3))
    >>> rotated_motion(right, 90.0)[2, 2].round(3).tolist()  # y points down: v < 0.5 is up
    [0.5, 0.25, 0.10000000149011612]
    """
    cosine, sine = _direction(degrees)
    height, width = image.shape[:2]
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y, x = jnp.mgrid[:height, :width]
    y, x = y - centre_y, x - centre_x
    came_from = [centre_y + cosine * y + sine * x, centre_x + cosine * x - sine * y]
    turn = jax.vmap(lambda channel: map_coordinates(channel, came_from, order=1, mode="nearest"), -1, -1)
    u, v, strain = jnp.moveaxis(turn(image), -1, 0)
    turned_u = cosine * u + sine * v + REST * (1 - cosine - sine)
    turned_v = cosine * v - sine * u + REST * (1 - cosine + sine)
    return jnp.clip(jnp.stack([turned_u, turned_v, strain], axis=-1), 0, 1)


def _direction(degrees: Float[Array, ""] | float) -> tuple[Array, Array]:
    """Cosine and sine, exact at quarter turns."""
    quarters = jnp.round(jnp.asarray(degrees, float) / 90)
    rest = jnp.radians(degrees - 90 * quarters)
    cosine, sine = jnp.cos(rest), jnp.sin(rest)
    quarter = quarters.astype(int)
    return (
        jnp.choose(quarter, [cosine, -sine, -cosine, sine], mode="wrap"),
        jnp.choose(quarter, [sine, cosine, -sine, -cosine], mode="wrap"),
    )
