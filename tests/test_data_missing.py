"""A whole part of a copy that is missing is told in one line, and so are many problems of one kind."""

from pathlib import Path
from typing import Any

import pytest

from data.prepare import main
from data.survey import Choices
from data.telling import told_once
from fedpsyau_jax.synthesis.challenge_layout import COLUMNS
from tests.test_data_damage import CASME2_HEADER, film, look, write_table

DETECTS = Choices(detects=True)


def challenge(root: Path, **tables: range) -> Path:
    """Tables of some names, a row a subject; the pictures of subjects below 100 alone."""
    for name, subjects in tables.items():
        rows = [[f"sub{s:04d}", f"sub{s:04d}_01", 1, 2, 3, "Anger", 0, 500, "4"] for s in subjects]
        write_table(root / f"{name}.csv", list(COLUMNS), *rows)
        for subject in subjects:
            if subject < 100:
                film(root / "train_data" / f"sub{subject:04d}_01", 1, 2, 3)
    return root


@pytest.mark.parametrize(
    ("table", "folder"),
    [
        ("testA_full_with_AU", "folder test_data_A"),
        ("test_data_B", "folder test_data_B"),
        ("Test-B", "folder test_data_B"),
        ("annotations", "folder test_data_A or test_data_B"),
    ],
)
def test_a_set_of_the_challenge_that_is_missing_takes_one_line(table: str, folder: str, tmp_path: Path):
    root = challenge(tmp_path, training=range(3, 5), **{table: range(200, 230)})
    found = look("dfme", root, "challenge")
    (problem,) = found.problems
    told = f"rows 2-31, clips sub0200_01 and 29 others: {folder} is missing; --skip-broken drops such rows"
    assert problem == f"{root}/{table}.csv, {told}"
    dropped = look("dfme", root, "challenge", Choices(detects=True, skip_broken=True)).dropped
    assert {row.reason for row in dropped} == {f"{folder} is missing"}
    assert len(dropped) == 30


def test_an_empty_folder_of_a_set_is_missing_too(tmp_path: Path):
    root = challenge(tmp_path, training=range(3, 5), testA=range(200, 203))
    (root / "test_data_A").mkdir()
    (problem,) = look("dfme", root, "challenge").problems
    assert "folder test_data_A is missing" in problem


def test_two_missing_sets_take_a_line_each(tmp_path: Path):
    root = challenge(tmp_path, training=range(3, 5), testA=range(200, 230), testB=range(300, 330))
    first, second = look("dfme", root, "challenge").problems
    assert "folder test_data_A is missing" in first
    assert "folder test_data_B is missing" in second


def test_some_missing_clips_of_a_set_are_no_missing_set(tmp_path: Path):
    root = challenge(tmp_path, training=range(3, 30), testA=range(200, 203))
    film(root / "test_data_A" / "sub0200_01", 1, 2, 3)
    (root / "train_data" / "sub0007_01").rename(root / "elsewhere")
    problems = look("dfme", root, "challenge").problems
    assert len(problems) == 3
    assert all("of train_data, test_data_A, test_data_B is missing" in problem for problem in problems)


def casme2(root: Path, *subjects: int, rows_each: int = 3, filmed: tuple[int, ...] = (1,)) -> Path:
    names = [(subject, f"EP0{place}_01") for subject in subjects for place in range(1, rows_each + 1)]
    write_table(root / "coding.csv", CASME2_HEADER, *([s, name, 5, 8, 12, "4", "disgust"] for s, name in names))
    for subject, name in names:
        if subject in filmed:
            film(root / f"sub{subject:02d}" / name, 5, 8, 12)
    return root


def test_the_folder_of_a_subject_takes_one_line(tmp_path: Path):
    (problem,) = look("casme2", casme2(tmp_path, 1, 2)).problems
    assert problem.endswith("rows 5-7, clips sub02_EP01_01, sub02_EP02_01, sub02_EP03_01: folder sub02 is missing; "
                            "--skip-broken drops such rows")  # fmt: skip


def test_many_subjects_of_one_table_take_one_line(tmp_path: Path):
    (problem,) = look("casme2", casme2(tmp_path, *range(1, 20))).problems
    assert "rows 5-58, clips sub02_EP01_01 and 53 others: folder sub02 is missing" in problem
    assert problem.endswith("(or like it)")


def test_many_truncated_pictures_take_one_line_that_names_their_rows(tmp_path: Path):
    root = casme2(tmp_path, 1, rows_each=9)
    for place in range(3, 9):
        broken = root / "sub01" / f"EP0{place}_01" / "img8.png"
        broken.write_bytes(broken.read_bytes()[:-20])
    (problem,) = look("casme2", root).problems
    assert "rows 4-9, clips sub01_EP03_01 and 5 others" in problem
    assert "EP03_01/img8.png: the picture is truncated; copy it again (or like it)" in problem


def test_few_problems_keep_a_line_each(tmp_path: Path):
    (row,) = look("casme2", casme2(tmp_path, 1, rows_each=1)).clips
    told = told_once((tmp_path, row.annotation, f"picture {number} is truncated") for number in range(4))
    assert len(told) == 4


def test_the_command_says_it_in_one_line(tmp_path: Path, capsys: Any):
    root = challenge(tmp_path, training=range(3, 5), testA=range(200, 230))
    marks = ["--landmarker", "data.progress:silent"]  # any function: nothing is detected here
    command = ["dfme", "--config", "challenge", "--manual-dir", str(root), *marks, "--dry-run"]
    assert main(command) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main([*command, "--skip-broken"]) == 0
