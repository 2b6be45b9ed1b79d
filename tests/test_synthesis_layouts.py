import inspect
import re
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis.__main__ import LayoutName, main, run
from fedpsyau_jax.synthesis.filming import film_sequence
from fedpsyau_jax.synthesis.layouts import LAYOUTS, Row, Truth, write_copy
from fedpsyau_jax.synthesis.layouts.disfa import LABELLED
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.vision.landmarks import read_landmarks
from fedpsyau_jax.vision.sample import Settings

FACE_SQUARE = Settings().square
WITHOUT_APEX = ("casme3-c", "smic", "smic-raw", "smic-e")


def with_quirk(truth: Truth, quirk: str) -> Row:
    (row,) = [row for row in truth.rows if row.quirk == quirk]
    return row


OTHERS = [name for name in LAYOUTS if name not in ("casme2", "smic-raw")]  # smic-raw is filmed as smic is


@pytest.fixture(scope="module", params=["casme2", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def small_copy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    folder = tmp_path_factory.mktemp(request.param) / "copy"
    return write_copy(LAYOUTS[request.param], folder, num_subjects=1, clips_per_subject=2, quirks=False)


@pytest.fixture(scope="module")
def odd_copy(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    folder = tmp_path_factory.mktemp("odd")
    return write_copy(LAYOUTS["dfme-challenge"], folder, num_subjects=1, clips_per_subject=1, faceless=True)


def test_the_command_offers_every_layout():
    assert get_args(LayoutName) == tuple(LAYOUTS)


def test_pictures_and_landmarks_are_where_the_truth_says(small_copy: Truth):
    assert len(small_copy.rows) == 2
    for row in small_copy.rows:
        apex, problem = (None, "no apex") if small_copy.layout in WITHOUT_APEX else (row.true_apex, None)
        assert (row.apex, row.nearest, row.problem, row.quirk) == (apex, False, problem, "")
        assert row.onset < row.true_apex <= row.offset
        box = FACE_SQUARE(read_landmarks(row.landmarks.read_text()))
        assert 80 < box.side < 256
        for file in (row.onset_file, row.apex_file):
            if file is None or file.suffix == ".avi":
                continue
            picture = cv2.imread(str(file))
            assert picture.shape == (256, 256, 3)
            assert picture.std() > 20


def test_clips_have_every_frame_between_onset_and_offset(small_copy: Truth):
    for row in small_copy.rows:
        if row.onset_file.suffix == ".avi":
            continue
        numbers = {int(re.findall(r"\d+", path.stem)[-1]) for path in row.onset_file.parent.iterdir()}
        assert 9 <= row.offset - row.onset + 1 <= 15
        assert numbers >= set(range(row.onset, row.offset + 1))


@pytest.mark.slow
def test_casme3_long_form_is_one_folder_a_recording(tmp_path: Path):
    truth = write_copy(LAYOUTS["casme3-long"], tmp_path, num_subjects=1, clips_per_subject=2, quirks=False)
    first, second = truth.rows
    folder = tmp_path / "part_A" / "spNO.1" / "a" / "color"
    assert first.onset_file.parent == second.onset_file.parent == folder
    assert (folder / f"{first.onset - 2}.jpg").exists()
    assert (folder / f"{first.offset + 2}.jpg").exists()


def test_missing_frames_have_a_nearest_neighbour(odd_copy: Truth):
    apex, onset = with_quirk(odd_copy, "apex frame missing"), with_quirk(odd_copy, "onset frame missing")
    folder = apex.apex_file.parent
    assert not (folder / f"{apex.apex:05d}.png").exists()
    assert not (folder / f"{apex.apex + 1:05d}.png").exists()
    assert apex.apex_file.name == f"{apex.apex - 1:05d}.png"
    assert apex.apex_file.exists()
    assert onset.onset_file.name == f"{onset.onset + 1:05d}.png"
    assert onset.onset_file.exists()
    assert onset.landmarks.exists()
    assert apex.nearest
    assert onset.nearest


def test_a_faceless_clip_shows_none_and_has_no_landmarks(odd_copy: Truth):
    row = with_quirk(odd_copy, "no face")
    assert (row.problem, row.landmarks) == ("no face", None)
    assert cv2.imread(str(row.apex_file)).std() == 0
    assert not list((odd_copy.root / "landmarks").rglob(f"{row.filename}/*"))


def test_the_expression_peaks_at_the_true_apex(odd_copy: Truth):
    row = with_quirk(odd_copy, "head movement")
    folder = odd_copy.root / "landmarks" / "train_data" / row.filename
    corners = np.array(
        [read_landmarks((folder / f"{n:05d}.txt").read_text())[[48, 54]] for n in range(row.onset, row.offset + 1)]
    )
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)  # AU 12 widens the mouth
    assert row.onset + int(width.argmax()) == row.true_apex


@pytest.mark.slow
def test_disfa_labels_are_of_the_videos_frames(tmp_path: Path):
    truth = write_copy(LAYOUTS["disfa"], tmp_path, num_subjects=2, clips_per_subject=1)
    for row in truth.rows:
        labels = tmp_path / "ActionUnit_Labels" / row.subject
        levels = {
            au: dict(map(int, line.split(",")) for line in (labels / f"{row.subject}_au{au}.txt").read_text().split())
            for au in LABELLED
        }
        assert len(list(labels.iterdir())) == len(LABELLED)
        video = cv2.VideoCapture(str(row.onset_file))
        assert set(levels[1]) == set(range(1, int(video.get(cv2.CAP_PROP_FRAME_COUNT)) + 1))
        assert video.get(cv2.CAP_PROP_FPS) == row.fps
        assert all(levels[au][row.onset] == 0 for au in LABELLED)
        assert {au for au in LABELLED if levels[au][row.apex] >= 2} == set(row.action_units)
    trace = with_quirk(truth, "trace of an AU")
    assert set(trace.action_units) == {12}
    assert set(with_quirk(truth, "unlabelled AUs").action_units) == {4}


@pytest.mark.slow
def test_ckplus_ends_at_the_peak_and_has_some_emotions(tmp_path: Path):
    truth = write_copy(LAYOUTS["ckplus"], tmp_path, num_subjects=1, clips_per_subject=2, landmarks=False)
    for row in truth.rows:
        pictures = sorted(path for path in row.onset_file.parent.iterdir() if path.suffix == ".png")
        assert (pictures[0], pictures[-1]) == (row.onset_file, row.apex_file)
        place = (row.subject, row.filename)
        assert len(list(tmp_path.joinpath("Landmarks", *place).iterdir())) == len(pictures)
        facs = tmp_path.joinpath("FACS", *place, f"{row.apex_file.stem}_facs.txt").read_text()
        assert {int(float(line.split()[0])) for line in facs.splitlines()} == set(row.action_units)
        emotion = tmp_path.joinpath("Emotion", *place, f"{row.apex_file.stem}_emotion.txt")
        assert emotion.exists() == (row.emotion is not None)
    assert {row.emotion is None for row in truth.rows} == {True, False}
    blank = with_quirk(truth, "empty emotion folder")
    assert tmp_path.joinpath("Emotion", blank.subject, blank.filename).is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["casme2", "ckplus"])
def test_a_copy_follows_from_its_seed(name: str, tmp_path: Path):
    one, again, other = (
        write_copy(LAYOUTS[name], tmp_path / folder, num_subjects=1, clips_per_subject=1, quirks=False, seed=seed)
        for folder, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    pictures = [truth.rows[0].apex_file.read_bytes() for truth in (one, again, other)]
    assert pictures[0] == pictures[1] != pictures[2]


def test_an_expression_leaves_and_returns():
    footage = film_sequence(
        portrait(FEDERATED, 3), [Action(12, 0.3)], [0.0, 0.5, 1.0, 0.2], FEDERATED.conditions, np.random.default_rng(0)
    )
    size = np.linalg.norm(footage.muscle_motion, axis=(1, 2))
    np.testing.assert_allclose(size / size[2], [0, 0.5, 1, 0.2], atol=1e-9)
    assert len(footage.frames) == 4


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "thesis.txt").write_text("mine")
    assert run(["--layout=samm", f"--output={tmp_path}"]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_copy_of_nobody_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["--layout=samm", f"--output={tmp_path}", "--subjects=0"]) == 2
    assert "subjects" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_says_what_it_planted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main("ckplus", tmp_path / "copy", subjects=1, clips=1) == 0
    told = capsys.readouterr().out
    assert all(quirk in told for quirk in LAYOUTS["ckplus"].quirks)


def test_a_copy_has_people_enough_for_the_commands_of_the_docs():
    assert inspect.signature(main).parameters["subjects"].default >= 2 * 5  # two for each of five clients
