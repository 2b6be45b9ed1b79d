"""The same rows give the same samples, whatever program saved them and in whatever encoding."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from old_workbook import write_xls
from openpyxl import Workbook

from data.annotations import Annotation, Table, read_table
from data.casme2.layout import COLUMNS as CASME2
from data.casme3.layout import COLUMNS as CASME3
from data.grids import grids_of
from data.headings import headings
from data.sheets import TableError
from data.text import decoded

HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion", "备注"]
ROWS: list[list[Any]] = [
    ["spNO.1", "a", "355", 363, "370", "4\uff0c7", "disgust", "眨眼"],
    ["spNO.1", "b", 20, "23", 26.0, "R1\uff0bL2", "Surprise", ""],
    ["spNO.2", "c", "12", "/", "20", 4, "others", "头部运动"],
    ["spNO.2", "d", "5", "9", "20", "12、L14", "happy", None],
]


def save_text(path: Path, rows: Sequence[Sequence[Any]], encoding: str, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


def save(path: Path, rows: Sequence[Sequence[Any]], how: str) -> Path:
    if how == "xls":
        return write_xls(path.with_suffix(".xls"), {"label": rows})
    if how.startswith("xlsx"):
        book = Workbook()
        for row in rows:
            book.worksheets[0].append(
                [str(cell) if how == "xlsx of text" and cell is not None else cell for cell in row]
            )
        book.save(path.with_suffix(".xlsx"))
        return path.with_suffix(".xlsx")
    encoding, _, delimiter = how.partition(" ")
    return save_text(path.with_suffix(".csv"), rows, encoding, {"tab": "\t", "semicolon": ";"}.get(delimiter, ","))


HOW = [
    "xlsx", "xlsx of text", "xls", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030", "gbk tab", "utf-8 semicolon",
    "utf-16 tab", "big5",
]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_the_same_rows_are_the_same_annotations(how: str, tmp_path: Path):
    rows = [HEADER, *ROWS]
    if how == "big5":
        rows = [[str(cell).replace("备注", "備註").replace("头部运动", "頭部運動") for cell in row] for row in rows]
        rows = [["" if cell == "None" else cell for cell in row] for row in rows]
    table = read_table(save(tmp_path / "table", rows, how), CASME3)
    assert table.dropped == table.problems == ()
    assert [told(row) for row in table.annotations] == [
        ("spNO.1_a_355", 355, 363, 370, {4, 7}, "disgust", "midpoint"),
        ("spNO.1_b_20", 20, 23, 26, {1, 2}, "surprise", "midpoint"),
        ("spNO.2_c_12", 12, None, 20, {4}, "others", "annotated"),
        ("spNO.2_d_5", 5, 9, 20, {12, 14}, "happiness", "annotated"),
    ]
    guessed = [remark for remark in table.remarks if "characters are read as" in remark]
    assert len(guessed) == (how.split()[0] in ("gb18030", "gbk", "big5"))


def told(row: Annotation) -> tuple[Any, ...]:
    units = None if row.action_units is None else set(row.action_units.present)
    return row.clip, row.onset, row.apex, row.offset, units, row.emotion, row.apex_kind


def kinds(table: Table) -> list[str]:
    return [row.apex_kind for row in table.annotations]


@pytest.mark.parametrize("how", ["xlsx", "xls", "utf-8"])
def test_midpoints_are_doubted_only_where_no_row_has_its_onset_as_apex(how: str, tmp_path: Path):
    usual = [HEADER, *ROWS, ["spNO.3", "a", "7", "7", "9", "4", "fear", ""]]
    assert set(kinds(read_table(save(tmp_path / "usual", usual, how), CASME3))) == {"annotated"}
    filled = read_table(save(tmp_path / "filled", [HEADER, *ROWS], how), CASME3)
    assert "2 apexes at the midpoint may have been filled in" in filled.remarks[-1]


def test_a_file_is_read_as_what_it_is_not_as_what_it_is_called(tmp_path: Path):
    as_text = save_text(tmp_path / "text.xls", [HEADER, *ROWS], "gb18030", "\t")
    as_new = save(tmp_path / "new", [HEADER, *ROWS], "xlsx").rename(tmp_path / "new.xls")
    as_old = save(tmp_path / "old", [HEADER, *ROWS], "xls").rename(tmp_path / "old.xlsx")
    as_table = save(tmp_path / "book", [HEADER, *ROWS], "xlsx").rename(tmp_path / "book.csv")
    for path in (as_text, as_new, as_old, as_table):
        assert [row.onset for row in read_table(path, CASME3).annotations] == [355, 20, 12, 5]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "not a readable Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (b"<html><table><tr><td>Subject</td></tr></table></html>", "a web page or XML, not a table"),
        ("まばたき,まばたき".encode("cp932"), "neither Unicode nor GB18030, Big5 or Western European"),
        ("моргание".encode("cp1251"), "neither Unicode nor GB18030, Big5 or Western European"),
        (b"\xff\xfea", "its mark says UTF-16, but it is not"),
        (b"\x01\x02\x03\xff", "it is no text"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(content: bytes, told: str, tmp_path: Path):
    path = tmp_path / "table.xls"
    path.write_bytes(content)
    with pytest.raises(TableError, match=told) as error:
        read_table(path, CASME3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("léger, Änne, ça va", "cp1252"), ("¿Qué?", "cp1252"), ("créée", "cp1252"), ("“déjà” \u2013 vu", "cp1252"),
     ("皱眉\uff0c嘴角", "gbk"), ("R1\uff0bR2", "gbk"),
     ("皺眉\uff0c嘴角", "big5"), ("4\uff0c7", "big5"), ("4\uff0c7", "utf-16")],
)  # fmt: skip
def test_encodings_are_told_from_their_usual_characters(text: str, encoding: str):
    assert decoded(text.encode(encoding)).text == text


def test_a_formula_without_its_value_is_refused_where_it_is_read(tmp_path: Path):
    rows = [HEADER, [*ROWS[0][:4], "=C2+15", *ROWS[0][5:]], [*ROWS[3][:7], "=1+1"]]
    table = read_table(save(tmp_path / "table", rows, "xlsx"), CASME3)
    (dropped,) = table.dropped
    assert dropped.reason.startswith("offset is the formula '=C2+15' without its value")
    assert [row.row for row in table.annotations] == [3]


def test_a_cell_may_hold_several_lines_and_rows_are_counted_as_spreadsheets_do(tmp_path: Path):
    rows = [[*HEADER[:7], "re\nmarks"], [*ROWS[0][:7], "one\ntwo\x85three"], ROWS[1]]
    for how in ("utf-8", "xlsx"):
        assert [row.row for row in read_table(save(tmp_path / "table", rows, how), CASME3).annotations] == [2, 3]


def test_headings_may_be_chinese_full_width_or_accented(tmp_path: Path):
    header = ["被试", "文件名", "起始帧", "\uff21\uff50\uff45\uff58", "结束帧", "\uff21\uff35", "Émotion"]
    found = headings(header)
    assert {name: places[0] for name, places in found.items()} == {
        "subject": 0, "filename": 1, "onset": 2, "apex": 3, "offset": 4, "au": 5, "emotion": 6,
    }  # fmt: skip
    path = save_text(tmp_path / "table.csv", [header, ["1", "EP01_1", "1", "2", "3", "4", "厌恶"]], "gb18030")
    assert read_table(path, CASME2).annotations[0].emotion == "disgust"


def test_sheets_of_an_old_workbook_have_their_titles(tmp_path: Path):
    path = write_xls(tmp_path / "table.xls", {"expressions": [HEADER, *ROWS], "blinks": [["Subject"]]})
    assert [title for title, _ in grids_of(path)] == ["expressions", "blinks"]
