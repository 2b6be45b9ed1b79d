"""Time of cross-validation: ``python -m benchmarks.folds [--au scratch]``.

Leave-one-subject-out on random arrays in the shape of CAS(ME)^3 (88 subjects, 699 samples, 3 classes): all folds in one
program, or one by one with the same code. An epoch of every fold is timed; compiling is timed apart, once for each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.timing import interleaved, machine, peak_megabytes
from experiments.inputs.mer_settings import MerSettings
from experiments.training.cross_validation import Program, compiled
from experiments.training.recognition import Context, on_frozen_features, whole_network
from experiments.training.trials import Trial, TrialData, trial_data
from fedpsyau_jax.federated import AxisMap, sequential, vectorised
from fedpsyau_jax.models.fedpsyau import Detected
from fedpsyau_jax.priors import published
from fedpsyau_jax.splits.folds import leave_one_subject_out
from fedpsyau_jax.types import Examples

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


def random_store(options: Options) -> Any:
    """Examples of the right shapes and ranges, without meaning."""
    draw, count = np.random.default_rng(0), options.samples
    flow = jnp.asarray(draw.random((count, 28, 28, 3), np.float32))
    emotion = jnp.asarray(draw.integers(0, NUM_CLASSES, count).astype(np.int32))
    if options.au == "frozen":
        return Detected(flow, jnp.asarray(draw.random((count, 12, 25), np.float32)), emotion)
    patches = jnp.asarray(draw.random((count, 65, 5, 5, 3), np.float32))
    au = jnp.asarray(draw.integers(0, 2, (count, 12)).astype(np.float32))
    return Examples(flow, patches, au, jnp.ones_like(au), emotion)


def an_epoch(program: Program, chunks: list[TrialData]) -> Callable[[], Any]:
    """One epoch of each chunk of folds, to call again and again; chunks share one set of weights, to save memory."""
    states = program.init(chunks[0])

    def run() -> Any:
        nonlocal states
        for data in chunks:
            states, _ = program.epoch(states, data, jnp.float32(0.3))
        return states

    return run


def main(options: Options) -> int:
    """Print the machine and a table of seconds."""
    settings = MerSettings(batch=options.batch, au=options.au)
    store = random_store(options)
    subjects = np.array([f"{index % options.subjects:03d}" for index in range(options.samples)])
    found = leave_one_subject_out(subjects)
    trials = [Trial("benchmark", 0, number, fold, published()) for number, fold in enumerate(found[: options.timed])]
    context = Context(store, published(), jnp.float32(0.3))
    if options.au == "frozen":
        recognition = on_frozen_features(settings, NUM_CLASSES, context)
    else:
        recognition = whole_network(settings, NUM_CLASSES, (), context)
    shown, labels = np.arange(options.samples), np.asarray(store.emotion)

    def data(size: int) -> list[TrialData]:
        groups = [trials[start : start + size] for start in range(0, len(trials), size)]
        return [trial_data(group, shown, settings.seed, like=trials) for group in groups]

    chunk = options.chunk or len(trials)
    if len(trials) % chunk:
        raise SystemExit(f"--chunk={chunk}: it must divide the {len(trials)} folds")
    epochs, compiling = {}, {}
    alternatives = [("one by one", 1, "sequential")]
    alternatives += [(f"{chunk} in one program, {over}", chunk, over) for over in options.over]
    for name, size, over in alternatives:
        chunks = data(size)
        start = perf_counter()
        program = compiled(settings, recognition, store, labels, chunks[0], OVER[over])
        compiling[name] = perf_counter() - start
        epochs[name] = an_epoch(program, chunks)
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
        f"one epoch of each of {len(trials)} folds, {options.samples} samples, batches of at most {options.batch}, "
        f"{trained}"
    )
    console.print(table)
    console.print(f"peak memory of this process: {peak_megabytes():.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.folds")))
