"""Of several headings for one column the one that is meant is read, and said; or both are named."""

from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from data.annotations import Table, read_table
from data.casme2.layout import COLUMNS as CASME2
from data.dfme.layout import FULL
from data.sheets import TableError

FRAMES = {"Onset": 10, "Apex": 15, "Offset": 20}


def table(folder: Path, **cells: Any) -> Path:
    """A table with a row for each of three subjects; cells by heading, without the ``_`` at its end."""
    book = Workbook()
    page = book.worksheets[0]
    page.append(["Subject", "Filename", *(heading.rstrip("_") for heading in cells)])
    for subject in (1, 2, 3):
        page.append(
            [subject, "EP01_1", *(cell[subject - 1] if isinstance(cell, list) else cell for cell in cells.values())]
        )
    book.save(folder / "table.xlsx")
    return folder / "table.xlsx"


def read(folder: Path, **cells: Any) -> Table:
    return read_table(table(folder, **{"AU": "4", "Emotion": "fear", **cells}), CASME2)


def frames(found: Table) -> tuple[int | None, int | None, int | None]:
    return found.annotations[0].onset, found.annotations[0].apex, found.annotations[0].offset


@pytest.mark.parametrize(
    "cells",
    [
        {"OnsetF": 10, "ApexF1": 15, "ApexF2": 17, "OffsetF": 20, "blank": None, "Onset": 150, "Total": 350},
        {"Onset": 150, "Apex": 225, "Offset": 300, "OnsetF": 10, "ApexF1": 15, "ApexF2": 17, "OffsetF": 20},
        {"OnsetFrame": 10, "ApexFrame": 15, "OffsetFrame": 20, "Offset": 300},
        {**FRAMES, "Onset (ms)": 150, "Apex [ms]": 225, "Offset time": 300},
        {"OnsetMs": 150, "Onset_s": 1, **FRAMES},
        {"Onset (毫秒)": 150, "Onset时间": 1, "Onset/sec.": 2, "ONSET in MS": 3, **FRAMES},
        {**FRAMES, "a": None, "b": None, "Onset_": 150, "Total": 9},
        {"Onset": 150.5, "Apex": 225.5, "Offset": 300.25, "Onset_": 10, "Apex_": 15, "Offset_": 20},
        {**FRAMES, "Onset_": 10, "Apex_": 15, "Offset_": 20},
        {"Onset_": None, **FRAMES},
        {"OnsetF": 10, "OffsetF": 20, "ApexF": 15, "Onset2F": 30, "Offset2F": 40, "Onset3F": 50},
        {"Onset Frame": 10, "Apex Frame": 15, "OffestFrame": 20, "Offset": 300},
    ],
)  # fmt: skip
def test_the_frames_beside_their_siblings_are_read(cells: dict[str, Any], tmp_path: Path):
    assert frames(read(tmp_path, **cells)) == (10, 15, 20)


def test_what_was_read_as_what_is_said(tmp_path: Path):
    found = read(tmp_path, OnsetF=10, ApexF=15, OffsetF=20, Onset=150)
    assert found.remarks == ("onset is read from 'OnsetF' (column E), not from 'Onset' (column H)",)
    assert found.headings["onset"] == "OnsetF"
    assert found.headings["emotion"] == "Emotion"


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({**FRAMES, "Onset_": 11, "Apex_": 16, "Offset_": 21}, "onset: 'Onset' (column C) and 'Onset' (column F)"),
        ({**FRAMES, "Apex_": 16}, "apex: 'Apex' (column D) and 'Apex' (column F)"),
        ({**FRAMES, "Estimated Emotion": ["fear", "sadness", "fear"]}, "emotion: 'Emotion' (column G) and 'Estimated"),
        ({**FRAMES, "Action Units": "4+9", "AU": ["4", "9", "12"]}, "au: 'Action Units' (column F) and 'AU'"),
        ({**FRAMES, "Subject ID": [1, 2, 9]}, "subject: 'Subject' (column A) and 'Subject ID' (column F)"),
        ({**FRAMES, "Clip name": "EP02_1"}, "filename: 'Filename' (column B) and 'Clip name' (column F)"),
        ({"Onset Idx": 9, "OnsetNo": 10, "ApexF": 15, "OffsetF": 20}, "onset: 'Onset Idx' (column C) and 'OnsetNo'"),
    ],
)
def test_two_that_cannot_be_told_apart_are_both_named(cells: dict[str, Any], told: str, tmp_path: Path):
    path = table(tmp_path, **{**cells, "AU": cells.get("AU", "4")}, Emotion="fear")
    with pytest.raises(TableError) as error:
        read_table(path, CASME2)
    message = str(error.value)
    name, _, headings = told.partition(": ")
    assert f"table.xlsx, sheet 'Sheet', row 1: several headings fit the column {name}" in message
    assert headings.partition(" (")[0] in message
    assert "keep one of them in a copy of the table, and name that with --table" in message


@pytest.mark.parametrize(
    ("cells", "notes"),
    [
        ({"Action Units": ["R4+9?", "?", "L1"], "AU": ["4", None, "1"]}, 1),
        ({"Emotion": ["fear", "happy", "Others"], "Estimated Emotion": ["Fear", "happiness", "other"]}, 1),
        ({"Emotion": ["fear", "happy", "Others"], "Emotion label": [4, 5, 6]}, 1),
        ({"Subject ID": ["01", "02", "003"], "AU": "4"}, 1),
        ({"Video": ["a", "b", "c"], "Expression": "micro", "Participant": 7}, 0),
    ],
)
def test_columns_that_say_the_same_are_one(cells: dict[str, Any], notes: int, tmp_path: Path):
    found = read(tmp_path, **FRAMES, **cells)
    assert len(found.annotations) == 3
    assert len(found.remarks) == notes


@pytest.mark.parametrize(
    "heading", ["Mood", "Label", "表情", "Type", "class", "Expression", "Emotion type (self-report)"]
)
def test_emotions_are_found_under_any_heading(heading: str, tmp_path: Path):
    cells = {
        **FRAMES,
        "AU": "4",
        "Objective class": 3,
        heading: ["fear", "Happy", "negative"],
        "Notes": ["", "fear", "x"],
    }
    found = read_table(table(tmp_path, **cells), CASME2)
    assert [row.emotion for row in found.annotations] == ["fear", "happiness", "negative"]
    assert found.headings["emotion"] == heading


def test_a_column_by_its_place_is_left_to_emotions_found_by_their_cells(tmp_path: Path):
    path = table(tmp_path, c=1, d=2, e=3, Feeling="anger", g="happiness", fps=200)
    assert {row.emotion for row in read_table(path, FULL).annotations} == {"happiness"}


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            {"Onset (ms)": 150, "Apex": 15, "Offset": 20},
            "no column onset .*'Onset .ms.' is a time, and frames are needed",
        ),
        (
            {"Onset": 10, "Offset": 20},
            r"no column apex \(only 'Subject', 'Filename', 'AU', 'Emotion', 'Onset', 'Offset'\)",
        ),
        ({**FRAMES, "Emotion": None, "Mood": "fear", "State": "anger"}, "emotion: 'Mood' .* and 'State'"),
    ],
)
def test_what_is_missing_is_told_with_what_is_there(cells: dict[str, Any], told: str, tmp_path: Path):
    with pytest.raises(TableError, match=told):
        read(tmp_path, **cells)
