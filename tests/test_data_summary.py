from pathlib import Path

import pytest

from data.annotations import Annotation, Table
from data.clips import Clip, Picture
from data.summary import census, drops, notes
from data.survey import Survey
from data.telling import by_kind


def survey(*tables: Path) -> Survey:
    row = Annotation(7, "sub01", "EP01", "sub01_EP01", 5, 8, 9, 200, "fear", None)
    clip = Clip(row, Picture(5, Path("5.jpg")), Picture(8, Path("8.jpg")), 9, None, "midpoint", notes=("frame 4",))
    return Survey(Path(), tuple(Table(path, "", (row,)) for path in tables), (clip,), (), ())


def test_rows_are_told_by_number_where_it_tells_which_they_are(tmp_path: Path):
    dropped = [{"row": 7, "clip": "sub01_EP01", "reason": "no face"}]
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    one, two, folder = survey(tmp_path / "a.csv"), survey(tmp_path / "a.csv", tmp_path / "b.csv"), survey(tmp_path)
    assert [drops(found, dropped) for found in (one, two, folder)] == [
        [("no face", "1: row 7")],
        [("no face", "1: sub01_EP01")],
        [("no face", "1: sub01_EP01")],
    ]
    assert notes(two) == [("frame 4", "1: sub01_EP01")]
    assert census(one)[-2:] == [("apexes", "midpoint 1"), ("landmarks", "to be detected 1")]


@pytest.mark.parametrize(("count", "lines"), [(4, 4), (5, 1)])
def test_a_few_messages_are_told_in_full(count: int, lines: int):
    told = by_kind((place, f"frame {place} is missing") for place in range(count))
    assert len(told) == lines
    assert told[0][0].endswith("(or like it)") == (lines == 1)
