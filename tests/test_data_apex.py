"""Rows whose apex is none, and the mistakes of the providers' own tables; the pictures are blank."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from openpyxl import Workbook

from data.annotations import read_table
from data.apex import APEX_POLICIES, within
from data.builder import description_of
from data.casme3.layout import COLUMNS as CASME3
from data.casme3.layout import LAYOUT as CASME3_LAYOUT
from data.clips import pictures_of
from data.databases import layout_of
from data.fixes import CASME3 as CASME3_FIXES
from data.fixes import SAMM as SAMM_FIXES
from data.frames import Tree
from data.samm.layout import COLUMNS as SAMM
from data.summary import census
from data.survey import Choices, Survey, survey

HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"]
NONE = [-1, "-1", 0, 40, 300, "none", "x", 55.5, None, "\\", "-", "#REF!"]


def table(path: Path, rows: list[list[Any]], sheet: str = "label") -> Path:
    book = Workbook()
    book.worksheets[0].title = sheet
    for row in [HEADER, *rows]:
        book.worksheets[0].append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def pictures(folder: Path, *numbers: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"img{number}.jpg").write_bytes(cv2.imencode(".jpg", np.full((8, 8), 128, np.uint8))[1].tobytes())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    rows = [[place, "EP01_1", 50, apex, 60, "12", "happiness"] for place, apex in enumerate(NONE, 1)]
    table(tmp_path / "CASME2-coding.xlsx", [*rows, [99, "EP01_1", 50, 57, 60, "12", "happiness"]])
    for subject in (*range(1, len(NONE) + 1), 99):
        pictures(tmp_path / f"sub{subject:02d}" / "EP01_1", *range(50, 61))
    return tmp_path


def look(copy: Path, policy: str, database: str = "casme2") -> Survey:
    return survey(layout_of(database), copy, "all", Choices(apex=APEX_POLICIES[policy], detects=True))


@pytest.mark.parametrize("policy", ["midpoint", "spot"])
def test_an_apex_that_is_none_is_left_to_the_policy_and_noted(policy: str, copy: Path):
    found = look(copy, policy)
    assert found.problems == found.dropped == ()
    *others, annotated = found.clips
    assert annotated.apex is not None
    assert (annotated.apex.number, annotated.apex_kind, annotated.notes) == (57, "annotated", ())
    for clip, apex in zip(others, NONE, strict=True):
        assert clip.apex_kind == {"midpoint": "midpoint", "spot": "spotted"}[policy]
        assert (clip.apex.number if clip.apex else len(pictures_of(clip))) == {"midpoint": 55, "spot": 11}[policy]
        assert len(clip.notes) == (apex not in ("none", None, "\\", "-"))
        assert all("taken as none" in note and str(apex) in note for note in clip.notes)


def test_a_drop_says_what_stood_in_the_cell(copy: Path):
    found = look(copy, "drop")
    assert len(found.clips) == 1
    reasons = [row.reason for row in found.dropped]
    assert "no apex is annotated (the apex 300 lies outside 50 to 60: taken as none)" in reasons
    assert "no apex is annotated (apex is -1, not a whole number from 0: taken as none)" in reasons
    assert "no apex is annotated" in reasons


def test_what_was_read_as_what_is_told_and_recorded(copy: Path):
    found = look(copy, "drop")
    (told,) = [value for name, value in census(found) if name == "columns"]
    assert told.startswith("subject = 'Subject', filename = 'Filename', onset = 'Onset', apex = 'Apex'")
    assert description_of(found)["columns"]["CASME2-coding.xlsx"]["emotion"] == "emotion"


def test_a_copy_in_which_no_row_has_an_apex_says_what_helps(copy: Path):
    table(copy / "CASME2-coding.xlsx", [[place, "EP01_1", 50, -1, 60, "12", "sadness"] for place in (1, 2)])
    (problem,) = look(copy, "drop").problems
    assert problem.endswith("no row becomes a sample (no apex is annotated; --apex midpoint or spot finds one)")


def test_an_offset_of_minus_one_is_unknown_and_another_number_below_0_no_frame(tmp_path: Path):
    rows = [["spNO.1", "a", 50, 55, offset, "12", "sad"] for offset in ("-1", "-2")]
    read = read_table(table(tmp_path / "table.xlsx", rows), CASME3)
    assert [(row.offset, row.notes) for row in read.annotations] == [
        (None, ("offset is '-1', not a whole number from 0: taken as none",))
    ]
    assert read.dropped[0].reason == "offset is '-2', not a whole number from 0"


def test_an_apex_on_the_first_or_last_frame_stays(tmp_path: Path):
    rows = [["spNO.1", "a", 50, 60, 60, "12", "sad"], ["spNO.1", "b", 50, 50, 60, "12", "sad"]]
    for row in read_table(table(tmp_path / "table.xlsx", rows), CASME3).annotations:
        assert within(row) == (row, [])


KNOWN = [
    (["spNO.149", "d", "112", "83", "358"], (112, 123, 358), "spNO.149_d_112"),
    (["spNO.149", "d", "112", "160", "130"], (112, 123, 130), "spNO.149_d_112"),
    (["spNO.216", "D", "3647", "2668", "2694"], (2647, 2668, 2694), "spNO.216_d_2647"),
    (["spNO.40", "e", "1812", "1824", "0"], (1812, 1824, 1845), "spNO.40_e_1812"),
    (["spNO.214", "c", "5", "17", "3460"], (5, 17, 34), "spNO.214_c_5"),
]


@pytest.mark.parametrize(("cells", "frames", "clip"), KNOWN)
def test_known_mistakes_of_casme3_are_mended_and_listed(cells: list[str], frames: Any, clip: str, tmp_path: Path):
    (row,) = read_table(table(tmp_path / "table.xlsx", [[*cells, "14", "fear"]]), CASME3).annotations
    assert (row.onset, row.apex, row.offset) == frames
    assert row.clip == clip
    assert all(note.startswith("known mistake: ") for note in row.notes)
    assert len(row.notes) == 1


def test_known_mistakes_of_samm_are_mended_and_listed(tmp_path: Path):
    rows = [
        ["032", "032_3_1", 4896, 1930, 4970, "4A", "Anger"],
        ["028", "028_4_1", 1071, 1143, 1134, "A14C", "Contempt"],
    ]
    first, second = read_table(table(tmp_path / "table.xlsx", rows, "MICRO_ONLY"), SAMM).annotations
    assert (first.apex, second.apex) == (4930, 1105)
    assert [len(row.notes) for row in (first, second)] == [1, 1]
    mended = [["032", "032_3_1", 4896, 4930, 4970, "4A", "Anger"], ["032", "032_3_2", 1, 1930, 2000, "4A", "Anger"]]
    assert [row.notes for row in read_table(table(tmp_path / "table.xlsx", mended), SAMM).annotations] == [(), ()]


@pytest.mark.parametrize("onset", [2647, 3647])
def test_a_clip_is_found_under_the_mended_and_under_the_written_onset(onset: int, tmp_path: Path):
    path = table(tmp_path / "t.xlsx", [["spNO.216", "d", "3647", "2668", "2694", "38", "others"]])
    pictures(tmp_path / "Part_A_ME_clip" / "frame" / f"spNO.216_d_{onset}", 2647, 2668, 2694)
    (row,) = read_table(path, CASME3).annotations
    found = CASME3_LAYOUT.locate(Tree(tmp_path), row)
    assert not isinstance(found, str)
    assert sorted(found.frames) == [2647, 2668, 2694]


def test_every_mend_is_in_the_docs():
    docs = (Path(__file__).parents[1] / "docs" / "databases.md").read_text("utf-8")
    for fix in (*CASME3_FIXES, *SAMM_FIXES):
        assert str(fix.wrong) in docs
        assert str(fix.right) in docs
