import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset
from rich.console import Console

from experiments import pretrain
from experiments.inputs.configs import NetworkSettings
from experiments.inputs.corpus import Corpus, joined, split
from experiments.inputs.detectors import detector_like, save_detectors
from experiments.pages import report
from experiments.results import pretrain_results
from experiments.results.pretrain_results import Division
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder
from experiments.training.tasks import Detector
from fedpsyau_jax.priors import published

HERE = Path(__file__).parent
CHEAP = ("--pretraining.epochs=6", "--repeats=2", "--checkpoint-seconds=0", "--network.variant=no-transformer-no-gat")
RESULTS = ("metrics.csv", "au_predictions.csv", "au_scores.csv", "summary.csv", "detector.json")


@pytest.fixture
def corpus() -> Corpus:
    return joined([random_dataset("synthetic", "pretraining")])


@pytest.fixture
def divisions(corpus: Corpus) -> list[Division]:
    return [Division(*split(corpus, 0.25, (0, repeat))) for repeat in range(2)]


@pytest.fixture
def folder(tmp_path: Path, corpus: Corpus, divisions: list[Division]) -> RunFolder:
    """Of a run whose training is done; the detectors know AU1 and never say AU2."""
    folder = runfolder.create(tmp_path / "run")
    settings = {"pretraining": {"epochs": 3}}
    folder.write_json("config.json", {"experiment": "pretrain", "command": "python -m x", "settings": settings})
    pretrain_results.begin(folder, corpus, divisions)
    for repeat, division in enumerate(divisions):
        logits = 20.0 * (np.asarray(corpus.examples.au)[division.validation] * 2 - 1)
        logits[:, 1] = -20
        pretrain_results.keep(folder, repeat, np.array([3.0, 2.0, 1.0]) + repeat, logits)
    return folder


@pytest.fixture
def concluded(folder: RunFolder, corpus: Corpus, divisions: list[Division]) -> RunFolder:
    pretrain_results.conclude(folder, corpus, divisions, ["published"], Console(quiet=True))
    return folder


def test_scores_are_those_of_the_validation_examples(concluded: RunFolder):
    scores = concluded.read_table("au_scores.csv").set_index(["algorithm", "au"])["f1"]
    assert scores["AU detector", "AU1"] == 1
    assert scores["AU detector", "AU2"] == 0
    assert concluded.read_table("metrics.csv")["train_loss"].tolist() == [3, 2, 1, 4, 3, 2]


def test_who_and_what_was_trained_on_is_counted(concluded: RunFolder, corpus: Corpus, divisions: list[Division]):
    splits = concluded.read_table("splits.csv")
    assert splits["num_train"].tolist() == [24, 24]
    for row, division in zip(splits.itertuples(), divisions, strict=True):
        assert set(row.train_subjects.split()) == set(corpus.subject[division.train])
        assert not set(row.train_subjects.split()) & set(row.validation_subjects.split())
    aus = concluded.read_table("action_units.csv").set_index(["repeat", "au"])
    assert aus.loc[(1, "AU1"), "train_shown"] == corpus.examples.au[divisions[1].train, 0].sum()
    assert (aus["train_labelled"] == 24).all()


def test_the_page_holds_everything_and_can_be_written_again(concluded: RunFolder, capsys: pytest.CaptureFixture[str]):
    path = concluded.path / "report.html"
    text = path.read_text()
    assert "Synthetic data." in text
    assert text.count("data:image/png") == 2
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert re.search(r"<td>AU1</td><td>1\.000±\.000</td>", text)
    path.unlink()
    report.main(concluded.path)
    assert path.read_text() == text
    assert str(path) in capsys.readouterr().out


def test_a_changed_database_is_refused_on_resuming(folder: RunFolder, corpus: Corpus, divisions: list[Division]):
    pretrain_results.begin(folder, corpus, divisions)
    other = replace(corpus, datasets=[replace(corpus.datasets[0], fingerprint="f" * 64)])
    with pytest.raises(ValueError, match=r"has ffffffffffff now: the run cannot go on"):
        pretrain_results.begin(folder, other, divisions)


def test_a_picture_or_person_on_both_sides_is_a_leak(corpus: Corpus, divisions: list[Division]):
    pretrain.refuse_leaking(corpus, divisions, ())
    train, validation = divisions[1]
    shared = Division(train, np.append(validation, train[0]))
    with pytest.raises(ValueError, match=r"a leak in repeat 1: .* in both the train and the validation data"):
        pretrain.refuse_leaking(corpus, [divisions[0], shared], ())
    flow = np.array(corpus.examples.flow)
    flow[validation[0]] = flow[train[0]]
    copied = replace(corpus, examples=corpus.examples._replace(flow=flow))
    with pytest.raises(ValueError, match=r"with identical flow in both the train and the validation data"):
        pretrain.refuse_leaking(copied, divisions, ())


DAMAGES = {
    "no JSON": ("data.json", b"[", r"data.json cannot be read"),
    "other JSON": ("data.json", b"[]", r"data.json does not name the run's databases; restore it"),
    "no databases": ("data.json", b'{"databases": []}', r"data.json does not name the run's databases"),
    "other splits": (
        "splits.csv",
        b"repeat,database\n0,synthetic\n",
        r"splits.csv is not what .* give now.* delete it",
    ),
    "no environment": ("environment.json", b"{}", r"environment.json does not say python"),
}


@pytest.mark.parametrize(("name", "content", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_on_resuming(
    folder: RunFolder, corpus: Corpus, divisions: list[Division], name: str, content: bytes, said: str
):
    (folder.path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        pretrain_results.begin(folder, corpus, divisions)


DETECTOR_DAMAGES: dict[str, Callable[[Path], object]] = {
    "no archive": lambda run: (run / "finished" / "0.npz").write_bytes(b"PK\3\4abc"),
    "that of the other repeat": lambda run: shutil.copy(run / "finished" / "1.npz", run / "finished" / "0.npz"),
    "no facts": lambda run: (run / "detector.json").unlink(),
    "other facts": lambda run: (run / "detector.json").write_text("[]"),
    "no weights": lambda run: shutil.rmtree(run / "detector"),
    "half the weights": lambda run: shutil.rmtree(run / "detector" / "0" / "state"),
}


@pytest.mark.parametrize("damage", DETECTOR_DAMAGES.values(), ids=DETECTOR_DAMAGES)
def test_a_damaged_detector_is_told_and_trained_again(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], object]
):
    network = NetworkSettings(variant="no-transformer-no-gat")
    weights = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), detector_like(network))
    save_detectors(folder, [Detector(weights, published())], network, ["synthetic/a"], ["synthetic"])
    assert pretrain_results.are_kept(folder, 2, network)
    assert capsys.readouterr().err == ""
    damage(folder.path)
    assert not pretrain_results.are_kept(folder, 2, network)
    warning = " ".join(capsys.readouterr().err.split())
    assert warning.startswith(f"Warning: {folder.path}")
    assert warning.endswith("all detectors are trained again, with the same numbers.")


def test_a_run_of_another_experiment_is_not_resumed(folder: RunFolder):
    folder.write_json("config.json", {"experiment": "mer", "settings": {}})
    with pytest.raises(ValueError, match=r"is a run of experiments.mer, not of experiments.pretrain"):
        pretrain.read_settings(folder)


def test_namesakes_of_two_databases_are_two_people():
    one, other = (random_dataset(name, "pretraining") for name in ("disfa", "ckplus"))
    both = joined([one, other])
    assert len(np.unique(both.subject)) == 2 * len(np.unique(one.subject))
    assert len(np.unique(both.clip)) == 2 * len(one.clip)
    assert both.subject[0] == f"disfa/{one.subject[0]}"
    train, validation = split(both, 0.25, (0, 0))
    assert not set(both.subject[train]) & set(both.subject[validation])
    alone = split(joined([one]), 0.25, (0, 0))
    assert np.array_equal(alone[0], train[train < len(one.clip)])


def test_a_database_with_a_single_subject_is_refused():
    dataset = random_dataset("synthetic", "pretraining")
    alone = joined([replace(dataset, subject=np.full(len(dataset.subject), "S1"))])
    with pytest.raises(ValueError, match=r"synthetic has labelled action units of the single subject S1"):
        split(alone, 0.2, (0, 0))


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "mer_on_random_data.py"), "pretrain", *options]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent, env=environment)


def stop_at(process: subprocess.Popen[str], sign: Path, how: signal.Signals) -> tuple[str, str]:
    while not sign.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(how)
    return process.communicate(timeout=200)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    process = start(folder, *CHEAP, f"--output={folder / 'run'}")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return folder


@pytest.mark.slow
def test_killed_interrupted_and_resumed_ends_with_the_same_files(finished: Path, tmp_path: Path):
    folder = tmp_path / "run"
    process = start(finished, *CHEAP, f"--output={folder}")
    stop_at(process, folder / "checkpoints" / "detectors" / "1", signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    process = start(finished, f"--resume={folder}")
    shown, errors = stop_at(process, folder / "checkpoints" / "detectors" / "3", signal.SIGINT)
    assert process.returncode == 130, errors
    assert re.search(rf"[34] of 6 epochs are trained; go on with --resume={folder}", shown)
    process = start(finished, f"--resume={folder}")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    for name in RESULTS:
        assert (folder / name).read_bytes() == (finished / "run" / name).read_bytes(), name
    assert len(pd.read_csv(folder / "metrics.csv")) == 12
