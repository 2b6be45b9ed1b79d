import jax
import jax.numpy as jnp
import numpy as np
import pytest
from beartype import beartype
from jaxtyping import jaxtyped
from scipy import ndimage

from data.labels import SEVEN, THREE
from fedpsyau_jax.augmentation import (
    SEVEN_CLASSES,
    THREE_CLASSES,
    Band,
    Copies,
    randomly_rotated,
    rotated,
    rotated_copies,
    rotated_motion,
)
from fedpsyau_jax.types import Examples
from fedpsyau_jax.vision.scaling import FixedRange

LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 4])


def pictures(seed=0, shape=(28, 28, 3)):
    return jnp.asarray(np.random.default_rng(seed).uniform(0.2, 0.8, shape), jnp.float32)


def example(seed=0):
    au = jnp.asarray(np.arange(12) % 2, jnp.float32)
    return Examples(pictures(seed), pictures(seed + 1, (65, 5, 5, 3)), au, 1 - au, jnp.asarray(3))


def vectors(image):
    return np.asarray(image)[..., :2] - 0.5


@pytest.mark.parametrize("size", [5, 28])
@pytest.mark.parametrize("turns", [-1, 1, 2, 3, 4])
def test_a_quarter_turn_moves_pixels_and_turns_vectors_exactly(size, turns):
    image = pictures(shape=(size, size, 3))
    turned = rotated_motion(image, 90.0 * turns)
    np.testing.assert_array_equal(turned[..., 2], np.rot90(image[..., 2], turns))
    u, v = np.moveaxis(np.rot90(vectors(image), turns), -1, 0)
    for _ in range(turns % 4):
        u, v = v, -u  # anticlockwise as seen; v points down
    np.testing.assert_allclose(vectors(turned), np.stack([u, v], -1), atol=1e-7)


@pytest.mark.parametrize("degrees", [90.0, 180.0, 270.0])
def test_quarter_turns_back_and_forth_change_nothing(degrees):
    image = pictures()
    there_and_back = rotated_motion(rotated_motion(image, degrees), -degrees)
    np.testing.assert_array_equal(there_and_back[..., 2], image[..., 2])
    np.testing.assert_allclose(there_and_back, image, atol=1e-7)


def test_no_turn_changes_no_bit():
    before = example()
    after = randomly_rotated(before, Band(0.0, 0.0), jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, after, before)


def test_turning_agrees_with_scipy_inside_the_picture():
    image = pictures()
    turned = rotated_motion(image, 7.0)
    expected = ndimage.rotate(image[..., 2], 7.0, reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(turned[..., 2], expected, atol=1e-5)


def smooth_field(size, turn):
    """u, v and strain of a smooth field that itself was turned, from the formula and not from pixels."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.radians(turn)
    c, s = np.cos(angle), np.sin(angle)
    before_x, before_y = c * x - s * y, s * x + c * y
    u, v = 0.2 * np.sin(before_x / 9), 0.15 * np.cos(before_y / 8)
    strain = 0.4 + 0.2 * np.sin((before_x + before_y) / 10)
    return np.stack([0.5 + c * u + s * v, 0.5 + c * v - s * u, strain], -1).astype(np.float32)


@pytest.mark.parametrize("degrees", [-9.0, 3.0, 40.0])
def test_it_is_the_picture_of_the_turned_motion(degrees):
    turned = np.asarray(rotated_motion(jnp.asarray(smooth_field(28, 0)), degrees))
    expected = smooth_field(28, degrees)
    y, x = np.mgrid[:28, :28] - 13.5
    inside = np.hypot(x, y) < 13
    np.testing.assert_allclose(turned[inside], expected[inside], atol=2e-3)
    only_the_picture = ndimage.rotate(smooth_field(28, 0), degrees, reshape=False, order=1, mode="nearest")
    assert np.abs(only_the_picture[inside] - expected[inside]).max() > 5e-3


@pytest.mark.parametrize("degrees", [2.5, -6.0, 33.0])
def test_lengths_of_vectors_and_strain_are_kept_where_the_motion_is_uniform(degrees):
    image = jnp.broadcast_to(jnp.array([0.7, 0.4, 0.3]), (28, 28, 3))
    turned = rotated_motion(image, degrees)
    lengths = np.linalg.norm(vectors(turned), axis=-1)
    np.testing.assert_allclose(lengths, np.hypot(0.2, 0.1), rtol=1e-5)
    np.testing.assert_allclose(turned[..., 2], 0.3, rtol=1e-6)
    u, v = vectors(turned)[0, 0]
    assert np.degrees(np.arctan2(-v, u) - np.arctan2(0.1, 0.2)) == pytest.approx(degrees, abs=1e-3)


def test_a_vector_that_leaves_the_range_is_cut_as_the_scaling_cuts_it():
    c, s = np.cos(np.radians(8.0)), np.sin(np.radians(8.0))
    pixels = np.array([3.9, 3.9, 0.1])
    turned_pixels = np.array([c * 3.9 + s * 3.9, c * 3.9 - s * 3.9, 0.1])
    image = jnp.asarray(np.broadcast_to(FixedRange()(pixels[None, None]), (5, 5, 3)), jnp.float32)
    np.testing.assert_allclose(
        rotated_motion(image, 8.0)[2, 2], FixedRange()(turned_pixels[None, None])[0, 0], atol=1e-6
    )


def test_each_patch_turns_about_its_own_centre_and_labels_stay():
    before = example()
    after = rotated(before, 6.0)
    np.testing.assert_allclose(after.patches[41], rotated_motion(before.patches[41], 6.0), atol=1e-6)
    np.testing.assert_allclose(after.patches[:, 2, 2, 2], before.patches[:, 2, 2, 2], atol=1e-6)
    assert np.abs(after.patches - before.patches).max() > 1e-2
    for kept in ("au", "au_mask", "emotion"):
        np.testing.assert_array_equal(getattr(after, kept), getattr(before, kept))


@pytest.mark.slow
def test_many_at_once_are_each_alone():
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[example(seed) for seed in range(3)])
    bands = Band(jnp.array([0.0, -9.0, 3.0]), jnp.array([0.0, -6.0, 6.0]))
    keys = jax.random.split(jax.random.key(1), 3)
    together = jax.jit(jax.vmap(randomly_rotated))(batch, bands, keys)
    for place in range(3):
        one = randomly_rotated(*jax.tree.map(lambda leaf, place=place: leaf[place], (batch, bands, keys)))
        jax.tree.map(
            lambda many, alone, place=place: np.testing.assert_allclose(many[place], alone, atol=1e-6), together, one
        )
    np.testing.assert_array_equal(together.flow[0], batch.flow[0])
    assert together.flow.min() >= 0
    assert together.flow.max() <= 1


@pytest.mark.slow
def test_angles_fill_their_band():
    arrow = jnp.broadcast_to(jnp.array([0.9, 0.5, 0.0]), (5, 5, 3))
    one = example()._replace(flow=arrow, patches=arrow[None])
    keys = jax.random.split(jax.random.key(2), 300)
    flow = jax.jit(jax.vmap(lambda key: randomly_rotated(one, Band(-3.0, 0.0), key).flow[2, 2]))(keys)
    angles = np.degrees(np.arctan2(-(flow[:, 1] - 0.5), flow[:, 0] - 0.5))
    assert -3 <= angles.min() < -2.9
    assert -0.1 < angles.max() <= 1e-4
    assert angles.mean() == pytest.approx(-1.5, abs=0.15)


def test_the_published_recipe_for_seven_classes():
    copies = rotated_copies(np.arange(8), LABELS, SEVEN, SEVEN_CLASSES)
    per_class = np.bincount(LABELS[copies.examples], minlength=7) / np.bincount(LABELS, minlength=7)
    assert dict(zip(SEVEN, per_class.tolist(), strict=True)) == {
        "anger": 3, "contempt": 3, "disgust": 1, "fear": 2, "happiness": 2, "sadness": 3, "surprise": 2
    }  # fmt: skip
    np.testing.assert_array_equal(copies.examples[:8], np.arange(8))
    assert not np.any(copies.band.low[:8]) | np.any(copies.band.high[:8])
    of_anger = np.flatnonzero(copies.examples == 0)[1:]
    assert sorted(zip(copies.band.low[of_anger], copies.band.high[of_anger], strict=True)) == [(-3, 0), (0, 3)]


def test_the_published_recipe_for_three_classes():
    copies = rotated_copies(np.array([5, 9, 2]), np.array([0] * 9 + [1]), THREE, THREE_CLASSES)
    assert isinstance(copies, Copies)
    assert copies.examples.tolist() == [5, 9, 2] + [9] * 6
    bands = list(zip(copies.band.low[3:].tolist(), copies.band.high[3:].tolist(), strict=True))
    assert bands == [(-9, -6), (-6, -3), (-3, 0), (0, 3), (3, 6), (6, 9)]


def test_a_recipe_of_other_classes_is_refused():
    with pytest.raises(ValueError, match="recipe is for positive, but the classes are anger"):
        rotated_copies(np.arange(8), LABELS, SEVEN, THREE_CLASSES)


def test_shapes_are_as_annotated():
    checked = jaxtyped(rotated_motion, typechecker=beartype)
    assert checked(pictures(), 3.0).shape == (28, 28, 3)
    with pytest.raises(TypeError):
        checked(pictures()[..., 0], 3.0)
