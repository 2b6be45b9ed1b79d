import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from data.annotations import read_table
from data.casme3.layout import COLUMNS as CASME3
from data.frames import Tree
from data.samm.layout import COLUMNS as SAMM
from data.sheets import TableError, columns, read_sheet
from data.tables import only_table

HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"]
ROW = ["spNO.1", "a", "12", "15", "20", "4+7", "disgust"]


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, lines in sheets.items():
        page = book.create_sheet(title)
        for line in lines:
            page.append(line)
    book.save(path)
    return path


def rows(count: int) -> list[list[Any]]:
    return [HEADER, *([*ROW[:2], str(12 + place), str(15 + place), "40", *ROW[5:]] for place in range(count))]


def test_a_workbook_that_states_its_size_wrongly_is_read_whole(tmp_path: Path):
    whole = workbook(tmp_path / "whole.xlsx", {"label": rows(3)})
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(tmp_path / "wrong.xlsx", "w") as target:
        for name in source.namelist():
            target.writestr(name, re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', source.read(name)))
    assert len(read_table(tmp_path / "wrong.xlsx", CASME3).annotations) == 3


@pytest.mark.parametrize(
    ("sheets", "read"),
    [
        ({"macro": 5, " Label ": 2}, " Label "),
        ({"macro": 5, "label": 0}, "macro"),
        ({"Sheet1": 1, "Sheet2": 3, "Sheet3": 2}, "Sheet2"),
    ],
)
def test_of_several_sheets_that_fit_the_best_is_read_and_the_others_told(
    tmp_path: Path, sheets: dict[str, int], read: str
):
    path = workbook(tmp_path / "table.xlsx", {"notes": [["hello"]], **{name: rows(n) for name, n in sheets.items()}})
    (table,) = only_table(CASME3)(Tree(tmp_path), "part_a", None)
    assert len(table.annotations) == sheets[read]
    others = [name for name in sheets if name != read]
    assert table.passed_over == tuple(f"{path}, sheet {name!r}: {read!r} is read instead" for name in others)


def test_a_sheets_title_is_compared_by_its_letters(tmp_path: Path):
    lines = [["Subject", *HEADER[1:]], [6, "006_1_2", 1, 5, 9, "4", "Anger"]]
    path = workbook(tmp_path / "samm.xlsx", {"MACRO_ONLY": [*lines, *lines[1:] * 4], "Micro only": lines})
    assert read_sheet(path, SAMM.required, SAMM.sheet).title == "Micro only"


@pytest.mark.parametrize("delimiter", ["|", " ", "   ", "\t", ";", ","])
def test_cells_of_text_may_be_divided_by_anything_usual(tmp_path: Path, delimiter: str):
    prose = [] if delimiter.isspace() else ['Remarks, at length, by a reader; "who knows", more, more, more, more']
    path = tmp_path / "table.txt"
    path.write_text("\n".join([*prose, *(delimiter.join(line) for line in rows(2))]))
    assert [row.onset for row in read_table(path, CASME3).annotations] == [12, 13]


def test_blanks_divide_no_cells_where_some_may_be_empty(tmp_path: Path):
    path = tmp_path / "table.txt"
    path.write_text(" ".join(HEADER) + "\nspNO.1 a 12 15 20 4 + 7 disgust\n")
    with pytest.raises(TableError, match="there is no column subject"):
        read_table(path, CASME3)


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("Frame rate (fps)", "fps"),
        ("Action Units [FACS]", "au"),
        ("AU(s)", "au"),
        ("Apex (frame)", "apex"),
        ("Onset_Num", "onset"),
        ("Clip ID", "filename"),
        ("Emotion category", "emotion"),
    ],
)
def test_headings_are_known_in_many_spellings(heading: str, name: str):
    assert columns(["x", heading]) == {name: 1}


def test_of_several_tables_the_one_with_the_usual_name_is_read(tmp_path: Path):
    micro = workbook(tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", {"label": rows(2)})
    macro = workbook(tmp_path / "cas(me)3_part_A_MaE_label_JpgIndex_v2.xlsx", {"label": rows(5)})
    (tmp_path / "readme.txt").write_text("Please cite us")
    (table,) = only_table(CASME3)(Tree(tmp_path), "part_a", None)
    assert table.path == micro
    assert table.passed_over[0] == f"{macro}: {micro.name} is read instead"
    assert table.passed_over[1].startswith(f"{tmp_path}/readme.txt: there is no column subject")
    micro.rename(tmp_path / "mine.xlsx")
    with pytest.raises(TableError, match=r"2 tables fit .* name one of them with --table"):
        only_table(CASME3)(Tree(tmp_path), "part_a", None)


def test_a_huge_file_beside_the_copy_is_not_read(tmp_path: Path):
    path = tmp_path / "pixels.csv"
    with path.open("wb") as stream:
        stream.truncate(30 * 2**20)
    with pytest.raises(TableError, match=r"pixels\.csv: too large for an annotation table"):
        read_table(path, CASME3)
