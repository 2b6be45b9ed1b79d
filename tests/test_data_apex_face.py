"""The face is looked for in the apex too: another scene, a covered face, a cut or another person make no sample."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.annotations import Dropped
from data.apex import spot
from data.pipeline import Prepared, Recipe, prepare
from data.survey import Choices
from fedpsyau_jax.synthesis.filming import film as filmed
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.spotting import spot_apex
from tests.test_data_damage import CASME2_HEADER, look, write_table

TAKE = filmed(portrait(FEDERATED, 1), [Action(12, 0.3)], FEDERATED.conditions, np.random.default_rng(1))
ONSET, APEX = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (TAKE.onset, TAKE.apex))
POINTS = TAKE.onset_landmarks
Change = Callable[[np.ndarray], np.ndarray]


def title_card(frame: np.ndarray) -> np.ndarray:
    card = np.zeros_like(frame)
    for line in range(5):
        cv2.putText(card, "TRIAL 12", (10, 50 + 45 * line), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 4)
    return card


def covered(frame: np.ndarray) -> np.ndarray:
    hidden = frame.copy()
    cv2.ellipse(hidden, (128, 140), (75, 55), 20, 0, 360, 170, -1)
    return hidden


def night(frame: np.ndarray) -> np.ndarray:
    return np.clip(np.random.default_rng(0).normal(9, 5, frame.shape), 0, 255).astype(np.uint8)


def cut(frame: np.ndarray) -> np.ndarray:
    """The same person elsewhere in the picture."""
    return cv2.warpAffine(frame, np.array([[1, 0, 70.0], [0, 1, 30]]), frame.shape, borderMode=cv2.BORDER_REFLECT)


def flash(frame: np.ndarray) -> np.ndarray:
    return np.clip(1.4 * frame, 0, 255).astype(np.uint8)


OTHER_SCENES = [pytest.param(title_card, marks=pytest.mark.slow), covered, night, cut, flash]


def copy_of(root: Path, apex: np.ndarray, *, marks: dict[int, np.ndarray] | None = None, sought: bool = False) -> Path:
    root.mkdir(exist_ok=True)
    write_table(root / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, None if sought else 8, 9, "12", "happiness"])
    folder = root / "sub01" / "EP01_01"
    folder.mkdir(parents=True)
    for number, frame in {5: ONSET, 6: ONSET, 7: APEX, 8: apex, 9: ONSET}.items():
        assert cv2.imwrite(str(folder / f"img{number}.png"), frame)
    for number, points in (marks or {}).items():
        place = root / "landmarks" / "sub01" / "EP01_01" / f"img{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(f"{x} {y}\n" for x, y in points))
    return root


def made(root: Path, landmarker: Callable[[np.ndarray], object] | None = None, choices: Choices | None = None):
    (clip,) = look("casme2", root, choices=choices or Choices(detects=True)).clips
    return prepare(clip, Recipe(Settings(), landmarker, spot_apex))


def finds_the_onset_only(picture: np.ndarray) -> np.ndarray | None:
    return POINTS if np.array_equal(picture, ONSET) else None


@pytest.mark.slow
def test_the_true_apex_makes_a_sample(tmp_path: Path):
    assert isinstance(made(copy_of(tmp_path, APEX), lambda picture: POINTS), Prepared)


@pytest.mark.parametrize("change", OTHER_SCENES)
def test_an_apex_without_a_face_is_dropped_where_a_detector_looks(change: Change, tmp_path: Path):
    told = made(copy_of(tmp_path, change(APEX)), finds_the_onset_only)
    assert isinstance(told, Dropped)
    assert told.reason == "no face found in the apex frame"


@pytest.mark.slow
@pytest.mark.parametrize("change", OTHER_SCENES)
def test_without_a_detector_the_motion_tells(change: Change, tmp_path: Path):
    told = made(copy_of(tmp_path, change(APEX), marks={5: POINTS}))
    assert isinstance(told, Dropped)
    assert told.reason.startswith("no motion of a face: ")
    assert "the apex shows another scene" in told.reason
    assert "\n" not in told.reason


def test_a_detector_that_sees_no_face_in_the_onset_either_says_nothing(tmp_path: Path):
    """As in pictures cropped so closely that dlib finds none, whose landmarks come as files."""
    root = copy_of(tmp_path, APEX, marks={5: POINTS})
    assert isinstance(made(root, lambda picture: None), Prepared)
    assert isinstance(made(root, finds_the_onset_only), Dropped)


def test_the_apexs_own_landmarks_must_be_where_the_face_was(tmp_path: Path):
    assert isinstance(made(copy_of(tmp_path / "a", APEX, marks={5: POINTS, 8: TAKE.apex_landmarks})), Prepared)
    far = made(copy_of(tmp_path / "b", APEX, marks={5: POINTS, 8: POINTS + 60}))
    large = made(copy_of(tmp_path / "c", APEX, marks={5: POINTS, 8: (POINTS - 128) * 2 + 128}))
    for told in (far, large):
        assert isinstance(told, Dropped)
        assert "from that of the onset and is" in told.reason
        assert told.reason.endswith("another scene, or another person")


@pytest.mark.slow
def test_of_several_faces_the_largest_counts_and_the_others_are_noted(tmp_path: Path):
    small = (POINTS - 128) * 0.4 + 60
    one = made(copy_of(tmp_path, APEX), lambda picture: np.array([small, POINTS]))
    assert isinstance(one, Prepared)
    assert one.clip.notes == ("another face in the onset frame: the largest is taken",)
    np.testing.assert_array_equal(
        one.sample.landmarks,
        made(tmp_path, lambda picture: POINTS).sample.landmarks,  # type: ignore[union-attr]
    )
    three = made(tmp_path, lambda picture: [small, small, POINTS])
    assert three.clip.notes == ("2 other faces in the onset frame: the largest is taken",)  # type: ignore[union-attr]


def test_a_frame_of_another_scene_is_never_spotted(tmp_path: Path):
    root = copy_of(tmp_path, title_card(APEX), marks={5: POINTS}, sought=True)
    told = made(root, choices=Choices(apex=spot))
    assert isinstance(told, Prepared)
    assert told.clip.apex is not None
    assert told.clip.apex.number in (6, 7)  # the expression's frame, and what smoothing leaves of it
