"""A public-domain photograph of a face, moved by known action units: landmarks, crop and flow on real skin."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis.filming import Conditions, Take, film
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.portrait import Portrait
from fedpsyau_jax.vision.crop import crop_points
from fedpsyau_jax.vision.detection import DlibLandmarker, dlib_landmarker
from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.sample import Settings, flow_image, make_sample
from fedpsyau_jax.vision.stabilise import as_filmed

FACE_SQUARE = Settings().square

pytest.importorskip("dlib")
pytest.importorskip("skimage")
astronaut = pytest.importorskip("skimage.data").astronaut

LEFT, TOP, SIDE = 120, 10, 200
HEAD_MOVES = Conditions(shift=0.016, turn=1.0, zoom=0.008)
STILL_HEAD = replace(HEAD_MOVES, shift=0.0, turn=0.0, zoom=0.0)


@pytest.fixture(scope="module")
def landmarker() -> DlibLandmarker:
    return dlib_landmarker()


@pytest.fixture(scope="module")
def face(landmarker: DlibLandmarker) -> Portrait:
    photograph = astronaut()
    points = landmarker(grey(photograph)) - (LEFT, TOP)
    part = photograph[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    return Portrait((part / 255).astype(np.float32), points, float(np.linalg.norm(points[16] - points[0])))


def grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def motion_and_error(take: Take, settings: Settings) -> tuple[float, float]:
    """Root mean square of the true muscle motion, and of (measured - true), at the inner landmarks."""
    box = FACE_SQUARE(take.onset_landmarks)
    points = crop_points(take.onset_landmarks, box, 128)[17:]
    measured = flow_image(grey(take.onset), grey(take.apex), take.onset_landmarks, settings)
    columns, rows = np.rint(points).astype(int).clip(0, 127).T
    true = take.muscle_motion[17:] * 128 / box.side
    size, error = (np.sqrt((x**2).sum(1).mean()) for x in (true, measured[rows, columns, :2] - true))
    return float(size), float(error)


def test_landmarks_of_the_photograph_are_on_the_face(landmarker: DlibLandmarker):
    points = landmarker(grey(astronaut()))
    left_eye, right_eye = points[36:42].mean(0), points[42:48].mean(0)
    np.testing.assert_allclose([left_eye, right_eye], [(203, 101), (247, 103)], atol=4)
    assert points[33, 1] < points[51, 1] < points[57, 1] < points[8, 1]
    box = FACE_SQUARE(points)
    assert (box.left < points[17:, 0]).all()
    assert (points[17:, 0] < box.left + box.side).all()
    assert (points[17:, 1] < box.top + box.side).all()


def test_landmarks_follow_a_moved_head(landmarker: DlibLandmarker, face: Portrait):
    take = film(face, [], HEAD_MOVES, np.random.default_rng(0))
    found = landmarker(grey(take.onset))
    distance = np.linalg.norm(found - take.onset_landmarks, axis=1).mean()
    assert distance < 0.03 * np.linalg.norm(found[45] - found[36])


@pytest.mark.parametrize("aus", [(4,), (1, 2), (6, 12), (15, 17)])
def test_flow_recovers_the_muscles_on_real_skin(face: Portrait, aus: tuple[int, ...]):
    take = film(face, [Action(au, 0.35) for au in aus], STILL_HEAD, np.random.default_rng(1))
    size, error = motion_and_error(take, Settings())
    assert size > 0.5
    assert error < 0.6 * size


def test_head_motion_is_taken_out_on_real_skin(face: Portrait):
    take = film(face, [Action(1, 0.35), Action(2, 0.35)], HEAD_MOVES, np.random.default_rng(2))
    size, with_it = motion_and_error(take, Settings())
    _, without = motion_and_error(take, Settings(stabilise=as_filmed))
    assert with_it < 0.6 * size
    assert without > 1.2 * size


def test_a_one_sided_smile_shows_on_its_side(face: Portrait):
    take = film(face, [Action(12, 0.35, "L")], STILL_HEAD, np.random.default_rng(3))
    sample = make_sample(grey(take.onset), grey(take.apex), take.onset_landmarks)
    motion = np.abs(sample.patches[..., :2] - 0.5).mean(axis=(1, 2, 3))
    order = network_landmarks(np.stack([np.arange(68.0)] * 2, 1))[:, 0]
    left, right = int(np.flatnonzero(order == 48)[0]), int(np.flatnonzero(order == 54)[0])
    assert motion[left] > 3 * motion[right]


@pytest.mark.slow
def test_figures_on_the_photograph(face: Portrait):
    expressions = {"4": (4,), "1 + 2": (1, 2), "6 + 12": (6, 12)}
    print()
    for name, aus in expressions.items():
        for factor in (0, 1, 4):
            conditions = Conditions(shift=0.008 * factor, turn=0.5 * factor, zoom=0.004 * factor)
            takes = [
                film(face, [Action(au, 0.35) for au in aus], conditions, np.random.default_rng(s)) for s in range(3)
            ]
            size, with_it = np.mean([motion_and_error(take, Settings()) for take in takes], axis=0)
            _, without = np.mean([motion_and_error(take, Settings(stabilise=as_filmed)) for take in takes], axis=0)
            print(f"AU {name}, head motion x {factor}: muscles {size:.2f}, as filmed {without:.2f}, ours {with_it:.2f}")
            assert with_it < 0.6 * size
