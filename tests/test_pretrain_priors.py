"""Several priors in one pretraining: one compiled program, a row and a detector each, training rows only."""

import re
import signal
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset
from rich.console import Console
from test_pretrain_command import RESULTS, start, stop_at

from experiments import pretrain
from experiments.inputs.configs import FedSettings, NetworkSettings
from experiments.inputs.corpus import Corpus, joined, split
from experiments.inputs.detectors import detector_like, detectors_from, save_detectors
from experiments.inputs.pretrain_settings import PretrainSettings, check
from experiments.inputs.prior_axis import fitted
from experiments.inputs.priors import annotations_of
from experiments.pages import report
from experiments.results import pretrain_results
from experiments.results.pretrain_results import Division
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder
from experiments.training.detecting import detect
from experiments.training.tasks import Detector
from fedpsyau_jax.priors import AnnotationTable, Prior, identity, published, uniform

NAMES = ("published", "co-occurrence")
TITLES = [f"AU detector, {name} prior" for name in NAMES]
NETWORK = NetworkSettings(variant="global-only", prior=NAMES)
FEW = ("--pretraining.epochs=5", "--repeats=2", "--checkpoint-seconds=0", "--network.variant=global-only")
seen_rows: list[AnnotationTable] = []


def witness(table: AnnotationTable) -> Prior:
    seen_rows.append(table)
    return identity(12)


@pytest.fixture
def corpus() -> Corpus:
    return joined([random_dataset("synthetic", "pretraining")])


@pytest.fixture
def divisions(corpus: Corpus) -> list[Division]:
    return [Division(*split(corpus, 0.25, (0, repeat))) for repeat in range(2)]


def test_a_prior_sees_the_training_rows_of_its_repeat(
    corpus: Corpus, divisions: list[Division], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pretrain, "load", random_dataset)
    monkeypatch.setattr(pretrain, "train", lambda *_: 0)
    seen_rows.clear()
    network = replace(NETWORK, prior=("published", "test_pretrain_priors:witness"))
    settings = PretrainSettings(validation_share=0.25, repeats=2, network=network)
    assert pretrain.run(settings, runfolder.create(tmp_path / "run"), None, {}) == 130
    for table, division in zip(seen_rows, divisions, strict=True):
        np.testing.assert_array_equal(table.aus, np.asarray(corpus.examples.au)[division.train])
        assert not set(table.subject) & set(corpus.subject[division.validation])


def test_a_prior_that_changed_is_refused_on_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pretrain, "load", random_dataset)
    monkeypatch.setattr(pretrain, "train", lambda *_: 0)
    folder = runfolder.create(tmp_path / "run")
    mine = replace(NETWORK, prior=("published", "test_pretrain_priors:witness"))
    for _ in range(2):
        assert pretrain.run(PretrainSettings(network=mine), folder, None, {}) == 130
    monkeypatch.setattr("test_pretrain_priors.witness", lambda _: uniform(np.ones((12, 12), bool)))
    with pytest.raises(ValueError, match=r"run with another prior than test_pretrain_priors:witness is now"):
        pretrain.run(PretrainSettings(network=mine), folder, None, {})


def test_a_prior_of_validation_rows_is_a_leak(corpus: Corpus, divisions: list[Division]):
    rows = [divisions[0].train, np.append(divisions[1].train, divisions[1].validation[:3])]
    prior = fitted("co-occurrence", annotations_of(corpus), rows)
    said = r"a leak in repeat 1: the prior co-occurrence was computed with 3 validation examples"
    with pytest.raises(ValueError, match=said):
        pretrain.refuse_leaking(corpus, divisions, [prior])


def test_each_prior_has_its_row(corpus: Corpus, divisions: list[Division], tmp_path: Path):
    folder = runfolder.create(tmp_path / "run")
    settings = {"pretraining": {"epochs": 2}}
    folder.write_json("config.json", {"experiment": "pretrain", "command": "python -m x", "settings": settings})
    pretrain_results.begin(folder, corpus, divisions)
    weights = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), detector_like(NETWORK))
    save_detectors(folder, [Detector(weights, published())] * 2, NETWORK, ["synthetic/a"], ["synthetic"])
    for number in range(4):
        right = 1 if number < 2 else -1
        truth = np.asarray(corpus.examples.au)[divisions[number % 2].validation]
        assert not pretrain_results.are_kept(folder, 4, NETWORK)
        pretrain_results.keep(folder, number, np.array([2.0, 1.0]) + number, right * 20.0 * (truth * 2 - 1))
    assert pretrain_results.are_kept(folder, 4, NETWORK)
    shown = StringIO()
    pretrain_results.conclude(folder, corpus, divisions, NAMES, Console(file=shown, width=20))
    assert re.search(
        r"mean +1\.000±\.000 +\.000±\.000 +\.\d{3}±\.\d{3}$", shown.getvalue(), re.MULTILINE
    )  # not cut off
    summary = folder.read_table("summary.csv").set_index("algorithm")
    assert summary.index.tolist() == [*TITLES, "all AUs everywhere"]
    assert summary.loc[TITLES, "au_f1"].tolist() == [1, 0]
    losses = folder.read_table("metrics.csv").groupby(["algorithm", "repeat"])["train_loss"].first()
    assert [losses[title, repeat] for title in TITLES for repeat in (0, 1)] == [2, 3, 4, 5]
    assert all(title in (folder.path / "report.html").read_text() for title in TITLES)


def test_the_page_of_a_run_without_names_in_its_metrics_is_written(
    corpus: Corpus, divisions: list[Division], tmp_path: Path
):
    """As a run of a single prior wrote it before there were several."""
    folder = runfolder.create(tmp_path / "run")
    settings = {"pretraining": {"epochs": 1}}
    folder.write_json("config.json", {"experiment": "pretrain", "command": "python -m x", "settings": settings})
    pretrain_results.begin(folder, corpus, divisions[:1])
    pretrain_results.keep(folder, 0, np.ones(1), np.ones((len(divisions[0].validation), 12)))
    pretrain_results.conclude(folder, corpus, divisions[:1], ["published"], Console(quiet=True))
    text = (folder.path / "report.html").read_text()
    folder.write_table("metrics.csv", folder.read_table("metrics.csv").drop(columns="algorithm"))
    report.main(folder.path)
    assert (folder.path / "report.html").read_text() == text


MISTAKES = {
    "unknown": ({"prior": ("published", "publshed")}, r"--prior=publshed: do you mean published\?"),
    "twice": ({"prior": ("none", "none")}, r"--prior none none: name each prior once"),
    "no graph": ({"prior": NAMES, "variant": "no-gat"}, r"--network.variant=no-gat has no graph attention"),
}


@pytest.mark.parametrize(("network", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistaken_prior_is_one_sentence(network: dict[str, object], said: str):
    with pytest.raises(ValueError, match=said):
        check(PretrainSettings(network=replace(NETWORK, **network)))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, str]]:
    """A pretraining with these priors: its folder and what it wrote to standard error."""
    root = tmp_path_factory.mktemp("priors")

    def run(*priors: str) -> tuple[Path, str]:
        folder = root / "-".join(priors)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("JAX_LOG_COMPILES", "1")
            process = start(root, *FEW, "--prior", *priors, f"--output={folder}")
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        return folder, errors

    return run


@pytest.fixture(scope="module")
def both(pretrained: Callable[..., tuple[Path, str]]) -> tuple[Path, str]:
    return pretrained(*NAMES)


@pytest.mark.slow
def test_priors_and_repeats_compile_one_program(both: tuple[Path, str]):
    folder, errors = both
    assert len(re.findall(r"Finished XLA compilation of jit\(pretraining_epoch\)", errors)) == 1
    metrics = pd.read_csv(folder / "metrics.csv")
    assert metrics[["algorithm", "repeat", "epoch"]].drop_duplicates().shape == (2 * 2 * 5, 3)


@pytest.mark.slow
def test_each_kept_detector_gives_the_predictions_of_its_row(both: tuple[Path, str], corpus: Corpus):
    train, validation = split(corpus, 0.2, (0, 0))
    held_out = jax.tree.map(lambda leaf: leaf[validation], corpus.examples)
    predictions = pd.read_csv(both[0] / "au_predictions.csv").query("repeat == 0").set_index("algorithm")
    columns = [name for name in predictions if name.startswith("probability_")]
    clients = detectors_from(both[0], NETWORK)
    for name, title in zip(NAMES, TITLES, strict=True):
        (priors,) = fitted(name, annotations_of(corpus), [train]).priors
        logits = detect(FedSettings(network=NETWORK), [Detector(clients[name], priors)], held_out).logits
        np.testing.assert_allclose(jax.nn.sigmoid(logits), predictions.loc[title, columns], atol=1e-4)
    assert np.abs(np.subtract(*(predictions.loc[title, columns].to_numpy() for title in TITLES))).max() > 1e-3


@pytest.mark.slow
def test_rows_are_those_of_a_pretraining_with_one_prior(
    both: tuple[Path, str], pretrained: Callable[..., tuple[Path, str]]
):
    """Apart from rounding, as a single prior is a constant of its program."""
    for name, title in zip(NAMES, TITLES, strict=True):
        folder, _ = pretrained(name)
        for file in ("metrics.csv", "au_predictions.csv"):
            several, one = (RunFolder(path).read_table(file) for path in (both[0], folder))
            own = several[several["algorithm"] == title].drop(columns="algorithm").reset_index(drop=True)
            expected = one[one["algorithm"] == "AU detector"].drop(columns="algorithm").reset_index(drop=True)
            pd.testing.assert_frame_equal(own, expected, rtol=0, atol=5e-3)


@pytest.mark.slow
def test_killed_interrupted_and_resumed_ends_with_the_same_files(both: tuple[Path, str], tmp_path: Path):
    folder = tmp_path / "run"
    process = start(both[0].parent, *FEW, "--prior", *NAMES, f"--output={folder}")
    stop_at(process, folder / "checkpoints" / "detectors" / "1", signal.SIGKILL)
    process = start(both[0].parent, f"--resume={folder}")
    stop_at(process, folder / "checkpoints" / "detectors" / "2", signal.SIGINT)
    assert process.returncode == 130
    process = start(both[0].parent, f"--resume={folder}")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    for name in RESULTS:
        assert (folder / name).read_bytes() == (both[0] / name).read_bytes(), name
