"""Two rows whose interval of the difference contains 0 are never said to differ."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from made_up_runs import finished_run, rows_table

from experiments.pages.sentences import best_of_sweep, differing_rows
from experiments.results.read import read
from experiments.run.folder import RunFolder


def sentence(names, *differences):
    table = pd.DataFrame(differences, columns=["uf1", "uf1_low", "uf1_high"])
    return differing_rows(table, names, "uf1", "UF1")


def pairs(num_rows):
    return list(combinations([f"r{number}" for number in range(num_rows)], 2))


NONE, CLEAR, LOWER = (0.01, -0.02, 0.04), (0.027, 0.001, 0.057), (-0.2, -0.3, -0.1)


def test_no_rows_differ():
    said = sentence(pairs(4), *[NONE] * 6)
    assert said.startswith("No two rows differ in UF1: every interval of a difference contains 0. (6 comparisons of 4")
    assert "not corrected for the number of comparisons" in said


def test_the_rows_that_differ_are_named_the_better_one_first():
    said = sentence(pairs(3), NONE, LOWER, CLEAR)
    assert said.startswith(
        "r2 is above r0 in UF1 by .200 [.100, .300], r1 is above r2 by .027 [.001, .057]; the other interval of a "
        "difference contains 0. (3 comparisons of 3 rows;"
    )


def test_a_bound_of_zero_is_no_difference():
    assert "do not differ in UF1" in sentence(pairs(2), (0.1, 0.0, 0.2))
    assert "do not differ in UF1" in sentence(pairs(2), (0.0, 0.0, 0.0))


def test_one_pair():
    assert sentence(pairs(2), NONE) == (
        "r0 and r1 do not differ in UF1: the interval of their difference, .010 [-.020, .040], contains 0. "
        "(1 comparison; 95 % interval by subject.)"
    )
    assert sentence(pairs(2), CLEAR).startswith("r0 is above r1 in UF1 by .027 [.001, .057]. (1 comparison;")


def test_differences_of_many_rows_are_counted():
    said = sentence(pairs(10), CLEAR, LOWER, *[NONE] * 43)
    assert said.startswith(
        "2 of 45 compared pairs of rows differ in UF1; the largest difference: r2 is above r0 by .200 [.100, .300]. "
        "(45 comparisons of 10 rows;"
    )


def test_if_not_all_pairs_were_compared_nothing_is_said_of_the_others():
    assert sentence(pairs(4)[:4], *[NONE] * 4).startswith("None of the 4 compared pairs of rows differs in UF1:")


def test_without_intervals_nothing_is_said_to_differ_or_not():
    assert sentence([]) == ""
    assert "Only one subject" in sentence(pairs(2), (0.5, np.nan, np.nan))


@pytest.mark.parametrize(("scored", "said"), [("test", "which is optimistic"), ("validation", "by validation UF1")])
def test_the_best_row_of_a_sweep_says_how_it_was_chosen(tmp_path, scored, said):
    titles = ["FedAvg", "FedProx, mu 0.1", "FedProx, mu 1"]
    rows = rows_table(titles, mu=[np.nan, 0.1, 1])
    run = read(RunFolder(finished_run(tmp_path / "run", rows=rows, skill=[0.3, 0.9, 0.5], scored=scored)))
    assert said in best_of_sweep(run)
    if scored == "test":
        assert "Best row by test score, which is optimistic: FedProx, mu 0.1 (UF1" in best_of_sweep(run)


def test_a_run_that_sweeps_nothing_has_no_best_row(tmp_path):
    assert best_of_sweep(read(RunFolder(finished_run(tmp_path / "run")))) == ""
