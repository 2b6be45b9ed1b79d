import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis.anatomy import mean_shape
from fedpsyau_jax.vision.crop import crop, crop_points, eye_square
from fedpsyau_jax.vision.flow import MissingTVL1Error, tvl1
from fedpsyau_jax.vision.landmarks import network_landmarks, read_landmarks
from fedpsyau_jax.vision.patches import cut_patches, patch_corners
from fedpsyau_jax.vision.sample import Settings, make_sample
from fedpsyau_jax.vision.scaling import FixedRange, min_max
from fedpsyau_jax.vision.stabilise import as_filmed, head_motion
from fedpsyau_jax.vision.strain import optical_strain


def texture(size: int = 128, seed: int = 0) -> np.ndarray:
    field = cv2.GaussianBlur(np.random.default_rng(seed).random((size, size)), (0, 0), 2)
    return np.uint8(255 * (field - field.min()) / np.ptp(field))


def moved(picture: np.ndarray, transform: np.ndarray) -> np.ndarray:
    size = picture.shape[::-1]
    return cv2.warpAffine(picture, transform, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def face_points(unit: float = 150.0, origin: tuple[float, float] = (128.0, 110.0)) -> np.ndarray:
    return mean_shape() * unit + origin


def test_65_landmarks_are_where_the_network_expects_them():
    points = np.random.default_rng(0).random((68, 2))
    landmarks = network_landmarks(points)
    assert landmarks.shape == (65, 2)
    np.testing.assert_array_equal(landmarks[:10], points[17:27])
    np.testing.assert_array_equal(landmarks[10:22], points[36:48])
    np.testing.assert_allclose(landmarks[22], (points[21] + points[22]) / 2)
    np.testing.assert_array_equal(landmarks[23:32], points[27:36])
    np.testing.assert_array_equal(landmarks[32:52], points[48:68])
    np.testing.assert_array_equal(landmarks[52:59], points[5:12])
    np.testing.assert_allclose(landmarks[59], (points[41] + points[48]) / 2)


def test_cheek_landmarks_mirror_each_other():
    left, right = np.split(network_landmarks(mean_shape())[59:], 2)
    np.testing.assert_allclose(left * (-1, 1), right, atol=1e-12)


@pytest.mark.parametrize("text", ["1 2\n" * 67, "1 2\n" * 67 + "1 x\n", "1 2\n" * 67 + "1 nan\n", "1 2 3\n" * 68])
def test_bad_landmark_text_is_refused(text: str):
    with pytest.raises(ValueError, match="68 lines"):
        read_landmarks(text)


@pytest.mark.parametrize("between", [" ", ", ", ",", "\t"])
def test_numbers_of_a_landmark_file_may_be_divided_by_commas(between: str):
    points = read_landmarks("".join(f"{x}.5{between}2e1\n" for x in range(68)))
    np.testing.assert_array_equal(points, np.column_stack([np.arange(68) + 0.5, np.full(68, 20)]))


def test_the_eyes_square_is_a_square_of_eight_units():
    points = face_points()
    box = eye_square(points)
    unit = np.linalg.norm(points[42] - points[39]) / 2
    centre = (points[39] + points[42]) / 2
    assert box.side == pytest.approx(8 * unit)
    assert (box.left, box.top) == pytest.approx((centre[0] - 4 * unit, centre[1] - 3 * unit))
    np.testing.assert_allclose(crop_points(centre[None], box, 128), [[63.5, 47.5]], atol=0.6)


def test_crop_puts_a_mark_where_crop_points_says():
    picture = np.zeros((256, 256), np.uint8)
    cv2.circle(picture, (150, 140), 3, 255, -1)
    box = eye_square(face_points())
    face = crop(picture, box, 128).astype(float)
    y, x = np.mgrid[:128, :128]
    found = np.array([(face * x).sum(), (face * y).sum()]) / face.sum()
    np.testing.assert_allclose(found, crop_points(np.array([[150.0, 140.0]]), box, 128)[0], atol=0.05)


def test_crop_repeats_the_border_and_keeps_the_scale():
    picture = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    points = face_points(origin=(20.0, 110.0))
    face = crop(picture, eye_square(points), 128).astype(int)
    assert face.shape == (128, 128)
    assert (face[:, :5] == 0).all()
    step = np.diff(face[64, 80:]).mean()
    assert step == pytest.approx(eye_square(points).side / 128, rel=0.02)


def test_coinciding_eye_corners_are_no_face():
    with pytest.raises(ValueError, match="coincide"):
        eye_square(np.zeros((68, 2)))


def test_patch_windows_agree_with_the_released_ones():
    golden = np.load(Path(__file__).parent / "parity" / "host_facts_patch.npz")
    box = golden["patch/box"]  # x0, x1, y0, y1
    corners = patch_corners(golden["patch/points"].astype(float), 128, 128)
    np.testing.assert_array_equal(
        np.stack([corners[:, 0], corners[:, 0] + 5, corners[:, 1], corners[:, 1] + 5], 1), box
    )


def test_patches_are_cut_row_y_column_x():
    y, x = np.mgrid[:128, :128].astype(float)
    patches = cut_patches(np.dstack([x, y, x + y]), np.array([[30.0, 90.0]]))
    np.testing.assert_array_equal(patches[0, 2, 2], [30, 90, 120])
    np.testing.assert_array_equal(patches[0, 0, 4], [32, 88, 120])


def test_tvl1_recovers_a_translation():
    picture = texture()
    flow = tvl1(picture, moved(picture, np.float32([[1, 0, 1.5], [0, 1, -0.7]])))
    inside = flow[20:-20, 20:-20]
    np.testing.assert_allclose(inside.mean((0, 1)), [1.5, -0.7], atol=0.05)
    assert np.abs(inside - [1.5, -0.7]).mean() < 0.05


def test_missing_tvl1_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(cv2, "optflow")
    with pytest.raises(MissingTVL1Error, match="pip install opencv-contrib-python==") as error:
        tvl1(texture(), texture())
    assert "\n" not in str(error.value)


def test_the_advised_opencv_is_the_pinned_one():
    pinned = re.search(
        r"opencv-contrib-python==([\d.]+)", Path(__file__).parents[1].joinpath("pyproject.toml").read_text()
    )
    assert pinned is not None
    assert pinned[0] in str(MissingTVL1Error())


def test_strain_of_analytic_fields():
    y, x = np.mgrid[:20, :20].astype(float)
    general = np.dstack([0.1 * x + 0.02 * y, 0.05 * x - 0.03 * y])
    expected = np.sqrt(0.1**2 + 0.03**2 + 0.5 * (0.02 + 0.05) ** 2)
    np.testing.assert_allclose(optical_strain(general), expected, rtol=1e-9)
    rotation = np.dstack([-0.01 * y, 0.01 * x])
    np.testing.assert_allclose(optical_strain(rotation - (3, 2)), 0, atol=1e-12)


def test_fixed_scaling_keeps_zero_and_amplitude():
    scaling = FixedRange(motion=4.0, strain=0.5)
    image = np.array([[[1.0, -2.0, 0.25], [9.0, -9.0, 9.0], [0, 0, 0]]], np.float32)
    np.testing.assert_allclose(scaling(image)[0], [[0.625, 0.25, 0.5], [1, 0, 1], [0.5, 0.5, 0]], rtol=1e-6)
    assert scaling(image).dtype == np.float32


def test_min_max_spans_the_range_and_forgets_amplitude():
    image = np.random.default_rng(0).standard_normal((8, 8, 3))
    np.testing.assert_allclose(min_max(image), min_max(7 * image + 3), atol=1e-12)
    assert min_max(image).min() == 0
    assert min_max(image).max() == 1
    np.testing.assert_array_equal(min_max(np.ones((4, 4, 3))), 0)


def test_head_motion_finds_a_similarity():
    picture, points = texture(seed=3), crop_points(face_points(), eye_square(face_points()), 128)
    true = cv2.getRotationMatrix2D((64, 64), 1.2, 1.01)
    true[:, 2] += (1.3, -0.8)
    found = head_motion(picture, moved(picture, true), points)
    stable = points[[36, 39, 42, 45, 27]]
    error = (stable @ found[:, :2].T + found[:, 2]) - (stable @ true[:, :2].T + true[:, 2])
    assert np.abs(error).max() < 0.1


def test_no_texture_means_no_head_motion():
    flat = np.full((128, 128), 99, np.uint8)
    np.testing.assert_array_equal(head_motion(flat, flat, face_points(100, (64, 50))), np.eye(2, 3))


@pytest.mark.slow
def test_a_still_face_is_exactly_grey():
    picture = texture(256)
    sample = make_sample(picture, picture, face_points(), Settings(stabilise=as_filmed))
    assert sample.flow.shape == (28, 28, 3)
    assert sample.patches.shape == (65, 5, 5, 3)
    assert sample.flow.dtype == sample.patches.dtype == np.float32
    np.testing.assert_allclose(sample.flow - (0.5, 0.5, 0), 0, atol=1e-3)
    np.testing.assert_allclose(sample.patches - (0.5, 0.5, 0), 0, atol=1e-3)


def test_frames_of_different_size_are_refused():
    with pytest.raises(ValueError, match="must agree"):
        make_sample(texture(256), texture(128), face_points())
