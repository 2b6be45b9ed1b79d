"""Time of cross-validation: ``python -m benchmarks.folds [--au scratch]``.

Leave-one-subject-out on random arrays in the shape of CAS(ME)^3 (88 subjects, 699 samples, 3 classes): all folds in one
program, or one by one with the same code. An epoch of every fold is timed; compiling is timed apart, once for each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.random_trainings import group_of, program_of, random_dataset
from benchmarks.timing import interleaved, machine, peak_megabytes
from experiments.inputs.settings import MerSettings
from experiments.training.plan import Arrays
from experiments.training.program import Program
from experiments.training.store import Store
from fedpsyau_jax.federated import AxisMap, sequential, vectorised
from fedpsyau_jax.splits import leave_one_subject_out

NUM_CLASSES = 3
OVER: dict[str, AxisMap] = {"sequential": sequential, "vectorised": vectorised}


@dataclass(frozen=True)
class Options:
    """Time an epoch of every fold of a leave-one-subject-out cross-validation.

    Attributes:
      subjects: Subjects, and so folds.
      samples: Samples; subjects have about equally many.
      batch: Most examples in a batch.
      au: Frozen features, or the whole network from scratch.
      over: How folds of the one program are mapped; several take turns.
      timed: Folds that are timed; by default all of them.
      chunk: Folds in the one program; by default all that are timed.
      repeats: Times each is timed.
    """

    subjects: int = 88
    samples: int = 699
    batch: int = 32
    au: Literal["frozen", "scratch"] = "frozen"
    over: tuple[Literal["sequential", "vectorised"], ...] = ("sequential",)
    timed: int | None = None
    chunk: int | None = None
    repeats: int = 3


def an_epoch(program: Program, store: Store, chunks: list[Arrays]) -> Callable[[], Any]:
    """One epoch of each chunk of folds, to call again and again; chunks share one set of weights, to save memory."""
    states = program.init(store, chunks[0])

    def run() -> Any:
        nonlocal states
        for chunk in chunks:
            states, _ = program.round(states, store, chunk)
        return states

    return run


def main(options: Options) -> int:
    """Print the machine and a table of seconds."""
    settings = MerSettings(batch=options.batch, au=options.au, epochs=1)
    dataset = random_dataset(options.samples, NUM_CLASSES, options.subjects)
    group = group_of(settings, leave_one_subject_out(dataset.subject)[: options.timed], dataset)
    count = len(group.trainings)
    chunk = options.chunk or count
    if count % chunk:
        raise SystemExit(f"--chunk={chunk}: it must divide the {count} folds")
    epochs, compiling = {}, {}
    alternatives = [("one by one", 1, "sequential")]
    alternatives += [(f"{chunk} in one program, {over}", chunk, over) for over in options.over]
    for name, size, over in alternatives:
        start = perf_counter()
        program, store, chunks = program_of(group, dataset, size, OVER[over])
        compiling[name] = perf_counter() - start
        epochs[name] = an_epoch(program, store, chunks)
    times = interleaved(epochs, options.repeats)
    table = Table("folds", "compile s", "median s", "best s", "speed-up", box=SIMPLE_HEAD)
    slowest = np.median(times["one by one"])
    for name, taken in times.items():
        median = np.median(taken)
        table.add_row(name, f"{compiling[name]:.1f}", f"{median:.2f}", f"{taken.min():.2f}", f"{slowest / median:.2f}")
    console = Console(width=110, highlight=False)
    console.print(machine())
    trained = {"frozen": "frozen AU module", "scratch": "whole network"}[options.au]
    console.print(
        f"one epoch of each of {count} folds, {options.samples} samples, batches of at most {options.batch}, {trained}"
    )
    console.print(table)
    console.print(f"peak memory of this process: {peak_megabytes():.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.folds")))
