"""What an ablation compares, without training anything."""

from pathlib import Path

import pytest
from test_compare import finished_run

from experiments import ablate
from experiments.finished import Finished, of_recognition
from experiments.intervals import SEED, difference_intervals
from experiments.runfolder import RunFolder

MODELS = ("full, published", "full, uniform", "global-only, published", "global-only, uniform", "no-gat")


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    return of_recognition("run", RunFolder(finished_run(tmp_path / "run", algorithms=MODELS)))


def test_every_model_is_compared_with_the_first_and_priors_within_a_network(finished: Finished):
    pairs = ablate.differences(finished)
    assert set(zip(pairs["algorithm"], pairs["other_algorithm"], strict=True)) == {
        ("full, uniform", "full, published"),
        ("global-only, published", "full, published"),
        ("global-only, uniform", "full, published"),
        ("global-only, uniform", "global-only, published"),
        ("no-gat", "full, published"),
    }


def test_a_difference_is_the_model_minus_the_first_with_the_same_subjects_drawn(finished: Finished):
    pairs = ablate.differences(finished).set_index(["algorithm", "other_algorithm"])
    (_, better), (_, first) = finished.tested("no-gat")[0], finished.tested("full, published")[0]
    expected = difference_intervals(better, first, seed=SEED)
    row = pairs.loc[("no-gat", "full, published")]
    for metric, interval in expected.items():
        assert tuple(row[[metric, f"{metric}_low", f"{metric}_high"]]) == interval
    scores = finished.summary.set_index("algorithm")["uf1"]
    assert row["uf1"] == pytest.approx(scores["no-gat"] - scores["full, published"])
