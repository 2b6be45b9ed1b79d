"""What an ablation compares, without training anything."""

from dataclasses import asdict
from pathlib import Path

import pytest
from fed_on_random_data import random_dataset
from test_compare import finished_run

from experiments import ablate
from experiments.inputs.configs import NetworkSettings
from experiments.inputs.mer_settings import MerSettings
from experiments.results.intervals import SEED, difference_intervals
from experiments.results.read import Finished, of_recognition
from experiments.run.folder import RunFolder, create
from experiments.training import trials

MODELS = ("full, published", "full, uniform", "global-only, published", "global-only, uniform", "no-gat")


def test_settings_are_read_back_and_those_of_the_former_option_are_refused(tmp_path: Path):
    network = NetworkSettings(prior=("none", "uniform"))
    settings = ablate.AblateSettings(("full", "no-gat"), MerSettings(au="scratch", network=network))
    folder, values = RunFolder(tmp_path), asdict(settings.mer) | {"variants": settings.variants}
    folder.write_json("config.json", {"experiment": "ablate", "settings": values})
    assert ablate.read_settings(folder) == settings
    folder.write_json("config.json", {"experiment": "ablate", "settings": values | {"priors": ["none", "uniform"]}})
    with pytest.raises(
        ValueError, match=r"earlier version .* as --priors: use --prior none uniform\); .*start a new run"
    ):
        ablate.read_settings(folder)


def test_each_prior_starts_from_its_own_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A network without graph attention asks for a single one."""
    asked = []
    monkeypatch.setattr(ablate.mer, "au_modules", lambda choices, *_: asked.append(choices.network.prior))
    monkeypatch.setattr(ablate.mer, "recognised", lambda *_: None)
    dataset = random_dataset("synthetic", "federated")
    network = NetworkSettings(prior=("published", "uniform"))
    settings = ablate.AblateSettings(mer=MerSettings(au="finetuned", folds=2, network=network))
    folds = trials.folds(settings.mer, dataset)
    for variant, numbers in (("full", [0, 0, 1, 1]), ("no-gat", [0, 0])):
        training = ablate.of_variant(settings, variant, dataset, folds, None, create(tmp_path / variant), None)
        assert [trial.detector for trial in training.trials] == numbers
    assert asked == [("published", "uniform"), ("published",)]


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
