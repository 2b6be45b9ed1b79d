"""fed --labs as a user runs it: rendered labs, a sweep over their shift, killed and resumed, and mistakes."""

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import HERE, Command, contents, one_sentence

pytestmark = pytest.mark.slow
SMALL = ("--network.variant=no-transformer-no-gat", "--pretraining.epochs=1", "--local-epochs=1", "--repeats=2")
SWEEP = ("--labs=3", "--algorithms", "local", "fedavg", "p-fedprox", "--sweep", "lab-shift=0,1", "self-weight=0.5,0.9")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("labs"))


def on_tiny_labs(command: Command, *options: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(HERE / "fed_on_tiny_labs.py"), *options, f"--data-dir={command.folder / 'data'}"]
    return subprocess.run(script, capture_output=True, text=True, cwd=HERE.parent, env=command.environment, timeout=900)


def test_a_sweep_over_rendered_labs_scores_each_and_draws_when_personalising_pays(command: Command):
    folder = command.folder / "rendered"
    options = (*SMALL, *SWEEP, "--rounds=1")
    done = on_tiny_labs(command, *options, f"--output={folder}")
    assert done.returncode == 0, done.stderr
    assert "16 trainings of 8 rows, in 1 program" in done.stdout
    assert "Rows of different lab shifts were tested on different data" in done.stdout
    splits = pd.read_csv(folder / "splits.csv")
    assert sorted(set(splits["client"])) == ["lab1", "lab2", "lab3"]
    assert set(splits["fold"]) == {"lab-shift 0", "lab-shift 1"}
    clips = pd.read_csv(folder / "predictions.csv").groupby("algorithm")["clip"].agg(lambda own: {c[0] for c in own})
    assert clips["FedAvg, lab-shift 1"] == {"1"}
    assert (folder / "figures" / "personalisation.png").stat().st_size > 10_000
    assert "minus that of local-only training and of FedAvg" in (folder / "report.html").read_text()
    before = pictures(command)
    again = on_tiny_labs(command, *SMALL, "--labs=3", "--rounds=1", f"--output={command.folder / 'alone'}")
    assert again.returncode == 0, again.stderr
    assert pictures(command) == before
    runs = (folder, command.folder / "alone")
    swept, alone = (pd.read_csv(run / "summary.csv").set_index("algorithm")["uf1"] for run in runs)
    assert swept["Local only, lab-shift 1"] == alone["Local only"]


def pictures(command: Command) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in command.folder.rglob("pictures/**/*.png")}


def test_a_killed_sweep_over_labs_ends_as_if_it_had_not_been_killed(command: Command):
    few = ("--labs=3", "--algorithms", "local", "fedavg", "--sweep", "lab-shift=0,1")
    options = (*SMALL, *few, "--rounds=3", "--repeats=1", "--checkpoint-seconds=0")
    whole, killed = command.folder / "whole", command.folder / "killed"
    command.shown("fed", *options, f"--output={whole}")
    command.stop_at_round("fed", (*options, f"--output={killed}"), killed, 1, signal.SIGKILL)
    command.shown("fed", f"--resume={killed}")
    assert contents(killed) == contents(whole)


def test_mistakes_are_one_sentence(command: Command):
    done = command("fed", "--labs=3", "--lab-shift", "lihgt=1")
    assert one_sentence(done) == "Error: --lab-shift=lihgt=1: unknown factor lihgt: did you mean light?"
