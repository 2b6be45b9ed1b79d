"""Time of one federated round: ``python -m benchmarks.federated_round [--train-au]``.

A round is one local epoch of AdamW with a proximal term in each client, as the engine compiles it, on random
arrays of the network's shapes; compiling is timed apart. Alternatives take turns: ``--over sequential vectorised``.
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
from experiments.inputs.settings import FedSettings
from experiments.training.program import Program
from fedpsyau_jax.federated import AxisMap, sequential, vectorised
from fedpsyau_jax.splits import Client, Split

OVER: dict[str, AxisMap] = {"sequential": sequential, "vectorised": vectorised}
NUM_CLASSES = 7


@dataclass(frozen=True)
class Options:
    """Time one federated round.

    Attributes:
      clients: Clients.
      examples: Training examples of each client.
      batch: Most examples in a batch; all are of equal size.
      train_au: Train the whole network, instead of the classifier over a frozen AU detector.
      over: Clients one after another, or all at once; several take turns.
      repeats: Rounds timed.
    """

    clients: int = 5
    examples: int = 100
    batch: int = 32
    train_au: bool = False
    over: tuple[Literal["sequential", "vectorised"], ...] = ("sequential",)
    repeats: int = 10


def round_of(program: Program, store: Any, arrays: Any) -> Callable[[], Any]:
    """A round to call again and again, each from where the last one ended."""
    placed = program.place(store, arrays)
    state = program.init(*placed)

    def one_round() -> Any:
        nonlocal state
        state, metrics = program.round(state, *placed)
        return state, metrics

    return one_round


def main(options: Options) -> int:
    """Print the machine and a table of seconds."""
    settings = FedSettings(
        batch=options.batch,
        clients=options.clients,
        local_epochs=1,
        train_au=options.train_au,
        algorithms=("fedprox",),
        repeats=1,
    )
    count = options.clients * options.examples
    dataset = random_dataset(count, NUM_CLASSES, count)
    parts = np.split(np.arange(count), options.clients)
    group = group_of(settings, [Split("all", tuple(Client(part, part[:1]) for part in parts))], dataset)
    rounds, compiling = {}, {}
    for over in options.over:
        start = perf_counter()
        program, store, (chunk,) = program_of(group, dataset, 1, OVER[over])
        compiling[over] = perf_counter() - start
        rounds[over] = round_of(program, store, chunk)
    times = interleaved(rounds, options.repeats)
    table = Table("clients", "compile s", "median s", "best s", box=SIMPLE_HEAD)
    for name, taken in times.items():
        table.add_row(name, f"{compiling[name]:.1f}", f"{np.median(taken):.3f}", f"{taken.min():.3f}")
    trained = "whole network" if options.train_au else "frozen AU detector"
    console = Console(width=110, highlight=False)
    console.print(machine())
    console.print(
        f"{options.clients} clients x {options.examples} examples, batches of at most {options.batch}, {trained}"
    )
    console.print(table)
    console.print(f"peak memory of this process: {peak_megabytes():.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.federated_round")))
