"""Several priors in one command: one program, killed and resumed, whole networks, looked into afterwards."""

import re
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset
from test_fed_command import CHEAP, Command, contents, kill_and_resume

from experiments import explain
from experiments.inputs import databases as loading
from experiments.results import attention as explain_tables
from experiments.run import commandline
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training.reevaluation import reevaluation
from experiments.training.trained_federations import read_run

pytestmark = pytest.mark.slow

SEVERAL = [*CHEAP, "--repeats=2", "--prior", "published", "co-occurrence"]
WHOLE = [*SEVERAL, "--train-au", "--rounds=2"]
ROWS = [f"{algorithm}, {prior} prior" for algorithm in ("FedAvg", "P-FedProx") for prior in SEVERAL[-2:]]


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Command:
    command = Command(tmp_path_factory.mktemp("priors"))
    command.environment["JAX_LOG_COMPILES"] = "1"
    return command


@pytest.fixture(scope="module")
def several(fed: Command) -> tuple[Path, str]:
    """A run of two algorithms, priors and repeats each, and what it wrote to standard error."""
    done = fed(*SEVERAL, f"--output={fed.folder / 'several'}")
    assert done.returncode == 0, done.stderr
    return fed.folder / "several", done.stderr


@pytest.fixture(scope="module")
def whole(fed: Command) -> Path:
    """The same, whole networks."""
    done = fed(*WHOLE, f"--output={fed.folder / 'whole'}")
    assert done.returncode == 0, done.stderr
    return fed.folder / "whole"


@pytest.fixture
def on_random_data(fed: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process reads the data of the runs; returns their folder."""
    monkeypatch.setattr(loading, "load", random_dataset)
    monkeypatch.setattr(commandline, "cache_compilations", lambda: None)
    place = fed.folder / "data"
    (place / random_dataset("synthetic", "federated").name).mkdir(parents=True, exist_ok=True)
    return place


def test_priors_algorithms_and_repeats_compile_one_round(several: tuple[Path, str]) -> None:
    folder, errors = several
    assert len(re.findall(r"Finished XLA compilation of jit\(round_\)", errors)) == 1
    metrics = pd.read_csv(folder / "metrics.csv")
    assert metrics[["algorithm", "repeat", "round"]].drop_duplicates().shape == (4 * 2 * 6, 3)


def test_killed_and_resumed_ends_with_the_same_files(fed: Command, several: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    kill_and_resume(fed, SEVERAL, folder)
    assert contents(folder) == contents(several[0])


def test_whole_networks_train_with_each_prior(whole: Path) -> None:
    aus, clients = pd.read_csv(whole / "au_predictions.csv"), pd.read_csv(whole / "clients.csv")
    groups = dict(list(aus.groupby("algorithm", sort=False)))
    assert list(groups) == ROWS
    assert {len(rows) for rows in groups.values()} == {clients["num_test"].sum()}
    columns = [name for name in aus if name.startswith("probability_")]
    published, other = (groups[name][columns].to_numpy() for name in ROWS[:2])
    assert np.isfinite(published).all()
    assert (published != other).mean() > 0.9


@pytest.mark.parametrize("kind", ["frozen", "whole"])
def test_networks_read_back_give_the_predictions_of_their_run(
    several: tuple[Path, str], whole: Path, on_random_data: Path, kind: str
) -> None:
    folder = RunFolder(several[0] if kind == "frozen" else whole)
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    with progress() as stages:
        run = read_run(folder, on_random_data, stages)
    again = jax.device_get(reevaluation(run)(run.ratio))
    for table, name in zip(explain_tables.predictions(run, again), ("predictions", "au_predictions"), strict=True):
        expected = folder.read_table(f"{name}.csv")
        pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-3, atol=1e-5)
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before


@pytest.mark.parametrize("kind", ["frozen", "whole"])
def test_the_command_shows_what_they_made_of_their_priors(
    several: tuple[Path, str],
    whole: Path,
    on_random_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    folder, output = (several[0] if kind == "frozen" else whole), tmp_path / "explained"
    options = [str(folder), f"--data-dir={on_random_data}", f"--output={output}", "--ratios", "0", "1"]
    assert explain.main(options) == 0
    attention, scores = (pd.read_csv(output / f"{name}.csv") for name in ("attention", "sensitivity"))
    rows = [f"every algorithm, {prior} prior" for prior in SEVERAL[-2:]] if kind == "frozen" else ROWS
    assert list(attention["algorithm"].unique()) == rows
    assert sorted(scores["ratio"].unique()) == [0, 0.3, 1]
    assert list(scores["algorithm"].unique()) == ROWS
    summary = pd.read_csv(folder / "summary.csv").set_index("algorithm")["uf1"]
    own = scores[scores["ratio"] == 0.3].groupby("algorithm")["uf1"].mean()
    np.testing.assert_allclose(own[ROWS], summary[ROWS], atol=0.02)
    assert "not an explanation of cause" in capsys.readouterr().out
    assert (output / "report.html").stat().st_size > 10_000
