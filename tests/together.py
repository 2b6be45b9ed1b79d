"""Runs of several processes on this machine, with the network of ``toy_command``."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from commands import rounds_written

HERE = Path(__file__).parent
FEW = ("--checkpoint-seconds=0", "--repeats=1")
FED = (*FEW, "--clients=2", "--rounds=40", "--local-epochs=1")
MER = (*FEW, "--folds=2", "--epochs=3", "--batch=16")
Done = subprocess.CompletedProcess[str]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Together:
    """Commands of several processes that share a folder of compiled programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
        self.environment |= {"JAX_PLATFORMS": "cpu"}
        self.environment.pop("JAX_COMPILATION_CACHE_DIR", None)

    def start(self, name: str, *options: str, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "toy_command.py"), name, *options, f"--data-dir={self.folder / 'data'}"]
        pipe, environment = subprocess.PIPE, self.environment | variables
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent, env=environment)

    def processes(self, number: int, name: str, *options: str, **variables: str) -> list[subprocess.Popen[str]]:
        """So many processes of one run."""
        meet = (f"--coordinator=127.0.0.1:{free_port()}", f"--processes={number}")
        return [self.start(name, *options, *meet, f"--process-id={index}", **variables) for index in range(number)]

    def alone(self, name: str, *options: str) -> Path:
        """The folder of a run of one process."""
        folder = self.folder / "alone"
        (done,) = ended([self.start(name, *options, f"--output={folder}")])
        assert done.returncode == 0, done.stderr
        return folder

    def run(self, number: int, name: str, *options: str, **variables: str) -> list[Done]:
        """So many processes of one run, which end well."""
        all_done = ended(self.processes(number, name, *options, **variables))
        assert [done.returncode for done in all_done] == [0] * number, [done.stderr for done in all_done]
        return all_done

    def stopped(self, which: int, how: signal.Signals, at: int, folder: Path, *options: str) -> list[Done]:
        """Two processes of ``fed``, of which one gets a signal after so many rounds."""
        both = self.processes(2, "fed", *options)
        while rounds_written(folder) < at:
            assert all(process.poll() is None for process in both), [done.stderr for done in ended(both)]
            time.sleep(0.005)
        both[which].send_signal(how)
        return ended(both)


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[Done]:
    outputs = [process.communicate(timeout=900) for process in processes]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *output)
        for process, output in zip(processes, outputs, strict=True)
    ]


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was measured and predicted."""
    return pd.read_csv(folder / "metrics.csv"), pd.read_csv(folder / "predictions.csv")


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("metrics.csv", "predictions.csv", "summary.csv")}
