"""Copies with several things wrong at once, made of a few tiny files: what the check says of them."""

import csv
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.annotations import Dropped
from data.apex import spot
from data.clips import pictures_of
from data.databases import layout_of
from data.disfa.layout import LABELLED
from data.pipeline import Recipe, prepare
from data.summary import census
from data.survey import Choices, Survey, survey
from fedpsyau_jax.synthesis.challenge_layout import COLUMNS
from fedpsyau_jax.vision.sample import Settings

DETECTS = Choices(detects=True)
NOISE = np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)
CASME2_HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "Action Units", "Emotion"]


def write_table(path: Path, header: list[str], *rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def film(folder: Path, *numbers: int, name: str = "img{}.png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        assert cv2.imwrite(str(folder / name.format(number)), NOISE)


def look(database: str, root: Path, config: str = "all", choices: Choices = DETECTS) -> Survey:
    return survey(layout_of(database), root, config, choices)


def casme2(root: Path) -> Path:
    rows = [[1, f"EP0{clip}_01", 5, 8, 12, "4", "disgust"] for clip in range(1, 6)]
    root.mkdir()
    write_table(root / "coding.csv", CASME2_HEADER, *rows)
    for _, filename, *_ in rows:
        film(root / "sub01" / filename, *range(5, 13))
    return root


def test_all_kinds_of_problems_are_listed_at_once(tmp_path: Path):
    root = casme2(tmp_path / "copy")
    with (root / "coding.csv").open("a", encoding="utf-8") as stream:
        stream.write("1,ep01_01,5,8,12,4,disgust\n")
    for picture in (root / "sub01" / "EP02_01").iterdir():
        picture.unlink()
    for picture in (root / "sub01" / "EP03_01").iterdir():
        picture.rename(picture.with_name("Thumbs.db"))
    broken = root / "sub01" / "EP04_01" / "img8.png"
    broken.write_bytes(broken.read_bytes()[:-20])
    found = look("casme2", root)
    assert [clip.annotation.row for clip in found.clips] == [2, 6, 7]
    twice, empty, no_picture, truncated = found.problems
    assert "rows 2 and 7: the same clip" in twice
    assert empty.endswith("row 3, clip sub01_EP02_01: " + f"{root}/sub01/EP02_01: the folder is empty")
    assert no_picture.endswith(
        f"row 4, clip sub01_EP03_01: {root}/sub01/EP03_01: holds no picture, only files of the kind .db"
    )
    assert truncated.endswith(f"row 5, clip sub01_EP04_01: {broken}: the picture is truncated; copy it again")


@pytest.mark.parametrize("below", ["DFME/copy/train_data", "DFME/copy/train_data/sub0003_01"])
def test_the_folder_that_was_meant_is_named(tmp_path: Path, below: str):
    root = tmp_path / "DFME" / "copy"
    film(root / "train_data" / "sub0003_01", 1, 2, 3)
    write_table(root / "train.csv", list(COLUMNS), ["sub0003", "sub0003_01", 1, 2, 3, "Anger", 0, 500, "4"])
    (problem,) = look("dfme", tmp_path / below, "challenge").problems
    hint = f"; is {root} the folder that you mean?"
    assert hint in problem
    assert look("dfme", root, "challenge").problems == look("dfme", tmp_path, "challenge").problems == ()


def test_files_that_are_passed_over_are_told(tmp_path: Path):
    root = casme2(tmp_path / "copy")
    write_table(root / "notes.csv", ["a", "b"], [1, 2])
    found = look("casme2", root)
    assert found.problems == ()
    (told,) = [value for name, value in census(found) if name == "not read"]
    assert "notes.csv: there is no column subject" in told


def test_a_set_of_the_challenge_without_its_table_is_told(tmp_path: Path):
    film(tmp_path / "train_data" / "sub0003_01", 1, 2, 3)
    film(tmp_path / "test_data_A" / "sub0004_01", 1, 2, 3)
    write_table(tmp_path / "train.csv", list(COLUMNS), ["sub0003", "sub0003_01", 1, 2, 3, "Anger", 0, 500, "4"])
    (tmp_path / "test_A.xlsx").write_bytes(b"PK truncated")
    (problem,) = look("dfme", tmp_path, "challenge").problems
    unlisted, why = problem.splitlines()
    assert unlisted == f"{tmp_path}/test_data_A: no table lists any of its 1 clips"
    assert "test_A.xlsx: not a readable Excel workbook" in why
    assert "the challenge release; choose --config challenge" in look("dfme", tmp_path).problems[0]


@pytest.mark.slow
def test_rows_of_no_subset_of_dfme_are_dropped(tmp_path: Path):
    part = tmp_path / "USTC_MEv4_partD_sub0301_sub0671_500fps" / "micro" / "anger"
    film(part / "sub0301_01", 1, 2, 3)
    rows = [["sub0301", f"sub0301_0{clip}", 1, 2, 3, "Anger", 0, fps, "4"] for clip, fps in ((1, 500), (2, 300))]
    write_table(tmp_path / "coding.csv", list(COLUMNS), *rows)
    found = look("dfme", tmp_path, "A")
    assert [clip.annotation.row for clip in found.clips] == [2]
    assert [(row.row, row.reason) for row in found.dropped] == [(3, "part D at 300 fps belongs to no subset")]
    assert "the full release, not the challenge" in look("dfme", tmp_path, "challenge").problems[0]


def test_a_part_of_dfme_that_is_not_there_is_told_once(tmp_path: Path):
    film(tmp_path / "USTC_MEv4_partA_sub0001_sub0015" / "micro" / "anger" / "sub0001_01", 1, 2, 3)
    rows = [["sub0001", "sub0001_01", 1, 2, 3, "Anger", 0, 500, "4"]]
    rows += [["sub0301", f"sub0301_0{clip}", 1, 2, 3, "Anger", 0, 500, "4"] for clip in range(1, 8)]
    write_table(tmp_path / "coding.csv", list(COLUMNS), *rows)
    (problem,) = look("dfme", tmp_path).problems
    told = "rows 3-9, clips sub0301_01 and 6 others: folder USTC_MEv4_partD_*_500fps is missing"
    assert problem == f"{tmp_path}/coding.csv, {told}; --skip-broken drops such rows"


def label(folder: Path, au: int, *levels: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{frame},{level}\n" for frame, level in enumerate(levels, 1)]
    (folder / f"{folder.name}_au{au}.txt").write_text("".join(lines))


def test_label_files_of_disfa_are_all_looked_at(tmp_path: Path):
    labels = tmp_path / "ActionUnit_Labels"
    label(labels / "SN001", LABELLED[0], 0, 9, 0)
    (labels / "SN001" / "SN001_au2.txt").write_text("smile")
    (labels / "SN002").mkdir()
    for au in LABELLED:
        label(labels / "SN003", au, *[0, 3, 0] * 20, *[0] * (au == 1))
    told = look("disfa", tmp_path).problems
    assert "SN001_au1.txt, row 2: intensity 9 is not from 0 to 5" in told[0]
    assert "SN001_au2.txt, row 1: 'smile' is not `frame,intensity`" in told[0]
    assert "SN002: no file SN002_au1.txt" in told[0]
    assert "none of 20 clips is there, e.g. video Videos_LeftCamera/LeftVideoSN003_comp.avi" in told[0]


def test_frames_that_some_label_file_lacks_are_noted_and_one_video_is_told_once(tmp_path: Path):
    labels, videos = tmp_path / "ActionUnit_Labels", tmp_path / "Videos_LeftCamera"
    for subject in ("SN001", "SN002"):
        for au in LABELLED:
            label(labels / subject, au, 0, 3, 0, 0, 3, *[0] * (au == 1))
    (labels / "SN001" / "SN001_au9.txt").unlink()
    videos.mkdir()
    video = cv2.VideoWriter(str(videos / "LeftVideoSN001_comp.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 20, (16, 16))
    for _ in range(6):
        video.write(np.repeat(NOISE[..., None], 3, 2))
    video.release()
    found = look("disfa", tmp_path)
    for clip in found.clips:
        assert clip.notes == (
            "AU 9 unknown: SN001 has no label file of it",
            "1 frames of SN001 are not in all its label files: left out",
        )
    assert len(found.clips) == 2
    (problem,) = found.problems
    assert "rows 3, 4, clips SN002_0002, SN002_0005: video Videos_LeftCamera/LeftVideoSN002" in problem


def test_sequences_of_ckplus_that_lack_files_are_not_lost(tmp_path: Path):
    for name in ("001", "002", "003", "004", "006"):
        film(tmp_path / "cohn-kanade-images" / "S005" / name, 1, 2, 3, 4, 5, name=f"S005_{name}_{{:08d}}.png")
    for name, last in (("001", 5), ("002", 30), ("004", 5), ("005", 5)):
        file = tmp_path / "FACS" / "S005" / name / f"S005_{name}_{last:08d}_facs.txt"
        file.parent.mkdir(parents=True)
        file.write_text("" if name == "004" else "4.0 2.0\n")
    emotion = tmp_path / "Emotion" / "S005" / "003"
    emotion.mkdir(parents=True)
    (emotion / "S005_003_00000005_emotion.txt").write_text("-1.0")
    found = look("ckplus", tmp_path)
    assert [(clip.annotation.clip, clip.notes) for clip in found.clips] == [
        ("S005_001", ()),
        ("S005_004", ("AUs unknown: its FACS file is empty",)),
        ("S005_006", ("AUs unknown: it has no FACS file",)),
    ]
    assert [row.reason for row in found.dropped] == [
        "its FACS or emotion file is not understood (emotion -1 is not from 0 to 7)",
        "the picture of the apex (frame 30) is missing, and every one near it",
    ]
    (problem,) = found.problems
    assert "clip S005_005: folder cohn-kanade-images/S005/005 is missing" in problem


def test_archives_may_lie_in_folders_of_their_own(tmp_path: Path):
    film(tmp_path / "images" / "cohn-kanade-images" / "S005" / "001", 1, 2, name="S005_001_{:08d}.png")
    facs = tmp_path / "FACS_labels" / "FACS" / "S005" / "001" / "S005_001_00000002_facs.txt"
    facs.parent.mkdir(parents=True)
    facs.write_text("4.0 2.0\n")
    (clip,) = look("ckplus", tmp_path).clips
    assert (clip.annotation.clip, clip.notes) == ("S005_001", ())
    label(tmp_path / "labels" / "ActionUnit_Labels" / "SN001", LABELLED[0], 0, 3, 0)
    video = tmp_path / "videos" / "Video_LeftCamera" / "LeftVideoSN001_comp.avi"
    video.parent.mkdir(parents=True)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 20, (16, 16))
    for _ in range(3):
        writer.write(np.repeat(NOISE[..., None], 3, 2))
    writer.release()
    assert [clip.annotation.clip for clip in look("disfa", tmp_path).clips] == ["SN001_0002"]


def test_landmarks_that_belong_to_no_clip_are_told(tmp_path: Path):
    root = casme2(tmp_path / "copy")
    (tmp_path / "marks").mkdir()
    (problem,) = look("casme2", root, choices=Choices(detects=True, landmarks=tmp_path / "marks")).problems
    assert "holds no landmark file of any clip" in problem


def test_an_onset_that_nobody_marked_is_noted_and_a_still_clip_has_no_apex_to_spot(tmp_path: Path):
    rows = [[1, "EP01_01", None, 8, 12, "4", "disgust"], [1, "EP02_01", 5, None, 6, "4", "disgust"]]
    write_table(tmp_path / "coding.csv", CASME2_HEADER, *rows)
    film(tmp_path / "sub01" / "EP01_01", 4, 8, 12)
    film(tmp_path / "sub01" / "EP02_01", 5)
    found = look("casme2", tmp_path, choices=Choices(apex=spot, detects=True))
    assert [clip.notes for clip in found.clips] == [("no onset is annotated: the first picture, 4, taken",)]
    assert [row.reason for row in found.dropped] == ["no apex is annotated, and too few pictures to spot one"]


def test_a_copy_is_another_one_when_a_picture_is_replaced(tmp_path: Path):
    root = casme2(tmp_path / "copy")
    before = look("casme2", root).digest()
    assert look("casme2", root).digest() == before
    assert cv2.imwrite(str(root / "sub01" / "EP01_01" / "img8.png"), NOISE[:8])
    assert look("casme2", root).digest() != before


def test_landmarks_of_a_larger_picture_make_no_sample(tmp_path: Path):
    root = casme2(tmp_path / "copy")
    marks = root / "landmarks" / "sub01" / "EP01_01" / "img5.txt"
    marks.parent.mkdir(parents=True)
    marks.write_text("".join(f"{30 + place % 9} {40 + place}\n" for place in range(68)))
    clip = look("casme2", root).clips[0]
    told = prepare(clip, Recipe(Settings()))
    assert isinstance(told, Dropped)
    assert told.reason == f"no face: the eyes of its landmarks lie outside {root}/sub01/EP01_01/img5.png"


def test_folders_and_files_that_cannot_be_read_are_told_with_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As administrators may read everything, reading is made to fail here."""
    root = casme2(tmp_path / "copy")
    (root / "sub01" / "EP03_01" / "img5.png").unlink()
    (root / "sub01" / "EP03_01" / "img5.png").mkdir()
    listing = os.scandir

    def denied(folder: Path) -> Any:
        if Path(folder).name == "EP02_01":
            raise PermissionError(13, "Permission denied", str(folder))
        return listing(folder)

    monkeypatch.setattr(os, "scandir", denied)
    found = look("casme2", root)
    folder, picture = found.problems
    assert folder.endswith(f"row 3, clip sub01_EP02_01: {root}/sub01/EP02_01: cannot be read (Permission denied)")
    assert picture.endswith(
        f"row 4, clip sub01_EP03_01: {root}/sub01/EP03_01/img5.png: cannot be read (Is a directory)"
    )
    skipped = look("casme2", root, choices=replace(DETECTS, skip_broken=True))
    assert [row.row for row in skipped.dropped] == [3, 4]


@pytest.mark.parametrize("database", ["disfa", "ckplus"])
def test_label_files_that_cannot_be_read_are_all_told(tmp_path: Path, database: str):
    files = {
        "disfa": [f"ActionUnit_Labels/SN00{n}/SN00{n}_au1.txt" for n in (1, 2)],
        "ckplus": [f"FACS/S005/00{n}/S005_00{n}_00000005_facs.txt" for n in (1, 2)],
    }[database]
    film(tmp_path / "cohn-kanade-images" / "S005" / "001", 1, 5)
    film(tmp_path / "cohn-kanade-images" / "S005" / "002", 1, 5)
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).symlink_to(tmp_path / "nowhere" if database == "disfa" else tmp_path)
    told = "\n".join(look(database, tmp_path).problems)
    assert all(f"{file}: cannot be read (" in told for file in files)


def test_a_clip_to_be_spotted_does_not_hold_its_pictures(tmp_path: Path):
    write_table(tmp_path / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, None, 90, "4", "disgust"])
    film(tmp_path / "sub01" / "EP01_01", *range(1, 120))
    (clip,) = look("casme2", tmp_path, choices=Choices(apex=spot, detects=True)).clips
    assert [picture.number for picture in pictures_of(clip)] == list(range(5, 91))
    assert len(pickle.dumps(clip)) < 1500
