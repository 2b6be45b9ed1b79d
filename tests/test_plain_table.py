"""Plain tables of annotations as people keep them: sheets, encodings, spellings, gaps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.sheets import TableError
from experiments.inputs.plain_table import plain_table

FRAME = pd.DataFrame({"subject": ["ann", "ann", "ben"], "AU12": [1, 0, 1], "AU2": [0, 1, 1]})


def test_the_first_sheet_with_action_units_counts_wherever_its_header_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["coded twice"]}).to_excel(book, sheet_name="read me", index=False)
        ticked = FRAME.assign(AU2=FRAME["AU2"].map({0: False, 1: True}))
        ticked.to_excel(book, sheet_name="coding", index=False, startrow=3)
    found = plain_table(path)
    assert found is not None
    assert found.table.action_units == (2, 12)  # the upper face first
    np.testing.assert_array_equal(found.table.aus, FRAME[["AU2", "AU12"]])
    assert found.table.subject.tolist() == ["ann", "ann", "ben"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_text_in_the_encodings_of_spreadsheet_programs(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(FRAME.replace("ann", "Änne").to_csv(index=False, sep=";"), encoding=encoding)
    found = plain_table(path)
    assert found is not None
    assert found.table.subject.tolist() == ["Änne", "Änne", "ben"]


def test_gaps_are_unlabelled_and_blank_lines_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("AU 1,Subject ID,au_02\n1,ann\n\nn/a,ann,1.0\n, ben ,NA\n")
    found = plain_table(path)
    assert found is not None
    assert found.table.mask.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert found.table.aus.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert found.table.subject.tolist() == ["ann", "ann", "ben"]


def test_a_row_is_named_by_its_line_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("coded by me\n\nsubject,AU1,AU2\nann,1,0\n\nben,1,x\n")
    with pytest.raises(TableError, match="row 6: AU2 is 'x'"):
        plain_table(path)


def test_what_has_no_action_units_is_no_plain_table(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("subject,emotion\nann,joy\n")
    assert plain_table(tmp_path / "other.csv") is None


@pytest.mark.parametrize(
    "text",
    [
        "subject,AU\nann,4+7+R12\nann,\nben,7 or 12\nben,AD38\n",
        'AU,subject\n"AU4, AU7, AU12",ann\n,ann\n7 or 12,ben\n M58,ben\n',
        "who filmed it;Participant;Action Units\nx;ann;AU4, AU7, AU12\nx;ann;?\nx;ben;7/12\nx;ben;M58\n",
        "coded by me\n\nAUs\tsub\tmood\n4\uff0c7\u3001R12\tann\tjoy\n\tann\tfear\n7?+12?\tben\t\n0\tben\t\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_one_column_of_action_units_is_enough(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding=encoding)
    found = plain_table(path)
    assert found is not None
    assert found.table.action_units == (4, 7, 12)
    assert found.table.subject.tolist() == ["ann", "ann", "ben", "ben"]
    assert found.table.aus.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert found.table.mask.tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 1]]


def test_one_column_of_a_workbook_with_its_oddities(tmp_path: Path) -> None:
    path = tmp_path / "mine.xlsx"
    cells = {"Subject": [1, 1.0, "02"], "FACS": [4, "4+99+7", "nan"], "Video": list("abc"), "Clip": list("def")}
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"subject": ["x"], "au": ["1"]}).to_excel(book, sheet_name="example", index=False)
        pd.DataFrame(cells).to_excel(book, sheet_name="all", index=False)
    found = plain_table(path)
    assert found is not None
    assert found.table.subject.tolist() == ["1", "1", "02"]
    assert found.table.action_units == (4, 7)
    assert found.passed_over == ("AU99",)
    assert found.table.mask.tolist() == [[1, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "subject,AU\nann,4+7\nben,smile\n",
            "row 3: AU cell 'smile': 'smile' is not an action unit; write AUs as 4.R12",
        ),
        ("subject,AU\nann,4+7\n,4\n", "row 3: no subject"),
        ("subject,AU\nann,4\nben,4\n", "its rows name 1 action units of FACS; pairs need at least two"),
        ("subject,AU\n", "nothing is below its header"),
        ("subject,AU,FACS\nann,4,7\nben,5,9\n", "row 1: several headings fit the column au: 'FACS' .* and 'AU'"),
    ],
)
def test_mistakes_in_one_column_are_named_by_their_row(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(TableError, match=told):
        plain_table(tmp_path / "mine.csv")


def test_the_table_of_a_database_stays_its_own(tmp_path: Path) -> None:
    header = "Subject,Filename,Onset,Apex,Offset,AU,emotion"
    (tmp_path / "casme2.csv").write_text(f"{header}\n1,EP01_1,5,8,9,4+7,fear\n")
    assert plain_table(tmp_path / "casme2.csv") is None
