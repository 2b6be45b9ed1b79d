"""What all commands that train have in common: killed, interrupted or damaged, they end the same."""

import io
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import Command, compilations, contents, one_sentence, rounds_written

pytestmark = pytest.mark.slow
SMALL = "--network.variant=no-transformer-no-gat"
SHORT = ("--checkpoint-seconds=0", "--pretraining.epochs=1")
OPTIONS = {
    "fed": ("--clients=2", "--rounds=4", "--local-epochs=1", "--repeats=2", "--algorithms", "fedavg", "p-fedprox"),
    "mer": ("--folds=2", "--epochs=4", "--batch=16", "--repeats=2"),
    "ablate": ("--variants", "no-gat", "no-transformer-no-gat", "--folds=2", "--epochs=4", "--repeats=1"),
}
OPTIONS = {name: (*SHORT, *options) for name, options in OPTIONS.items()}
OPTIONS |= {name: (SMALL, *OPTIONS[name]) for name in ("fed", "mer")}
OPTIONS["pretrain"] = (SMALL, "--checkpoint-seconds=0", "--pretraining.epochs=4", "--repeats=2")


def each(*names: str) -> pytest.MarkDecorator:
    """A test for each of these commands; those of one command run in one process, which shares its runs."""
    return pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names])


every = each(*OPTIONS)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="module")
def finished(command: Command):
    """By command, the folder of an uninterrupted run, and what it printed."""
    done: dict[str, tuple[Path, str]] = {}

    def run(name: str) -> tuple[Path, str]:
        if name not in done:
            folder = command.folder / name
            done[name] = folder, command.shown(name, *OPTIONS[name], f"--output={folder}")
        return done[name]

    return run


@every
def test_a_run_leaves_every_file_and_nothing_half_done(finished, name: str):
    folder, shown = finished(name)
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "data.json", "environment.json", "report.html", "figures"} <= names
    assert rounds_written(folder) == 4
    assert str(folder / "report.html") in shown
    assert not re.findall(r'(?:src|href)="(?!data:|#)', (folder / "report.html").read_text())
    assert not list(folder.rglob("*.unfinished"))
    assert not list((folder / "checkpoints").iterdir())
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 70e6


@each("fed", "mer", "ablate")
def test_every_example_is_tested_once_by_each_row_and_repeat(finished, name: str):
    folder, _ = finished(name)
    predictions, splits = pd.read_csv(folder / "predictions.csv"), pd.read_csv(folder / "splits.csv")
    counts = predictions.groupby(["algorithm", "repeat"]).size().to_numpy()
    assert (counts == splits.groupby("repeat")["num_test"].sum().iloc[0]).all()
    assert not predictions.duplicated(["algorithm", "repeat", "clip"]).any()
    assert predictions.filter(regex="^p_").sum(axis=1).between(1 - 1e-6, 1 + 1e-6).all()


@every
def test_killed_interrupted_and_resumed_is_as_uninterrupted(command: Command, finished, tmp_path: Path, name: str):
    folder = tmp_path / "run"
    command.stop_at_round(name, (*OPTIONS[name], f"--output={folder}"), folder, 1, signal.SIGKILL)
    assert not (folder / "summary.csv").exists()
    shown = command.stop_at_round(name, (f"--resume={folder}",), folder, 2, signal.SIGINT)
    assert f"--resume={folder}" in shown
    command.shown(name, f"--resume={folder}")
    assert contents(folder) == contents(finished(name)[0])


@each("fed", "mer")
def test_in_chunks_is_as_at_once(command: Command, finished, tmp_path: Path, name: str):
    command.shown(name, *OPTIONS[name], "--at-once=2", f"--output={tmp_path / 'run'}")
    parts, whole = contents(tmp_path / "run"), contents(finished(name)[0])
    metrics = [pd.read_csv(io.BytesIO(own.pop("metrics.csv"))) for own in (parts, whole)]
    assert parts == whole
    pd.testing.assert_frame_equal(*metrics, rtol=1e-6)  # another program may round sums of losses otherwise


@each("fed", "mer", "pretrain")
def test_two_devices_agree_with_one(command: Command, finished, tmp_path: Path, name: str):
    command.shown(name, *OPTIONS[name], "--devices=2", f"--output={tmp_path / 'two'}")
    two, one = (pd.read_csv(folder / "metrics.csv") for folder in (tmp_path / "two", finished(name)[0]))
    pd.testing.assert_frame_equal(two[two["round"] == 1], one[one["round"] == 1], rtol=1e-4, atol=1e-5)


@every
def test_a_damaged_checkpoint_is_passed_over(command: Command, finished, tmp_path: Path, name: str):
    folder = tmp_path / "run"
    command.stop_at_round(name, (*OPTIONS[name], f"--output={folder}"), folder, 3, signal.SIGKILL)
    saved = sorted(
        (path for path in folder.glob("checkpoints/0-0/*") if path.name.isdigit()), key=lambda p: int(p.name)
    )
    for path in saved[-1].rglob("d/*"):
        path.write_bytes(b"damaged")
    resumed = command(name, f"--resume={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert "is corrupt" in resumed.stderr
    assert contents(folder) == contents(finished(name)[0])


@every
def test_damaged_results_of_a_chunk_are_trained_again(command: Command, finished, tmp_path: Path, name: str):
    folder = tmp_path / "run"
    shutil.copytree(finished(name)[0], folder)
    (file,) = list(folder.glob("finished/0-0.npz"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 8
    file.write_bytes(bytes(content))
    done = command(name, f"--resume={folder}")
    assert done.returncode == 0, done.stderr
    assert "it is trained again, with the same numbers" in " ".join(done.stderr.split())
    assert contents(folder) == contents(finished(name)[0])


@each("fed", "mer")
def test_a_loss_that_is_not_finite_names_where(command: Command, tmp_path: Path, name: str):
    folder = tmp_path / "nan"
    message = one_sentence(command(name, *OPTIONS[name], "--learning-rate=1e30", f"--output={folder}"))
    assert re.search(r"repeat 0, (client|fold) [01], was not finite in (round|epoch) \d", message)


@pytest.mark.xdist_group("mer")
def test_another_seed_gives_other_numbers_and_shares_no_repeat(command: Command, finished, tmp_path: Path):
    folder = tmp_path / "other"
    command.shown("mer", *OPTIONS["mer"], "--seed=1", f"--output={folder}")
    losses = [pd.read_csv(path / "metrics.csv")["train_loss"] for path in (folder, finished("mer")[0])]
    assert not set(losses[0]) & set(losses[1])


@pytest.mark.xdist_group("fed")
def test_a_sweep_is_rows_of_one_program_and_a_table(command: Command, tmp_path: Path):
    folder = tmp_path / "sweep"
    swept = ("--sweep", "mu=0.01,0.1", "learning-rate=0.001,0.01")
    done = command("fed", *OPTIONS["fed"], *swept, f"--output={folder}")
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 1
    table = pd.read_csv(folder / "sweep.csv")
    assert len(table) == 2 + 4  # FedAvg does not depend on mu
    assert np.isnan(table.loc[table["name"] == "fedavg", "mu"]).all()


@pytest.mark.xdist_group("mer")
def test_shapes_that_differ_are_as_many_programs(command: Command, tmp_path: Path):
    folder = tmp_path / "sweep"
    done = command("mer", *OPTIONS["mer"], "--sweep", "batch=8,16", "head-scale=0.1,1", f"--output={folder}")
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 2
    assert len(pd.read_csv(folder / "sweep.csv")) == 4


@each("fed", "mer")
def test_several_priors_are_rows_of_one_program(tmp_path: Path, name: str):
    priors = ("--prior", "published", "co-occurrence", "test_rows:witness")
    alone = Command(tmp_path)  # without the detectors that other tests have trained
    done = alone(name, *OPTIONS[name][1:], *priors, f"--output={tmp_path / 'run'}")  # with graph attention
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 2  # of the detectors, and of the rows
    rows = pd.read_csv(tmp_path / "run" / "rows.csv")
    assert list(rows["prior"].unique()) == list(priors[1:])


@pytest.mark.xdist_group("fed")
def test_validation_and_selection_of_a_federation(command: Command, tmp_path: Path):
    options = (*OPTIONS["fed"], "--validation-share=0.3", "--select")
    command.shown("fed", *options, f"--output={tmp_path / 'run'}")
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert set(metrics["scored"]) == {"validation"}


@pytest.mark.xdist_group("fed")
def test_everything_as_released(command: Command, tmp_path: Path):
    released = ("--train-au", "--proximal=released", "--split=examples", "--head-scale=1", "--network.attention=batch")
    few = ("--clients=2", "--rounds=2", "--local-epochs=1", "--repeats=1", "--pretraining.epochs=1")
    command.shown("fed", *few, *released, "--network.masking=released", f"--output={tmp_path / 'run'}")


@pytest.mark.xdist_group("pretrain")
def test_a_detector_is_trained_used_and_replaced(command: Command, finished, tmp_path: Path):
    detector, cheap = finished("pretrain")[0], ("--network.variant=no-transformer-no-gat", "--repeats=1")
    copy = shutil.copytree(detector, tmp_path / "detector")
    few = ("--clients=2", "--rounds=1", "--local-epochs=1", "--algorithms", "fedavg")
    run = tmp_path / "run"
    done = command("fed", *few, *cheap, f"--au-init={copy}", f"--output={run}")
    assert done.returncode == 0, done.stderr
    assert "AU pretraining" not in done.stderr
    other = ("--seed=1", *OPTIONS["pretrain"])
    shutil.rmtree(copy)
    command.shown("pretrain", *other, f"--output={copy}")
    assert "began with a detector" in one_sentence(command("fed", f"--resume={run}"))
