"""What the tables of synthetic copies say and mean; nothing is filmed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from fedpsyau_jax.synthesis.layouts import LAYOUTS, Layout, Row, Truth
from fedpsyau_jax.synthesis.layouts.casme3_table import write_full_table
from fedpsyau_jax.synthesis.layouts.copy import annotate, plan
from fedpsyau_jax.synthesis.layouts.dfme import PARTS
from fedpsyau_jax.synthesis.population import Population

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


def tables_only(layout: Layout, folder: Path, seed: int = 0, num_subjects: int = 4) -> Truth:
    population = Population(num_subjects, min_clips=2, extra_clips=0.0, emotional=layout.emotional, seed=seed)
    return annotate(layout, folder, plan(layout, population, quirks=True, faceless=False), seed, landmarks=True)


def cells(row: Row, sheet: str | None = None) -> tuple[Any, ...]:
    book = load_workbook(row.table)
    lines = list((book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True))
    return lines[row.row - 1]


def with_quirk(truth: Truth, quirk: str) -> Row:
    (row,) = [row for row in truth.rows if row.quirk == quirk]
    return row


@every_layout
def test_every_quirk_is_planted_once_and_leaves_one_meaning(layout: Layout, tmp_path: Path):
    truth = tables_only(layout, tmp_path)
    assert Counter(row.quirk for row in truth.rows if row.quirk) == Counter(list(layout.quirks))
    assert len(truth.rows) == 8 + len(layout.quirks)
    keys = [(row.subject, row.filename, row.onset) for row in truth.rows]
    assert len(set(keys)) == len(keys)
    for row in truth.dropped:
        assert row.apex in (None, row.onset)
        assert row.true_apex != row.onset
    without = sum(quirk in layout.quirks for quirk in ("onset is apex", "no apex"))
    marks_apexes = layout.name not in ("casme3-c", "smic", "smic-raw", "smic-e")
    assert len(truth.dropped) == (without if marks_apexes else len(truth.rows))


def test_casme3_cells_are_text_but_for_planted_numbers(tmp_path: Path):
    truth = tables_only(LAYOUTS["casme3"], tmp_path)
    for row in truth.rows:
        line = cells(row, "label")
        assert (line[0], line[1]) == (row.subject, row.filename)
        if row.quirk == "numbers as numbers":
            assert line[2:5] == (row.onset, row.apex, row.offset)
        elif row.quirk == "apex as a number":
            assert line[2:5] == (str(row.onset), row.apex, str(row.offset))
        elif row.quirk != "onset 3647":
            assert line[2] == str(row.onset)
    assert cells(with_quirk(truth, "whole number"))[5] == 4
    assert cells(with_quirk(truth, "Others"))[7] == "Others"
    assert with_quirk(truth, "Others").emotion == "others"


def test_casme3_known_rows_say_one_thing_and_mean_another(tmp_path: Path):
    truth = tables_only(LAYOUTS["casme3"], tmp_path)
    first = with_quirk(truth, "offset 0, first row")
    assert (first.subject, first.filename, first.onset, first.apex, first.offset) == ("spNO.40", "e", 1812, 1824, 1845)
    assert cells(first)[2:5] == ("1812", "1824", "0")
    typo = with_quirk(truth, "apex 160")
    assert (typo.apex, cells(typo)[3]) == (123, "160")
    zero = with_quirk(truth, "onset 0")
    assert (zero.onset, zero.nearest, zero.onset_file.name) == (0, True, "1.jpg")


def test_casme3_folders_differ_in_case(tmp_path: Path):
    truth = tables_only(LAYOUTS["casme3"], tmp_path)
    spelt = with_quirk(truth, "folder spelt spNo")
    assert spelt.subject.startswith("spNO.")
    assert spelt.onset_file.parent.name.startswith("spNo.")
    letter = with_quirk(truth, "letter of other case")
    assert letter.filename == "J"
    assert "_j_" in letter.onset_file.parent.name


def test_a_full_casme3_table_has_the_published_counts(tmp_path: Path):
    truth = write_full_table(tmp_path)
    lines = list(load_workbook(truth.tables[0])["label"].iter_rows(min_row=2, values_only=True))
    assert len(lines) == len(truth.rows) == len({line[:3] for line in lines}) == 860
    assert len({line[0] for line in lines}) == 94
    assert Counter(line[7].lower() for line in lines) == {
        "disgust": 250, "surprise": 187, "others": 161, "fear": 86, "anger": 64, "sad": 57, "happy": 55,
    }  # fmt: skip
    assert sum(line[7] == "Others" for line in lines) == 3
    three = [line for line in lines if line[7].lower() != "others"]
    assert (len(three), len({line[0] for line in three})) == (699, 88)
    recordings = Counter(line[:2] for line in lines)
    assert sum(count > 1 for count in recordings.values()) == 191
    assert sum(int(line[2]) == int(line[3]) for line in lines) == 55
    assert sum(line[4] == "0" for line in lines) == 2


def test_casme2_has_three_headers(tmp_path: Path):
    headers, subjects = set(), []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        truth = tables_only(LAYOUTS["casme2"], folder, seed)
        lines = list(load_workbook(truth.tables[0]).worksheets[0].iter_rows(values_only=True))
        headers.add(lines[0])
        subjects.append(lines[1][0])
        missing, unknown = with_quirk(truth, "no apex"), with_quirk(truth, "unknown AU")
        assert "/" in cells(missing)
        assert (missing.apex, missing.apex_file, missing.problem) == (None, None, "no apex")
        assert "?" in cells(unknown)
        assert unknown.action_units is None
    assert len(headers) == 3
    assert subjects == [1, "01", "sub01"]


def test_samm_has_its_header_below_prose(tmp_path: Path):
    truth = tables_only(LAYOUTS["samm"], tmp_path)
    lines = list(load_workbook(truth.tables[0])["MICRO_ONLY"].iter_rows(values_only=True))
    starts = [number for number, line in enumerate(lines, 1) if line[0] == "Subject"]
    assert starts == [min(row.row for row in truth.rows) - 1] == [14]
    assert {len(row.onset_file.stem.split("_")[1]) for row in truth.rows} == {4, 5}
    bracketed = with_quirk(truth, "alternative in brackets")
    assert cells(bracketed)[8] == "(R6 or R12)+R15"
    assert (bracketed.action_units, bracketed.uncertain, bracketed.ambiguous) == ({15: "R"}, (6, 12), True)
    assert isinstance(cells(with_quirk(truth, "subject as a number"))[0], int)


def test_dfme_parts_hold_their_own_subjects(tmp_path: Path):
    truth = tables_only(LAYOUTS["dfme"], tmp_path, num_subjects=5)
    parts = {part.folder: part for part in PARTS}
    assert {row.onset_file.parents[3].name for row in truth.rows} == set(parts)
    for row in truth.rows:
        part = parts[row.onset_file.parents[3].name]
        assert int(row.subject.removeprefix("sub")) in part.subjects
        assert (row.group, row.fps) == (part.subset, part.fps)
        assert str(cells(row)[6]).lower() == row.emotion


def test_challenge_splits_share_nobody(tmp_path: Path):
    truth = tables_only(LAYOUTS["dfme-challenge"], tmp_path, num_subjects=8)
    splits = {
        group: {row.subject for row in truth.rows if row.group == group} for group in ("train", "test_A", "test_B")
    }
    assert [len(subjects) for subjects in splits.values()] == [4, 2, 2]
    assert len(set.union(*splits.values())) == 8
    assert len(truth.tables) == 3
    for row in truth.rows:
        line = row.table.read_text("utf-8-sig").splitlines()[row.row - 1].split(",")
        assert line[:3] == [row.subject, row.filename, line[2]]
        assert float(line[2]) == row.onset
