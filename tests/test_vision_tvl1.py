"""TV-L1 in JAX against OpenCV's, piece by piece and whole. Small pictures: compiling is most of the time."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from inspect import unwrap
from itertools import product
from pathlib import Path

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.flow import agreement
from benchmarks.pairs import SOURCES
from fedpsyau_jax.vision.tvl1 import DIFFERENTIABLE, OPENCV, Parameters, tvl1_flow
from fedpsyau_jax.vision.tvl1.median import median_blur, middle
from fedpsyau_jax.vision.tvl1.pyramid import pyramid_sizes, resized
from fedpsyau_jax.vision.tvl1.warping import warped

SHAPE = (33, 30)
QUICK = Parameters(tolerance=0.0, scales=1, warps=2, inner=6, outer=1, rounding=None)


def cpu_flags() -> str:
    told = Path("/proc/cpuinfo")
    return told.read_text() if told.exists() else ""


def texture(shape: tuple[int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    field = cv2.GaussianBlur(np.random.default_rng(seed).random(shape), (0, 0), 1.5)
    return np.uint8(255 * (field - field.min()) / np.ptp(field))


def pair(shape: tuple[int, int] = SHAPE, seed: int = 0, most: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and the same moved by a smooth field of up to ``most`` pixels."""
    onset, generator = texture(shape, seed), np.random.default_rng(seed + 1)
    field = cv2.GaussianBlur(generator.standard_normal((*shape, 2)).astype(np.float32), (0, 0), 6)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u, v = np.moveaxis(field * most / np.abs(field).max(), -1, 0)
    apex = cv2.remap(onset, columns - u, rows - v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return onset, apex


def of_opencv(onset: np.ndarray, apex: np.ndarray, parameters: Parameters = OPENCV) -> np.ndarray:
    return cv2.optflow.DualTVL1OpticalFlow_create(
        tau=parameters.time_step,
        lambda_=parameters.data_weight,
        theta=parameters.tightness,
        nscales=parameters.scales,
        warps=parameters.warps,
        epsilon=parameters.tolerance,
        innnerIterations=parameters.inner,  # so spelt by OpenCV
        outerIterations=parameters.outer,
        scaleStep=parameters.scale_step,
        medianFiltering=parameters.median,
    ).calc(onset, apex, None)


@cache
def compiled(parameters: Parameters = OPENCV):
    return jax.jit(partial(tvl1_flow, parameters=parameters))


def test_the_defaults_are_those_of_opencv():
    theirs = cv2.optflow.DualTVL1OpticalFlow_create()
    names = {
        "time_step": "Tau",
        "data_weight": "Lambda",
        "tightness": "Theta",
        "scales": "ScalesNumber",
        "scale_step": "ScaleStep",
        "warps": "WarpingsNumber",
        "tolerance": "Epsilon",
        "inner": "InnerIterations",
        "outer": "OuterIterations",
        "median": "MedianFiltering",
    }
    for ours, name in names.items():
        assert getattr(OPENCV, ours) == getattr(theirs, f"get{name}")(), name
    assert theirs.getGamma() == 0


@pytest.mark.slow
def test_one_linearisation_is_opencvs_to_a_thousandth_of_a_pixel():
    parameters = Parameters(scales=1, warps=1)
    onset, apex = pair()
    difference = np.abs(compiled(parameters)(onset, apex) - of_opencv(onset, apex, parameters))
    assert difference.max() < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_the_whole_flow_agrees_with_opencvs(seed: int):
    onset, apex = pair(seed=seed)
    assert len(pyramid_sizes(SHAPE, OPENCV.scales, OPENCV.scale_step)) == 3
    theirs = of_opencv(onset, apex)
    difference = np.abs(compiled()(onset, apex) - theirs)
    assert np.abs(theirs).mean() > 0.2
    assert difference.mean() < 0.02
    assert np.median(difference) < 0.01


@pytest.mark.slow
def test_pairs_at_once_have_the_flows_of_pairs_one_by_one():
    """Each pair ends by its own iterations, though they run until the last has."""
    onsets, apexes = map(np.stack, zip(pair(seed=0), pair(seed=1, most=0.2), pair(seed=2, most=2.5), strict=True))
    parameters = Parameters(scales=1, warps=1)
    together = jax.jit(jax.vmap(partial(tvl1_flow, parameters=parameters)))(onsets, apexes)
    for flow, onset, apex in zip(together, onsets, apexes, strict=True):
        difference = np.abs(flow - compiled(parameters)(onset, apex))
        assert difference.max() < 1e-3


def test_a_still_face_has_no_flow():
    onset, _ = pair()
    np.testing.assert_array_equal(compiled()(onset, onset), 0)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 3), (17, 31)])
def test_any_size_will_do(shape: tuple[int, int]):
    parameters = Parameters(scales=2, warps=1)
    onset, apex = pair(shape)
    difference = np.abs(compiled(parameters)(onset, apex) - of_opencv(onset, apex, parameters))
    assert difference.shape == (*shape, 2)
    assert difference.max() < 0.01


@pytest.mark.parametrize(
    ("onset", "apex"), [((8, 8), (8, 9)), ((2, 8), (2, 8)), ((8, 8, 3), (8, 8, 3)), ((8,), (8,)), ((0, 8), (0, 8))]
)
def test_what_are_no_two_grey_pictures_is_refused_in_one_sentence(onset: tuple[int, ...], apex: tuple[int, ...]):
    with pytest.raises(ValueError, match="two grey pictures of one size, 3 pixels or more each way") as error:
        unwrap(tvl1_flow)(np.zeros(onset), np.zeros(apex))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"), [("median", 4), ("inner", 0), ("tolerance", -1.0), ("scale_step", 1.0), ("rounding", 0)]
)
def test_constants_out_of_range_are_refused(name: str, value: float):
    with pytest.raises(ValueError, match=f"^{name} is {value}: "):
        Parameters(**{name: value})


@pytest.mark.parametrize("window", [1, 3, 5])
def test_the_median_is_exactly_opencvs(window: int):
    fields = np.random.default_rng(0).standard_normal((2, 23, 18)).astype(np.float32).round(1)
    theirs = [cv2.medianBlur(field, window) for field in fields]
    np.testing.assert_array_equal(median_blur(jnp.array(fields), window), theirs)


@pytest.mark.parametrize("count", [1, 3, 5, 9])
def test_the_network_finds_the_middle_of_all_zeros_and_ones(count: int):
    """A network of minima and maxima that is right for all of these is right for all numbers."""
    inputs = np.array(list(product((0, 1), repeat=count))).T
    np.testing.assert_array_equal(middle(list(jnp.array(inputs))), inputs.sum(0) > count // 2)


@pytest.mark.parametrize("size", [(41, 36), (20, 57)])
def test_pictures_shrink_and_grow_as_opencvs(size: tuple[int, int]):
    picture = texture(size).astype(np.float32)
    small = cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_LINEAR)
    assert small.shape == pyramid_sizes(size, 2, 0.8)[1]
    np.testing.assert_allclose(resized(jnp.array(picture), small.shape, (1.25, 1.25)), small, atol=1e-3)
    grown = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(resized(jnp.array(small), size), grown, atol=1e-3)


@pytest.mark.slow
def test_pictures_are_looked_up_as_opencv_does_even_outside():
    picture, generator = texture().astype(np.float32), np.random.default_rng(0)
    flow = (9 * generator.standard_normal((2, *SHAPE))).astype(np.float32)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    theirs = cv2.remap(picture, columns + flow[0], rows + flow[1], cv2.INTER_CUBIC)
    ours, exact = (warped(jnp.array(picture)[None], jnp.array(flow), steps)[0] for steps in (32, None))
    np.testing.assert_allclose(ours, theirs, atol=1e-2)
    assert np.abs(exact - theirs).max() > 0.1


@cache
def motion_and_slopes(parameters: Parameters = QUICK):
    """The sum of a region's horizontal motion, and its derivatives in both pictures."""

    def motion(onset: jax.Array, apex: jax.Array) -> jax.Array:
        return jnp.sum(tvl1_flow(onset, apex, parameters)[4:12, 4:12, 0])

    return jax.jit(jax.value_and_grad(motion, argnums=(0, 1)))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.slow
def test_the_derivative_in_a_picture_is_that_of_finite_differences(which: int):
    pictures = [picture.astype(np.float32) for picture in pair((18, 16))]
    change = np.random.default_rng(1).standard_normal((18, 16)).astype(np.float32)
    slope = np.vdot(motion_and_slopes()(*pictures)[1][which], change)
    step, ends = 0.01, []
    for sign in (1, -1):
        moved = [picture + (place == which) * sign * step * change for place, picture in enumerate(pictures)]
        ends.append(motion_and_slopes()(*moved)[0])
    assert abs(slope) > 0.5
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=0.03)


@pytest.mark.parametrize(("onset", "apex"), [(0, 0), (255, 200)])
@pytest.mark.slow
def test_derivatives_of_flat_pictures_are_finite(onset: int, apex: int):
    _, slopes = motion_and_slopes()(*(np.full((18, 16), grey, np.float32) for grey in (onset, apex)))
    assert all(np.isfinite(slope).all() for slope in slopes)


@pytest.mark.slow
def test_derivatives_of_the_last_linearisation_leave_the_flow_as_it_is():
    pictures = [picture.astype(np.float32) for picture in pair((18, 16))]
    whole, slopes = motion_and_slopes()(*pictures)
    last, slopes_of_last = motion_and_slopes(replace(QUICK, detached=True))(*pictures)
    np.testing.assert_allclose(last, whole, rtol=1e-4)
    for slope, of_last in zip(slopes, slopes_of_last, strict=True):
        assert np.abs(of_last).max() > 0
        assert np.abs(of_last - slope).max() > 0.1 * np.abs(slope).max()


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_agreement_on_pictures_of_faces(source: str):
    """The difference to OpenCV is like that which noise of 1e-5 of a grey level makes to OpenCV's own."""
    pairs = SOURCES[source](4, 128)
    if not pairs:
        pytest.skip("the package that carries these pictures is not installed")
    found = agreement(pairs, compiled())
    assert found["flow"]["mean"] > 0.1
    assert found["JAX - OpenCV"]["mean"] < 0.02
    assert found["JAX - OpenCV"]["mean"] < 3 * found["OpenCV with noise - OpenCV"]["mean"]


@pytest.mark.slow
def test_a_fixed_number_of_iterations_finds_nearly_the_same_flow():
    onset, apex = pair((128, 128))
    ours, fixed = compiled()(onset, apex), compiled(DIFFERENTIABLE)(onset, apex)
    difference = np.abs(ours - fixed)
    print(f"mean {difference.mean():.4f}, 99 % {np.percentile(difference, 99):.3f}, flow {np.abs(ours).mean():.3f}")
    assert difference.mean() < 0.03


BITS = """
import hashlib, os, sys
import numpy as np
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
from benchmarks.pairs import synthetic_faces
from fedpsyau_jax.vision.flow import JaxTVL1
print(hashlib.sha256(b"".join(JaxTVL1()(*pair).tobytes() for pair in synthetic_faces(3, 128))).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.skipif("avx2" not in cpu_flags(), reason="the processor has no AVX2, or does not say")
def test_bits_do_not_depend_on_the_vector_width_or_on_threads() -> None:
    def bits(threads: int, isa: str) -> str:
        flags = {"XLA_FLAGS": f"--xla_cpu_max_isa={isa}" if isa else "", "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", BITS, str(threads)]
        return subprocess.run(command, env=os.environ | flags, capture_output=True, text=True, check=True).stdout

    assert bits(2, "") == bits(1, "AVX2") != bits(1, "SSE4_2")
