"""The commands on random data, as processes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

HERE = Path(__file__).parent
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
TABLES = (
    *("rows.csv", "splits.csv", "metrics.csv", "au_predictions.csv", "summary.csv", "intervals.csv"),
    *("differences.csv", "au_scores.csv"),
)


class Command:
    """Commands that share a folder of data and compiled programs, so that these compile once for all tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
        self.environment["JAX_LOG_COMPILES"] = "1"
        self.environment.pop("JAX_COMPILATION_CACHE_DIR", None)

    def start(self, name: str, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "command_on_random_data.py"), name, *options]
        command.append(f"--data-dir={self.folder / 'data'}")
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent, env=self.environment)

    def __call__(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        process = self.start(name, *options)
        out, err = process.communicate(timeout=900)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def shown(self, name: str, *options: str) -> str:
        """What a command that ends well prints."""
        done = self(name, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop_at_round(self, name: str, options: tuple[str, ...], folder: Path, number: int, how: signal.Signals) -> str:
        """Start a command, and send it a signal after so many rounds; what it printed."""
        process = self.start(name, *options)
        while rounds_written(folder) < number:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        process.send_signal(how)
        shown, errors = process.communicate(timeout=300)
        expected = 130 if how == signal.SIGINT else -how
        assert process.returncode == expected, errors
        return shown


def rounds_written(folder: Path) -> int:
    """The last round in metrics.csv."""
    path = folder / "metrics.csv"
    return int(pd.read_csv(path)["round"].max()) if path.exists() else 0


def contents(folder: Path) -> dict[str, bytes]:
    """The tables of a run."""
    names = [
        *TABLES,
        *(name for name in ("predictions.csv", "class_scores.csv", "clients.csv") if (folder / name).exists()),
    ]
    return {name: (folder / name).read_bytes() for name in names}


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The only error of a command that the user mistook."""
    assert done.returncode == 2, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "Traceback" not in done.stderr
    return errors[0]


def compilations(errors: str, function: str) -> int:
    """How often a function was compiled."""
    return len(re.findall(rf"Finished XLA compilation of jit\({function}\)", errors))


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="module")
def finished(command: Command) -> Callable[[str], tuple[Path, str]]:
    """By command, the folder of an uninterrupted run, and what it printed."""
    done: dict[str, tuple[Path, str]] = {}

    def run(name: str) -> tuple[Path, str]:
        if name not in done:
            folder = command.folder / name
            done[name] = folder, command.shown(name, *OPTIONS[name], f"--output={folder}")
        return done[name]

    return run
