import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax.synthesis.anatomy import mean_shape
from fedpsyau_jax.vision.differentiable import area_average, inputs_of_motion, network_inputs
from fedpsyau_jax.vision.plausible import unbounded
from fedpsyau_jax.vision.sample import AlignedFaces, Settings, sample_of
from fedpsyau_jax.vision.tvl1 import Parameters

SIZE = 44


def points() -> np.ndarray:
    return mean_shape() * SIZE * 0.7 + SIZE / 2


def smooth(seed: int, *shape: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3) * 8


@pytest.mark.slow
def test_the_inputs_are_those_of_a_sample():
    motion, grey = smooth(0, SIZE, SIZE, 2), np.zeros((SIZE, SIZE), np.uint8)
    settings = Settings(face_size=SIZE, bound=unbounded, flow_size=20)
    sample = sample_of(AlignedFaces(grey, grey, points()), motion, settings)
    flow, patches = inputs_of_motion(jnp.array(motion), points(), flow_size=20)
    assert sample.flow.std() > 0.1
    np.testing.assert_allclose(flow, sample.flow, atol=1e-5)
    np.testing.assert_allclose(patches, sample.patches, atol=1e-5)


@pytest.mark.parametrize(("old", "new"), [(128, 28), (44, 20), (30, 30), (9, 3)])
def test_areas_are_averaged_as_opencv_does(old: int, new: int):
    picture = smooth(1, old, old)
    weights = area_average(old, new)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    theirs = cv2.resize(picture, (new, new), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(weights @ picture @ weights.T, theirs, atol=1e-5)


@pytest.mark.slow
def test_a_still_face_is_grey_and_has_finite_derivatives():
    parameters = Parameters(tolerance=0.0, scales=1, warps=1, inner=3, outer=1, rounding=None)
    face = jnp.array(np.clip(128 + 40 * smooth(2, SIZE, SIZE), 0, 255))

    def total(apex: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        inputs = network_inputs(face, apex, points(), parameters)
        return sum(jnp.sum(part) for part in inputs), inputs

    (_, (flow, patches)), slope = jax.jit(jax.value_and_grad(total, has_aux=True))(face)
    for part in (flow, patches):
        np.testing.assert_allclose(part[..., :2], 0.5)
        np.testing.assert_allclose(part[..., 2], 0, atol=1e-5)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0
