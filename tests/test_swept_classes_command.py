"""``--sweep classes=3,7`` as a user runs it: what each number of classes alone gives, killed and resumed, explained."""

import signal
from pathlib import Path

import pandas as pd
import pytest
from commands import Command, compilations, contents
from explained_runs import explaining, finished_run

from experiments.clips.networks import read_ensemble
from experiments.inputs.settings import FedSettings
from experiments.run.folder import RunFolder
from experiments.run.progress import progress

pytestmark = pytest.mark.slow

SHORT = ("--network.variant=no-transformer-no-gat", "--pretraining.epochs=1", "--checkpoint-seconds=0")
OPTIONS = {
    "fed": (
        *SHORT,
        "--clients=2",
        "--rounds=2",
        "--local-epochs=1",
        "--repeats=1",
        "--algorithms",
        "local",
        "p-fedprox",
    ),
    "mer": (*SHORT, "--folds=2", "--epochs=2", "--batch=16"),
}
SWEEP = ("--sweep", "classes=3,7")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("classes"))


@pytest.mark.parametrize("name", OPTIONS)
def test_rows_of_a_sweep_predict_what_a_run_of_their_classes_predicts(command: Command, name: str):
    folder = command.folder / name
    done = command(name, *OPTIONS[name], *SWEEP, f"--output={folder}")
    assert done.returncode == 0, done.stderr
    assert "rows, in 2 programs" in done.stdout
    assert compilations(done.stderr, "_round_of_all") == 2 + ("AU pretraining" in done.stderr)
    swept = pd.read_csv(folder / "predictions.csv", dtype=str)
    for number in (3, 7):
        alone = command.folder / f"{name}-{number}"
        command.shown(name, *OPTIONS[name], f"--classes={number}", f"--output={alone}")
        ending = f", classes {number}"
        own = swept[swept["algorithm"].str.endswith(ending)]
        own = own.assign(algorithm=own["algorithm"].str.removesuffix(ending)).dropna(axis=1, how="all")
        expected = pd.read_csv(alone / "predictions.csv", dtype=str)
        pd.testing.assert_frame_equal(own.reset_index(drop=True), expected)


def test_a_killed_sweep_ends_as_if_it_had_not_been_killed(command: Command):
    whole, killed = command.folder / "whole", command.folder / "killed"
    command.shown("mer", *OPTIONS["mer"], *SWEEP, f"--output={whole}")
    command.stop_at_round("mer", (*OPTIONS["mer"], *SWEEP, f"--output={killed}"), killed, 1, signal.SIGKILL)
    command.shown("mer", f"--resume={killed}")
    assert contents(killed) == contents(whole)


SETTINGS = FedSettings(clients=2, repeats=1, rounds=1, algorithms=("local", "fedavg"), sweep=("classes=3,7",))


def test_networks_are_explained_and_read_in_their_own_classes(
    tmp_path: Path,
):
    folder = tmp_path / "run"
    finished_run(folder, "fed", SETTINGS)
    with explaining(tmp_path / "data") as command:
        output = tmp_path / "explained"
        assert command(folder, "--ratios", "0", "1", f"--output={output}") == 0
        attention = RunFolder(output).read_table("attention.csv")
        emotions = attention.groupby("algorithm")["emotion"].unique()
        assert set(emotions["every algorithm, classes 3"]) == {"negative", "positive"}
        assert set(emotions["every algorithm, classes 7"]) == {"anger", "contempt", "disgust", "fear", "happiness"}
        with progress() as stages:
            with pytest.raises(ValueError, match=r"have other classes \(classes 3 and classes 7\).* with --row$"):
                read_ensemble([folder], tmp_path / "data", None, stages)
            ensemble = read_ensemble([folder], tmp_path / "data", "FedAvg, classes 3", stages)
        assert ensemble.class_names == ("negative", "positive", "surprise")
        assert [one.title for one in ensemble.members] == ["run: FedAvg, classes 3, repeat 0, client 0"]
