"""Plain tables of annotations as people keep them: sheets, encodings, spellings, gaps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.sheets import TableError
from experiments.plain_table import plain_table

FRAME = pd.DataFrame({"subject": ["ann", "ann", "ben"], "AU12": [1, 0, 1], "AU2": [0, 1, 1]})


def test_the_first_sheet_with_action_units_counts_wherever_its_header_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["coded twice"]}).to_excel(book, sheet_name="read me", index=False)
        FRAME.assign(AU2=FRAME["AU2"].map({0: False, 1: True})).to_excel(
            book, sheet_name="coding", index=False, startrow=3
        )
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
    (tmp_path / "other.csv").write_text("subject,AU,emotion\nann,1+2,joy\n")
    assert plain_table(tmp_path / "other.csv") is None
