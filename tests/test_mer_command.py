import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset

from experiments import ablate, fed, mer, pretrain
from experiments.inputs import databases as loading
from experiments.pages import report
from experiments.results import baselines, mer_results
from experiments.results.measures import EMOTIONS
from experiments.results.read import Finished as Compared
from experiments.run import commandline
from experiments.run.folder import RunFolder
from experiments.training.chunks import Finished
from experiments.training.trials import Trial, folds
from fedpsyau_jax.priors import published

HERE = Path(__file__).parent
CHEAP = ("--protocol=loso", "--epochs=2", "--batch=16", "--folds-at-once=3", "--checkpoint-seconds=0")
RESULTS = ("metrics.csv", "predictions.csv", "au_predictions.csv", "summary.csv", "clients.csv", "intervals.csv")
RESULTS = (*RESULTS, "class_scores.csv", "au_scores.csv")


class Command:
    """The commands on random data, with one folder of data and cache, so that programs compile once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
        self.environment["JAX_LOG_COMPILES"] = "1"
        self.environment.pop("JAX_COMPILATION_CACHE_DIR", None)

    def start(self, name: str, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "mer_on_random_data.py"), name, *options]
        command.append(f"--data-dir={self.folder / 'data'}")
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent, env=self.environment)

    def __call__(self, name: str, *options: str) -> str:
        process = self.start(name, *options)
        out, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        return out


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("mer"))


@pytest.fixture(scope="session")
def pretrained(command: Command) -> tuple[Path, str]:
    folder = command.folder / "detector"
    return folder, command("pretrain", "--pretraining.epochs=1", "--repeats=2", f"--output={folder}")


@pytest.fixture(scope="session")
def finished(command: Command, pretrained: tuple[Path, str]) -> tuple[Path, str]:
    folder = command.folder / "finished"
    return folder, command("mer", *CHEAP, f"--au-init={pretrained[0]}", f"--output={folder}")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


@pytest.mark.slow
def test_pretraining_leaves_a_detector_and_its_scores(pretrained: tuple[Path, str]):
    folder, shown = pretrained
    predictions = pd.read_csv(folder / "au_predictions.csv")
    own = predictions[predictions["algorithm"] == "AU detector"]
    assert own.groupby("repeat")["subject"].nunique().tolist() == [2, 2]
    assert set(own[own["repeat"] == 0]["subject"]) != set(own[own["repeat"] == 1]["subject"])
    assert "AU12" in shown
    assert pd.read_csv(folder / "summary.csv")["num_repeats"].tolist() == [2, 2]


@pytest.mark.slow
def test_a_run_leaves_every_file_and_tests_every_clip_once(finished: tuple[Path, str]):
    folder, shown = finished
    assert set(RESULTS) | {"report.html", "config.json", "data.json"} <= {path.name for path in folder.iterdir()}
    predictions = pd.read_csv(folder / "predictions.csv")
    assert len(predictions) == predictions["clip"].nunique() == 32
    assert (predictions["fold"] == predictions["subject"]).all()
    for text in ("majority class", "AU-set oracle (in sample)", "95 % bootstrap interval by subject"):
        assert text in shown
    assert pd.read_csv(folder / "metrics.csv")["epoch"].max() == 2
    assert not list((folder / "checkpoints").glob("folds-*"))


@pytest.mark.slow
def test_killed_twice_and_resumed_ends_with_the_same_files(
    command: Command, finished: tuple[Path, str], pretrained: tuple[Path, str], tmp_path: Path
):
    folder = tmp_path / "killed"
    options: tuple[str, ...] = (*CHEAP, f"--au-init={pretrained[0]}", f"--output={folder}")
    for sign in ("checkpoints/folds-0/1", "finished/folds-1.npz"):
        process = command.start("mer", *options)
        while not (folder / sign).exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        options = (f"--resume={folder}",)
    command("mer", *options)
    assert contents(folder) == contents(finished[0])


SEVERAL = ("--folds=2", "--epochs=2", "--repeats=2", "--checkpoint-seconds=0", "--pretraining.epochs=1")
SEVERAL = (*SEVERAL, "--folds-at-once=3", "--prior", "published", "co-occurrence", "test_prior_axis:witness")


@pytest.mark.slow
def test_several_priors_are_rows_of_one_program_that_can_be_killed(command: Command, tmp_path: Path):
    """Three priors on two folds twice are twelve trials in four chunks, and one compiled epoch."""
    folders = [tmp_path / name for name in ("uninterrupted", "killed")]
    process = command.start("mer", *SEVERAL, f"--output={folders[0]}")
    shown, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    assert len(re.findall(r"Finished XLA compilation of jit\(_epoch_of_all\)", errors)) == 1
    predictions = pd.read_csv(folders[0] / "predictions.csv")
    rows = [f"frozen AU module, {prior} prior" for prior in SEVERAL[-3:]]
    assert predictions.groupby("algorithm", sort=False).size().to_dict() == dict.fromkeys(rows, 64)
    assert all(row in shown for row in rows)
    process = command.start("mer", *SEVERAL, f"--output={folders[1]}")
    while not (folders[1] / "checkpoints" / "folds-2" / "1").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    command("mer", f"--resume={folders[1]}")
    assert contents(folders[0]) == contents(folders[1])


@pytest.mark.slow
def test_a_database_of_ones_own_is_recognised_federated_and_looked_into(command: Command, tmp_path: Path):
    own = ("--database=fed_on_random_data:own_dataset", "--pretraining.epochs=1", "--repeats=1")
    command("mer", *own, "--folds=2", "--epochs=1", f"--output={tmp_path / 'mer'}")
    run = tmp_path / "fed"
    cheap = ("--clients=2", "--rounds=1", "--local-epochs=1", "--algorithms", "fedavg", "--prior", "co-occurrence")
    command("fed", *own, *cheap, f"--output={run}")
    command("explain", str(run), "--ratios", "0")
    for folder in (tmp_path / "mer", run):
        assert set(pd.read_csv(folder / "predictions.csv")["label"]) == {"negative", "positive", "surprise"}
        assert "synthetic data" not in (folder / "report.html").read_text().lower()


@pytest.mark.slow
def test_a_federation_starts_from_the_detector(command: Command, pretrained: tuple[Path, str], tmp_path: Path):
    cheap = ("--clients=2", "--rounds=1", "--local-epochs=1", "--repeats=1", "--algorithms", "fedavg")
    process = command.start("fed", *cheap, f"--au-init={pretrained[0]}", f"--output={tmp_path / 'run'}")
    _, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    assert "AU pretraining" not in errors
    assert (tmp_path / "run" / "report.html").exists()
    (command.folder / "data" / random_dataset("synthetic", "federated").name).mkdir(parents=True, exist_ok=True)
    command("explain", str(tmp_path / "run"), "--ratios", "0", "1")
    assert (tmp_path / "run" / "explain" / "report.html").exists()


@pytest.mark.slow
def test_an_ablation_that_is_killed_and_resumed_ends_with_the_same_files(command: Command, tmp_path: Path):
    folders = [tmp_path / name for name in ("killed", "uninterrupted")]
    cheap = ("--variants", "no-gat", "no-transformer-no-gat", "--folds=2", "--epochs=2", "--repeats=1")
    cheap += ("--checkpoint-seconds=0",)
    process = command.start("ablate", *cheap, f"--output={folders[0]}")
    while not (folders[0] / "checkpoints" / "no-transformer-no-gat-0" / "1").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    command("ablate", f"--resume={folders[0]}")
    command("ablate", *cheap, f"--output={folders[1]}")
    assert contents(folders[0]) == contents(folders[1])


def test_differences_of_a_single_model_are_an_empty_table():
    rows = pd.DataFrame({"algorithm": ["full, published"] * 2})
    one = Compared("run", Path("run"), {}, True, {"uf1": "UF1"}, rows, [(EMOTIONS, rows)], rows)
    pairs = ablate.differences(one)
    assert len(pairs) == 0
    assert {"run", "other_algorithm", "uf1_low"} <= set(pairs)


@pytest.mark.slow
def test_ablation_pairs_every_model_with_the_first(command: Command, tmp_path: Path):
    folder = tmp_path / "ablation"
    cheap = ("--folds=2", "--epochs=1", "--repeats=1", f"--output={folder}")
    shown = command("ablate", "--variants", "regional-only", "no-gat", "--prior", "published", "co-occurrence", *cheap)
    pairs = pd.read_csv(folder / "differences.csv")
    first = "regional-only, published"
    assert list(zip(pairs["algorithm"], pairs["other_algorithm"], strict=True)) == [
        ("regional-only, co-occurrence", first),
        ("no-gat", first),
    ]
    assert (pairs["uf1_low"] <= pairs["uf1"]).all()
    assert (pairs["uf1"] <= pairs["uf1_high"]).all()
    assert "Paired differences" in shown


MISTAKES = {
    "no epochs": (mer, ["--epochs=0"], r"--epochs=0: it must be at least 1"),
    "one fold": (mer, ["--folds=1"], r"--folds=1: it must be at least 2"),
    "more folds than subjects": (mer, ["--folds=9"], r"9 folds .* 8 subjects"),
    "a seed of too many digits": (mer, ["--seed=4294967296"], r"--seed=4294967296: it must be .* below 2147483648"),
    "selection without validation": (mer, ["--select"], r"add, for example, --validation-share=0.2"),
    "decay of a frozen module": (mer, ["--prior-schedule=decay"], r"add --au=finetuned"),
    "priors where none acts": (
        mer,
        ["--prior", "uniform", "none", "--network.variant=no-gat"],
        r"no-gat has no graph attention, so that priors make no difference; give one",
    ),
    "a prior twice": (mer, ["--prior", "uniform", "uniform"], r"name each prior once"),
    "no pretraining epochs": (mer, ["--pretraining.epochs=0"], r"--pretraining.epochs=0: it must be at least 1"),
    "no pretraining batch": (mer, ["--pretraining.batch=0"], r"--pretraining.batch=0: it must be at least 1"),
    "no such prior": (mer, ["--prior", "publishd"], r"do you mean published"),
    "no detector there": (mer, ["--au-init=nowhere"], r"--au-init=nowhere: there is no detector.json"),
    "resume with settings": (mer, ["--resume=x", "--epochs=9"], r"leave out all others"),
    "resume of nothing": (mer, ["--resume=nowhere"], r"no run folder nowhere"),
    "a federation without its detector": (fed, ["--au-init=nowhere"], r"--au-init=nowhere: there is no detector.json"),
    "an ablation without its detector": (
        ablate,
        ["--au=finetuned", "--au-init=nowhere"],
        r"--au-init=nowhere: there is no detector.json",
    ),
    "ablation of a frozen module": (ablate, ["--au=frozen"], r"choose scratch or finetuned"),
    "ablation's priors by their former name": (ablate, ["--priors", "uniform"], r"--priors.*--prior"),
    "ablation with an unknown prior": (ablate, ["--prior", "uniform", "non"], r"--prior=non: do you mean none\?"),
    "ablation's network by another name": (ablate, ["--network.variant=no-gat"], r"its networks as --variants"),
    "ablation without priors": (ablate, ["--prior"], r"--prior : name each prior once"),
    "ablation with an impossible seed": (ablate, ["--seed=-1"], r"--seed=-1: it must be at least 0"),
    "ablation that grows weights": (ablate, ["--weight-decay=-1"], r"--weight-decay=-1.0: it must be at least 0"),
    "pretraining with an impossible seed": (pretrain, ["--seed=-1"], r"--seed=-1: it must be at least 0"),
    "pretraining beyond the prior": (pretrain, ["--network.prior-ratio=2"], r"prior-ratio=2.0: it must be between"),
    "pretraining at an endless rate": (pretrain, ["--pretraining.learning-rate=inf"], r"greater than 0, and finite"),
    "pretraining that grows weights": (pretrain, ["--pretraining.weight-decay=-1"], r"it must be at least 0, and"),
    "a database twice": (pretrain, ["--databases", "disfa", "disfa"], r"name each database once"),
    "pretraining without epochs": (pretrain, ["--pretraining.epochs=0"], r"--pretraining.epochs=0: it must be at"),
    "pretraining resumed with settings": (pretrain, ["--resume=x", "--seed=1"], r"leave out all others"),
    "pretraining resumed from nothing": (pretrain, ["--resume=nowhere"], r"no run folder nowhere"),
    "a copy without a name": (pretrain, ["--manual-dir", "/data"], r"write name=FOLDER"),
    "a copy of another database": (pretrain, ["--manual-dir", "disfa=x"], r"disfa is not among --databases synthetic"),
}


@pytest.mark.parametrize(("module", "options", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    module: Callable[..., int],
    options: list[str],
    said: str,
):
    monkeypatch.setattr(loading, "load", random_dataset)
    monkeypatch.setattr(pretrain, "load", random_dataset)
    monkeypatch.setattr(commandline, "cache_compilations", lambda: None)
    where = [] if "--resume" in options[0] else [f"--output={tmp_path / 'run'}"]
    assert commandline.guarded(lambda: module.main([*options, *where])) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert re.search(said, errors[0])
    assert not (tmp_path / "run").exists()


def test_perfect_predictions_score_one_and_the_report_speaks_of_folds(tmp_path: Path):
    dataset = random_dataset("synthetic", "federated")
    settings = replace(mer.PRESETS["quick"], folds=4)
    repeats = folds(settings, dataset)
    folder = RunFolder(tmp_path)
    folder.write_json(
        "config.json", {"experiment": "mer", "command": "mer", "settings": {"epochs": 2, "select": False}}
    )
    mer_results.begin(folder, dataset, repeats)
    history = {"loss_sum": np.array([2.0, 1.0]), "num_examples": np.array([2.0, 2.0])}
    finished = [
        Finished(
            Trial("perfect", 0, number, fold, published()),
            history,
            {"emotion": 50 * np.eye(7)[dataset.examples.emotion[fold.test]]},
        )
        for number, fold in enumerate(repeats[0])
    ]
    scores = mer_results.conclude(folder, dataset, finished, np.asarray(dataset.examples.au)[None])
    top = scores.summary.iloc[0]
    assert (top["uf1"], top["uar"], top["accuracy"], top["au_f1"]) == (1, 1, 1, 1)
    assert scores.intervals["perfect"]["uf1"] == (1, 1, 1)
    report.write(folder)
    page = (tmp_path / "report.html").read_text()
    for text in ("2 epochs, 1 repeat", "Scores of each fold", "after the last epoch", "10,000 draws with seed 0"):
        assert text in page
    for heading, num_rows in (("F1 of each class", 7), ("Recall of each class", 7), ("F1 of each action unit", 12)):
        _, _, after = page.partition(f"<summary>{heading} as a table</summary>")
        assert after.partition("</details>")[0].count("<td>1.000 [1.000, 1.000]</td>") == num_rows
    assert "whisker: 95 % bootstrap interval by subject" in page
    assert "rounds" not in page


def test_the_oracle_knows_the_most_frequent_class_of_each_set_of_action_units():
    dataset = random_dataset("synthetic", "federated")
    au = np.zeros((6, 12), np.float32)
    au[3:, 0] = 1
    examples = dataset.examples._replace(au=au, au_mask=np.ones((6, 12)), emotion=np.array([0, 0, 1, 2, 2, -1]))
    (row,) = baselines.au_set_oracle(examples, ("a", "b", "c")).to_dict("records")
    assert row["accuracy"] == pytest.approx(4 / 5)
    assert row["uar"] == pytest.approx(2 / 3)
