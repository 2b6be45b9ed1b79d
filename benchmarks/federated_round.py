"""Time of one federated round: ``python -m benchmarks.federated_round [--train-au]``.

A round is one local epoch of AdamW with a proximal term in each of the clients, on random arrays of the network's
shapes; compiling is timed apart. Alternatives take turns, as in ``--over sequential vectorised``.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.timing import interleaved, machine, peak_megabytes
from data.dataset import Dataset
from experiments.inputs.configs import FedSettings
from experiments.training.compiler import to_run_long, to_run_once
from experiments.training.federation import warm_up
from experiments.training.tasks import Detector, Task, end_to_end, frozen
from fedpsyau_jax.federated import (
    AxisMap,
    ClientData,
    FederatedAlgorithm,
    equal_batches,
    federated,
    fedprox,
    local_training,
    num_examples,
    sequential,
    vectorised,
)
from fedpsyau_jax.models.fedpsyau import au_detector
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Batch, Examples

OVER: dict[str, AxisMap] = {"sequential": sequential, "vectorised": vectorised}
NUM_CLASSES = 7


@dataclass(frozen=True)
class Options:
    """Time one federated round.

    Attributes:
      clients: Clients.
      examples: Training examples of each client.
      batch: Most examples in a batch.
      train_au: Train the whole network, instead of the classifier over a frozen AU detector.
      over: Clients one after another, or all at once; several take turns.
      batches: All of equal size, as in the experiments; or full ones, the last of them padded, or short and with a
        program of its own; several take turns.
      repeats: Rounds timed.
    """

    clients: int = 5
    examples: int = 100
    batch: int = 32
    train_au: bool = False
    over: tuple[Literal["sequential", "vectorised"], ...] = ("sequential",)
    batches: tuple[Literal["equal", "padded", "short"], ...] = ("equal",)
    repeats: int = 10


def random_dataset(count: int) -> Dataset:
    """Examples of the right shapes and ranges, without meaning."""
    draw = np.random.default_rng(0)
    examples = Examples(
        flow=draw.random((count, 28, 28, 3), np.float32),
        patches=draw.random((count, 65, 5, 5, 3), np.float32),
        au=draw.integers(0, 2, (count, 12)).astype(np.float32),
        au_mask=np.ones((count, 12), np.float32),
        emotion=draw.integers(0, NUM_CLASSES, count),
    )
    names = np.array([str(number) for number in range(count)])
    classes = tuple(map(str, range(NUM_CLASSES)))
    facts: dict[str, Any] = {"synthetic": True, "fingerprint": "", "metadata": {}, "row": np.arange(count)}
    return Dataset("random", examples, names, names, classes, au_names=(), **facts)


def random_task(settings: FedSettings, count: int) -> Task:
    """What the clients train, on random examples."""
    dataset = random_dataset(count)
    if not settings.train_au:
        features = np.random.default_rng(1).random((count, 12, 25), np.float32)
        return frozen(settings, dataset, jnp.asarray(features))
    network = settings.network
    priors = published()
    detector = au_detector(network.architecture(), priors, network.prior_ratio)
    one = Batch(jax.tree.map(lambda leaf: jnp.asarray(leaf[:1]), dataset.examples), jnp.ones(1))
    return end_to_end(settings, dataset, [Detector(jax.jit(detector.init)(jax.random.key(0), one), priors)])


def compiled_round(
    settings: FedSettings, task: Task, data: ClientData, over: str, batches: str
) -> tuple[Callable[[], Any], float]:
    """A round to call again and again, each from where the last one ended; and the seconds that compiling it took."""

    num_train = data.mask.shape[-1]
    batch_size = equal_batches(num_train, settings.batch) if batches == "equal" else settings.batch

    def algorithm(store: Any) -> FederatedAlgorithm:
        training = local_training(
            task.loss(store),
            optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(settings.weight_decay)),
            warm_up(settings, num_train),
            batch_size=batch_size,
            tail=batches == "short",
        )
        strategy = fedprox(num_examples(data), jnp.asarray(settings.mu))
        return federated(strategy, training, over_clients=OVER[over])

    key = jax.random.key(settings.seed)
    init = jax.jit(lambda store, key: algorithm(store).init(task.init(key)), compiler_options=to_run_once())
    state = init(task.store, key)
    step = jax.jit(lambda state, store, data: algorithm(store).step(state, data, key), donate_argnums=0)
    start = perf_counter()
    run = step.lower(state, task.store, data).compile(to_run_long())
    compiling = perf_counter() - start

    def one_round() -> Any:
        nonlocal state
        state, metrics = run(state, task.store, data)
        return state, metrics

    return one_round, compiling


def main(options: Options) -> int:
    """Print the machine and a table of seconds."""
    settings = FedSettings(batch=options.batch, clients=options.clients, local_epochs=1, train_au=options.train_au)
    count = options.clients * options.examples
    task = random_task(settings, count)
    indices = jnp.arange(count, dtype=jnp.int32).reshape(options.clients, options.examples)
    data = ClientData(jnp.arange(options.clients, dtype=jnp.int32), indices, jnp.ones(indices.shape))
    rounds, compiling = {}, {}
    for over, batches in itertools.product(options.over, options.batches):
        name = f"{over}, {batches}"
        rounds[name], compiling[name] = compiled_round(settings, task, data, over, batches)
    times = interleaved(rounds, options.repeats)
    table = Table("clients, batches", "compile s", "median s", "best s", box=SIMPLE_HEAD)
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
