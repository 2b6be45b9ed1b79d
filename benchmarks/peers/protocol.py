"""How a library trains for ``python -m benchmarks``, in a process and with packages of its own; needs NumPy alone.

For each line on its standard input the process works once, and answers with a line of JSON. Whatever else it prints
goes to standard error. On digits it is given the file of a problem, trains from the same start each time, and answers
with the seconds of each round and the accuracy.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Problem(NamedTuple):
    """Digits as ``benchmarks.digits`` deals them, the network's name, its weights, and what a training is."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    network: str
    weights: dict
    rounds: int
    epochs: int
    batch: int
    rate: float


def read(path):
    """The problem in a file."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    weights = {name.partition("/")[2]: arrays.pop(name) for name in list(arrays) if name.startswith("weights/")}
    return Problem(**{name: array if array.ndim else array.item() for name, array in arrays.items()}, weights=weights)


def write(path, problem):
    """The file of a problem."""
    arrays = problem._asdict()
    weights = {f"weights/{name}": array for name, array in arrays.pop("weights").items()}
    np.savez(path, **arrays, **weights)


def batches(order, size):
    """An order of examples in batches; the last one holds what is left."""
    return [order[start : start + size] for start in range(0, len(order), size)]


def serve(work, packages):
    """Answer every line with what ``work()`` returns, and with versions and the memory of the process."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for _ in sys.stdin:
        answer = work()
        about = {"packages": versions(packages), "megabytes": peak_megabytes()}
        print(json.dumps(answer | about), file=answers, flush=True)


def peak_megabytes():
    """The most memory that this process held; Linux's ``ru_maxrss`` may be that of the process which started it."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    held = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return (held[0] if held else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def serve_training(train, packages):
    """``train(problem) -> (seconds of each round, accuracy)`` on the problem that is the script's argument."""
    problem = read(sys.argv[1])

    def work():
        seconds, accuracy = train(problem)
        return {"seconds": list(seconds), "accuracy": float(accuracy)}

    serve(work, packages)


def versions(packages):
    """Of installed packages."""
    from importlib.metadata import version

    return {name: version(name) for name in packages}
