"""Commands that train: what is an axis of one program, what are several programs, and what is trained with what."""

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import OPTIONS, Command, command, compilations, contents, finished, one_sentence

__all__ = ["command", "finished"]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["fed", "mer"])
def test_in_chunks_is_as_at_once(command: Command, finished, tmp_path: Path, name: str):
    command.shown(name, *OPTIONS[name], "--at-once=2", f"--output={tmp_path / 'run'}")
    parts, whole = contents(tmp_path / "run"), contents(finished(name)[0])
    metrics = [pd.read_csv(io.BytesIO(own.pop("metrics.csv"))) for own in (parts, whole)]
    assert parts == whole
    pd.testing.assert_frame_equal(*metrics, rtol=1e-6)  # another program may round sums of losses otherwise


@pytest.mark.parametrize("name", ["fed", "mer", "pretrain"])
def test_two_devices_agree_with_one(command: Command, finished, tmp_path: Path, name: str):
    command.shown(name, *OPTIONS[name], "--devices=2", f"--output={tmp_path / 'two'}")
    two, one = (pd.read_csv(folder / "metrics.csv") for folder in (tmp_path / "two", finished(name)[0]))
    pd.testing.assert_frame_equal(two[two["round"] == 1], one[one["round"] == 1], rtol=1e-4, atol=1e-5)


def test_another_seed_gives_other_numbers_and_shares_no_repeat(command: Command, finished, tmp_path: Path):
    folder = tmp_path / "other"
    command.shown("mer", *OPTIONS["mer"], "--seed=1", f"--output={folder}")
    losses = [pd.read_csv(path / "metrics.csv")["train_loss"] for path in (folder, finished("mer")[0])]
    assert not set(losses[0]) & set(losses[1])


def test_a_sweep_is_rows_of_one_program_and_a_table(command: Command, tmp_path: Path):
    folder = tmp_path / "sweep"
    swept = ("--sweep", "mu=0.01,0.1", "learning-rate=0.001,0.01")
    done = command("fed", *OPTIONS["fed"], *swept, f"--output={folder}")
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 1
    table = pd.read_csv(folder / "sweep.csv")
    assert len(table) == 2 + 4  # FedAvg does not depend on mu
    assert np.isnan(table.loc[table["name"] == "fedavg", "mu"]).all()


def test_shapes_that_differ_are_as_many_programs(command: Command, tmp_path: Path):
    folder = tmp_path / "sweep"
    done = command("mer", *OPTIONS["mer"], "--sweep", "batch=8,16", "head-scale=0.1,1", f"--output={folder}")
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 2
    assert len(pd.read_csv(folder / "sweep.csv")) == 4


@pytest.mark.parametrize("name", ["fed", "mer"])
def test_several_priors_are_rows_of_one_program(tmp_path: Path, name: str):
    priors = ("--prior", "published", "co-occurrence", "test_rows:witness")
    alone = Command(tmp_path)  # without the detectors that other tests have trained
    done = alone(name, *OPTIONS[name][1:], *priors, f"--output={tmp_path / 'run'}")  # with graph attention
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 2  # of the detectors, and of the rows
    rows = pd.read_csv(tmp_path / "run" / "rows.csv")
    assert list(rows["prior"].unique()) == list(priors[1:])


def test_validation_and_selection_of_a_federation(command: Command, tmp_path: Path):
    options = (*OPTIONS["fed"], "--validation-share=0.3", "--select")
    command.shown("fed", *options, f"--output={tmp_path / 'run'}")
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert set(metrics["scored"]) == {"validation"}


def test_everything_as_released(command: Command, tmp_path: Path):
    released = ("--train-au", "--proximal=released", "--split=examples", "--head-scale=1", "--network.attention=batch")
    few = ("--clients=2", "--rounds=2", "--local-epochs=1", "--repeats=1", "--pretraining.epochs=1")
    command.shown("fed", *few, *released, "--network.masking=released", f"--output={tmp_path / 'run'}")


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
