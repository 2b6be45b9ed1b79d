import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data import copy_builder
from data.prepare import main
from fedpsyau_jax.synthesis.layouts import LAYOUTS, Truth, write_copy
from fedpsyau_jax.vision.detection import NoFaceError

ROOT = Path(__file__).parents[1]


def no_face(picture: np.ndarray) -> np.ndarray:
    """A detector that never finds any."""
    raise NoFaceError


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Three clips, of which one shows no face and has no landmarks."""
    folder = tmp_path_factory.mktemp("samm") / "copy"
    return write_copy(LAYOUTS["samm"], folder, num_subjects=1, clips_per_subject=2, quirks=False, faceless=True)


@pytest.fixture
def own_copy(truth: Truth, tmp_path: Path) -> Path:
    return Path(shutil.copytree(truth.root, tmp_path / "copy"))


@pytest.mark.slow
def test_the_command_checks_builds_and_shows(
    truth: Truth, own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(copy_builder, "installed_landmarker", lambda: no_face)
    command = ["samm", "--manual-dir", str(own_copy), "--data-dir", str(tmp_path / "tfds"), "--num-workers", "1"]
    assert main([*command, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "3 of 1 subjects" in told
    assert not (tmp_path / "tfds" / "samm").exists()
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "2 of 1 subjects" in told
    assert f"no face found in the onset frame  1: row {truth.dropped[0].row}" in told
    sheet = cv2.imread(str(next((tmp_path / "tfds").rglob("contact_sheet.png"))))
    assert sheet is not None
    assert sheet.std() > 30


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["samm", "--manual-dir", "nowhere"], "nowhere: is no folder; put your copy of SAMM there"),
        (["casme2", "--manual-dir", "{copy}"], "is this the table of another database?"),
        (["dfme", "--config", "D", "--manual-dir", "{copy}"], "no database dfme/D; there are"),
        (["samm", "--manual-dir", "{copy}"], "1 clips (e.g. "),
        (["samm", "--manual-dir", "{file}"], "conftest.py: is no folder; put your copy of SAMM there"),
        (["samm", "--manual-dir", "{copy}", "--table", "absent.xlsx"], "absent.xlsx: is no file; name the annotation"),
        (["samm", "--manual-dir", "{copy}", "--table", "{copy}"], "copy: is no file; name the annotation table"),
        (["samm", "--manual-dir", "{copy}", "--num-workers", "0"], "--num-workers is 0: it must be 1 or more"),
        (
            ["samm", "--manual-dir", "{copy}", "--landmarks", "nowhere"],
            "nowhere: is no folder; name the",
        ),
    ],
)
def test_bad_input_is_told_in_plain_words(
    options: list[str], told: str, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr(copy_builder, "installed_landmarker", lambda: None)
    filled = [option.format(copy=truth.root, file=Path(__file__).with_name("conftest.py")) for option in options]
    assert main([*filled, "--data-dir", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert "Traceback" not in message


@pytest.mark.slow
def test_every_problem_has_a_line_and_what_was_built_stays(
    truth: Truth, own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr(copy_builder, "installed_landmarker", lambda: no_face)
    command = ["samm", "--manual-dir", str(own_copy), "--data-dir", str(tmp_path / "tfds"), "--num-workers", "1"]
    assert main(command) == 0
    built = sorted((tmp_path / "tfds" / "samm").rglob("*"))
    for row in truth.samples:
        picture = own_copy / row.onset_file.relative_to(truth.root)
        picture.write_bytes(picture.read_bytes()[:-30])
    capsys.readouterr()
    assert main(command) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(truth.samples)
    for line, row in zip(lines, truth.samples, strict=True):
        assert f"row {row.row}, clip {row.filename}: " in line
        assert line.endswith(f"{row.onset_file.name}: the picture is truncated; copy it again")
    assert sorted((tmp_path / "tfds" / "samm").rglob("*")) == built


def test_a_data_folder_that_cannot_be_written_is_told_before_the_work(
    own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr(copy_builder, "installed_landmarker", lambda: no_face)
    (tmp_path / "taken").touch()
    assert main(["samm", "--manual-dir", str(own_copy), "--data-dir", str(tmp_path / "taken" / "tfds")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("cannot be written (Not a directory); name a data folder with --data-dir")


@pytest.mark.slow
def test_a_contact_sheet_shows_samples_only(
    truth: Truth, own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr(copy_builder, "installed_landmarker", lambda: no_face)
    monkeypatch.setenv("COLUMNS", "500")
    broken = own_copy / truth.samples[0].onset_file.relative_to(truth.root)
    broken.write_bytes(b"\xff\xd8\xff nothing \xff\xd9")
    command = ["samm", "--manual-dir", str(own_copy), "--data-dir", str(tmp_path / "tfds"), "--num-workers", "1"]
    assert main([*command, "--skip-broken"]) == 0
    assert f"{broken}: cannot be decoded" in capsys.readouterr().out
    assert next((tmp_path / "tfds").rglob("contact_sheet.png")).stat().st_size > 1000
    assert main([*command, "--skip-broken", "--contact-sheet", str(tmp_path)]) == 2
    assert f"{tmp_path}: the contact sheet cannot be written (Is a directory)" in capsys.readouterr().err


def test_an_unknown_option_ends_with_2_and_the_near_one(capsys: pytest.CaptureFixture[str]):
    assert main(["samm", "--manuel-dir", "x"]) == 2
    assert "unknown option --manuel-dir: did you mean --manual-dir?" in capsys.readouterr().err


def test_a_narrow_terminal_cuts_nothing_off(
    own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr(copy_builder, "installed_landmarker", lambda: no_face)
    monkeypatch.setenv("COLUMNS", "50")
    (empty,) = (own_copy / "006").glob("006_1_*")
    for picture in empty.iterdir():
        picture.unlink()
    assert main(["samm", "--manual-dir", str(own_copy), "--data-dir", str(tmp_path), "--skip-broken", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "the folder is empty" in told
    assert "…" not in told


def test_home_may_be_written_short(own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truth: Truth):
    monkeypatch.setattr(copy_builder, "installed_landmarker", lambda: no_face)
    monkeypatch.setenv("HOME", str(tmp_path))
    table = f"--table=~/copy/{truth.tables[0].name}"
    assert main(["samm", "--manual-dir=~/copy", table, "--landmarks=~/copy/landmarks", "--dry-run"]) == 0


def points_at_once(picture: np.ndarray) -> np.ndarray:
    """A detector that knows where synthetic faces are, more or less."""
    return np.array([(60 + place % 17 * 8, 80 + place // 17 * 40) for place in range(68)], float)


@pytest.mark.slow
def test_faces_may_be_found_by_a_function_of_ones_own(own_copy: Path, tmp_path: Path, capsys: Any):
    shutil.rmtree(own_copy / "landmarks")
    command = ["samm", "--manual-dir", str(own_copy), "--data-dir", str(tmp_path / "tfds"), "--num-workers", "1"]
    assert main([*command, "--landmarker", f"{__name__}:points_at_once"]) == 0
    assert '"landmarker": "points_at_once"' in next((tmp_path / "tfds").rglob("1.0.0/metadata.json")).read_text()
    assert main([*command, "--landmarker", "nowhere:points"]) == 2
    assert "'nowhere:points' is not a landmarker" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_on_all_cores(own_copy: Path, tmp_path: Path, truth: Truth):
    (row,) = truth.dropped
    marks = truth.samples[0].landmarks
    assert marks is not None
    place = (own_copy / "landmarks" / row.onset_file.relative_to(truth.root)).with_suffix(".txt")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(marks, place)
    command = [sys.executable, "-m", "data.prepare", "samm", "--manual-dir", own_copy, "--data-dir", tmp_path / "tfds"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"COLUMNS": "500"})
    assert done.returncode == 0, done.stderr
    assert re.search("^samples +2 of 1 subjects", done.stdout, re.MULTILINE)
    assert "is blank where its landmarks are" in done.stdout
