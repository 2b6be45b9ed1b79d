"""Copies whose parts lie deeper than the provider's layout, as archives unpack: all parts are found alike."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.apex import midpoint
from data.clips import Clip
from data.databases import layout_of
from data.frames import DEPTH, Tree
from data.survey import Choices, Survey, survey
from tests.test_data_damage import CASME2_HEADER, film, look, write_table
from tests.test_data_layouts import CONFIGS, blank_copy

POINTS = "".join(f"{20 + place} {30 + place % 7}\n" for place in range(68))


def surveyed(name: str, root: Path) -> Survey:
    return survey(layout_of(name.split("-")[0]), root, CONFIGS.get(name, "all"), Choices(midpoint))


def files_of(clip: Clip, root: Path) -> tuple[str, str]:
    """Names of the onset's picture and of its landmark file."""
    frame = clip.onset.frame
    return getattr(frame, "video", frame).name, clip.landmarks.name if clip.landmarks else ""


@pytest.mark.parametrize(
    "name", ["casme2", "casme3", "casme3-long", "casme3-c", "samm", "dfme", "dfme-challenge", "ckplus", "disfa"]
)
@pytest.mark.parametrize("wrappers", ["wrapped", "own", "both"])
def test_every_part_is_found_at_any_depth(name: str, wrappers: str, tmp_path: Path):
    """All in a folder; each part in a folder of its own name, as archives unpack; both."""
    truth = blank_copy(name, tmp_path / "copy", num_subjects=2)
    plain = surveyed(name, truth.root)
    assert plain.clips
    if wrappers != "wrapped":
        for part in [path for path in truth.root.iterdir() if path.is_dir()]:
            inner = part.rename(truth.root / "moving")
            part.mkdir()
            inner.rename(part / part.name)
    if wrappers != "own":
        shutil.move(truth.root, tmp_path / "release" / "v2" / "copy")
        (tmp_path / "__MACOSX" / "release").mkdir(parents=True)
    found = surveyed(name, truth.root if wrappers == "own" else tmp_path)
    assert found.problems == plain.problems == ()
    assert [clip.annotation.clip for clip in found.clips] == [clip.annotation.clip for clip in plain.clips]
    seen, expected = ([files_of(clip, truth.root) for clip in one.clips] for one in (found, plain))
    assert seen == expected
    assert all(clip.landmarks for clip in found.clips)


@pytest.mark.parametrize(
    "place", ["landmarks", "landmarks/landmarks", "points/of/landmarks", "LANDMARKS/CASME2/cropped"]
)
def test_landmarks_are_found_at_any_depth_and_never_another_subjects(place: str, tmp_path: Path):
    rows = [[subject, "EP01_01", 5, 8, 12, "4", "disgust"] for subject in (1, 2)]
    write_table(tmp_path / "coding.csv", CASME2_HEADER, *rows)
    for subject in ("sub01", "sub02"):
        film(tmp_path / "raw" / subject / "EP01_01", *range(5, 13))
    marks = tmp_path / place / "sub01" / "EP01_01"
    marks.mkdir(parents=True)
    (marks / "img5.txt").write_text(POINTS)
    first, second = look("casme2", tmp_path).clips
    assert first.landmarks == marks / "img5.txt"
    assert second.landmarks is None


@pytest.mark.parametrize("place", ["sub01/EP01_01", "sub01/EP01_01/frames", "sub01/EP01_01/points", "EP01_01"])
def test_landmarks_may_lie_a_folder_higher_or_lower_than_the_pictures(place: str, tmp_path: Path):
    write_table(tmp_path / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, 8, 12, "4", "disgust"])
    film(tmp_path / "raw" / "sub01" / "EP01_01" / "frames", 5, 8, 12)
    marks = tmp_path / "landmarks" / place / "img5.txt"
    marks.parent.mkdir(parents=True)
    marks.write_text(POINTS)
    (clip,) = look("casme2", tmp_path).clips
    assert clip.landmarks == (marks if place != "EP01_01" else None)  # which could be any subject's


def test_ckplus_landmarks_of_another_subject_are_not_taken(tmp_path: Path):
    for subject in ("S005", "S010"):
        film(tmp_path / "cohn-kanade-images" / subject / "001", 1, 2, name=f"{subject}_001_{{:08d}}.png")
    facs = tmp_path / "FACS_labels" / "S005" / "001" / "S005_001_00000002_facs.txt"
    facs.parent.mkdir(parents=True)
    facs.write_text("4.0 2.0\n")
    marks = tmp_path / "Landmarks" / "Landmarks" / "S010" / "001"
    marks.mkdir(parents=True)
    (marks / "S010_001_00000001_landmarks.txt").write_text(POINTS)
    first, second = look("ckplus", tmp_path).clips
    assert (first.landmarks, second.landmarks) == (None, marks / "S010_001_00000001_landmarks.txt")
    assert first.notes == ()  # its FACS file is found in a folder of the archive's name


@pytest.mark.parametrize("depth", [3, DEPTH + 1])
def test_a_table_deeper_than_the_pictures_is_read_or_its_folder_named(depth: int, tmp_path: Path):
    film(tmp_path / "sub01" / "EP01_01", 5, 8, 12)
    place = tmp_path.joinpath(*[f"level{i}" for i in range(depth)])
    place.mkdir(parents=True)
    write_table(place / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, 8, 12, "4", "disgust"])
    found = look("casme2", tmp_path)
    assert len(found.clips) == (depth == 3)
    if depth > DEPTH:
        assert "no annotation table of CASME II" in found.problems[0]


def test_pictures_too_deep_are_hinted_at_by_the_inner_folder(tmp_path: Path):
    inner = tmp_path.joinpath(*"abcdefghi")
    film(inner / "casme2" / "sub01" / "EP01_01", 5, 8, 12)
    write_table(inner / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, 8, 12, "4", "disgust"])
    (problem,) = look("casme2", tmp_path).problems
    assert f"; is {inner} the folder that you mean?" in problem
    assert look("casme2", inner).problems == ()
    (inner / "coding.csv").rename(tmp_path / "coding.csv")
    (problem,) = look("casme2", tmp_path).problems
    assert "none of 1 clips is there" in problem
    assert f"{inner}/casme2/sub01/EP01_01 lies more than {DEPTH} folders deep: move it up" in problem


def test_of_tables_the_highest_is_read_and_texts_further_down_are_landmarks(tmp_path: Path):
    row = [1, "EP01_01", 5, 8, 12, "4", "disgust"]
    film(tmp_path / "sub01" / "EP01_01", 5, 8, 12)
    write_table(tmp_path / "coding.csv", CASME2_HEADER, row)
    backup = tmp_path / "old" / "backup"
    backup.mkdir(parents=True)
    write_table(backup / "coding.csv", CASME2_HEADER, row, [1, "EP02_01", 5, 8, 12, "4", "disgust"])
    (table,) = look("casme2", tmp_path).tables
    assert table.path == tmp_path / "coding.csv"
    write_table(backup / "deep.txt", CASME2_HEADER, row)
    (tmp_path / "landmarks").mkdir()
    write_table(tmp_path / "landmarks" / "sub01_EP01_01.csv", ["frame", "x_0"], [1, 2])
    assert Tree(tmp_path).table_files == [tmp_path / "coding.csv", backup / "coding.csv"]


def test_a_clip_folder_that_holds_nothing_but_a_folder_is_looked_into(tmp_path: Path):
    write_table(tmp_path / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, 8, 12, "4", "disgust"])
    film(tmp_path / "sub01" / "EP01_01" / "frames", 5, 8, 12)
    (clip,) = look("casme2", tmp_path).clips
    assert clip.onset.frame == tmp_path / "sub01" / "EP01_01" / "frames" / "img5.png"
    film(tmp_path / "sub01" / "EP01_01" / "depth", 5)
    assert "EP01_01: holds no picture, but the folders depth, frames" in look("casme2", tmp_path).problems[0]


def test_depth_pictures_of_casme3_are_never_taken(tmp_path: Path):
    header = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"]
    write_table(tmp_path / "label.csv", header, ["spNO.1", "a", "10", "12", "14", "4", "disgust"])
    film(tmp_path / "A" / "Part_A_ME_clip" / "depth" / "spNO.1_a_10", 10, 12, 14, name="{}.png")
    assert "none of 1 clips is there" in look("casme3", tmp_path, "part_a").problems[0]
    film(tmp_path / "A" / "Part_A_ME_clip" / "frame" / "spNO.1_a_10", 10, 12, 14, name="{}.png")
    (clip,) = look("casme3", tmp_path, "part_a").clips
    assert "frame" in str(clip.onset.frame)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As administrators may read everything, reading is made to fail here."""
    rows = [[subject, "EP01_01", 5, 8, 12, "4", "disgust"] for subject in (1, 2)]
    write_table(tmp_path / "coding.csv", CASME2_HEADER, *rows)
    film(tmp_path / "raw" / "sub01" / "EP01_01", 5, 8, 12)
    film(tmp_path / "locked" / "sub02" / "EP01_01", 5, 8, 12)
    scan = os.scandir

    def denied(folder: Path) -> Any:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", denied)
    locked, missing = look("casme2", tmp_path).problems
    assert locked == f"{tmp_path}/locked: cannot be read (Permission denied)"
    assert "folder sub02 is missing" in missing


def test_pictures_that_show_landmarks_are_not_taken_for_the_clip(tmp_path: Path):
    write_table(tmp_path / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, 8, 12, "4", "disgust"])
    film(tmp_path / "Landmarks_drawn" / "sub01" / "EP01_01", 5, 8, 12)
    film(tmp_path / "release" / "raw" / "sub01" / "EP01_01", 5, 8, 12)
    (clip,) = look("casme2", tmp_path).clips
    assert clip.onset.frame == tmp_path / "release" / "raw" / "sub01" / "EP01_01" / "img5.png"
