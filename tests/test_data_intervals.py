"""Micro- and macro-expressions and blinks of long videos, as data for spotting."""

import csv
from pathlib import Path
from typing import Any

import pytest
from old_workbook import write_xls

from data.intervals import Interval, main, read_intervals
from data.sheets import TableError

HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Expression type", "Objective class"]
ROWS: list[list[Any]] = [
    ["spNO.10", "a", 20, 24, 30, "4", "Micro-expression", "II"],
    ["spNO.2", "B", "100", "150", "180", "12", "Macro-expression", "I"],
    ["spNO.2", "b", 20, 24, 30, "12+6", "Macro-expression", "I"],
]
BLINKS: list[list[Any]] = [
    ["Subject", "Filename", "Onset", "Apex", "Offset"],
    ["spNO.2", "b", 25, 27, 29],
    ["spNO.2", "c", 5, 6, 8],
]


def table(folder: Path, rows: list[list[Any]], name: str = "CAS(ME)3_part_A_v2.xls", **sheets: list[list[Any]]) -> Path:
    return write_xls(folder / name, {"Sheet1": rows, **sheets})


def test_all_kinds_are_read_from_all_sheets(tmp_path: Path):
    path = table(tmp_path, [HEADER, *ROWS], **{"eye blinks": BLINKS, "notes": [["about"], ["this"]], "empty": []})
    found = read_intervals(path)
    assert [one[:7] for one in found.intervals] == [
        ("spNO.2", "b", 20, 24, 30, "macro", "Sheet1"),
        ("spNO.2", "b", 25, 27, 29, "blink", "eye blinks"),
        ("spNO.2", "b", 100, 150, 180, "macro", "Sheet1"),
        ("spNO.2", "c", 5, 6, 8, "blink", "eye blinks"),
        ("spNO.10", "a", 20, 24, 30, "micro", "Sheet1"),
    ]
    assert [one.row for one in found.intervals] == [4, 2, 3, 3, 2]
    assert found.dropped == ()
    assert found.passed_over == ("sheet 'notes': there is no column subject, filename, onset, offset",)


@pytest.mark.parametrize(
    ("word", "kind"),
    [("micro", "micro"), ("ME", "micro"), ("MaE", "macro"), ("Macro expression", "macro"), ("Eye blink", "blink"),
     ("眨眼", "blink"), ("微表情", "micro"), ("宏表情", "macro"), ("MICRO-EXPRESSION ", "micro")],
)  # fmt: skip
def test_kinds_are_known_in_many_words(word: str, kind: str, tmp_path: Path):
    (found,) = read_intervals(table(tmp_path, [HEADER, [*ROWS[0][:6], word, "I"]])).intervals
    assert found.kind == kind


def test_a_table_of_other_headings_is_read(tmp_path: Path):
    rows = [["Subject", "Video", "Start frame", "End", "Type"], ["1", "a", 5, 9, "macro"]]
    (found,) = read_intervals(table(tmp_path, rows)).intervals
    assert found[:6] == ("spNO.1", "a", 5, None, 9, "macro")


def test_a_files_name_may_say_what_its_rows_are(tmp_path: Path):
    for name, kind in (("cas(me)3_part_A_MaE_label_v2.xls", "macro"), ("cas(me)3_part_A_ME_label.xls", "micro")):
        path = table(tmp_path, [HEADER[:6], *(row[:6] for row in ROWS)], name)
        assert {one.kind for one in read_intervals(path).intervals} == {kind}
    with pytest.raises(
        TableError, match="sheet 'Sheet1': nothing says whether its rows are micro- or macro-expressions"
    ):
        read_intervals(table(tmp_path, [HEADER[:6], *(row[:6] for row in ROWS)]))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({2: "x"}, "onset is 'x', not a whole number from 0"),
        ({2: None}, "no onset is annotated"),
        ({4: "?"}, "no offset is annotated"),
        ({4: 10}, "the offset 10 lies before the onset 20"),
        ({6: "posed"}, "'posed' is neither a micro- or macro-expression nor a blink"),
        ({6: None}, "no type is annotated"),
        ({0: "sub one"}, "a cell is 'sub one'"),
    ],
)
def test_a_row_that_is_no_interval_is_dropped_with_its_reason(cells: dict[int, Any], reason: str, tmp_path: Path):
    bad = [cells.get(place, cell) for place, cell in enumerate(ROWS[0])]
    found = read_intervals(table(tmp_path, [HEADER, *ROWS, bad]))
    (dropped,) = found.dropped
    assert len(found.intervals) == 3
    assert dropped.clip == "Sheet1, row 5"
    assert dropped.reason.startswith(reason)


def test_repetitions_are_dropped_and_doubtful_apexes_taken_as_none(tmp_path: Path):
    doubtful = ["spNO.3", "a", 20, 99, 30, "4", "micro", ""]
    marked = ["spNO.3", "b", 20, -1, 30, "4", "micro", ""]
    found = read_intervals(table(tmp_path, [HEADER, *ROWS, ROWS[0], doubtful, marked]))
    assert [(row.row, row.reason) for row in found.dropped] == [(5, "the same interval as in row 2")]
    first, second = [one for one in found.intervals if one.subject == "spNO.3"]
    assert (first.apex, first.notes) == (None, ("the apex 99 lies outside 20 to 30: taken as none",))
    assert (second.apex, second.notes) == (None, ("apex is -1, not a whole number from 0: taken as none",))


def test_known_mistakes_are_mended(tmp_path: Path):
    (found,) = read_intervals(
        table(tmp_path, [HEADER, ["spNO.216", "d", 3647, 2668, 2694, "38", "micro", ""]])
    ).intervals
    assert (found.onset, found.apex, found.offset) == (2647, 2668, 2694)
    assert found.notes[0].startswith("known mistake: onset 3647 read as 2647")


def test_the_command_writes_a_line_for_each_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = table(tmp_path, [HEADER, *ROWS, [*ROWS[0][:6], "posed", ""]], blink=BLINKS)
    assert main([str(path), "--output", str(tmp_path / "intervals.csv")]) == 0
    told = capsys.readouterr().out
    assert "intervals: 5 in 3 videos of 2 subjects" in told
    assert "kinds: micro 1, macro 2, blink 2" in told
    assert "dropped: 'posed' is neither a micro- or macro-expression nor a blink: 1: Sheet1, row 5" in told
    with (tmp_path / "intervals.csv").open(newline="") as stream:
        header, *lines = csv.reader(stream)
    assert tuple(header) == Interval._fields
    assert len(lines) == 5
    assert lines[0][:6] == ["spNO.2", "b", "20", "24", "30", "macro"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["absent.xls"], "absent.xls: cannot be read (No such file or directory)"),
        (["{table}", "--output", "{folder}"], "Is a directory"),
        (["{other}"], "there is no column subject, filename, onset, offset"),
        ([], "table"),
    ],
)
def test_mistakes_are_told_in_one_message(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    places = {"table": table(tmp_path, [HEADER, *ROWS]), "folder": tmp_path, "other": tmp_path / "other.csv"}
    assert main([argument.format(**places) for argument in arguments]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert "Traceback" not in message
