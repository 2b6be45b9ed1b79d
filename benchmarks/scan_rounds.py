"""What scanning over rounds saves: ``python -m benchmarks.scan_rounds``.

The same rounds of FedProx, once as one compiled ``run`` (a ``lax.scan`` over rounds) and once as calls of the jitted
``step`` from Python, which wait for the metrics of each round as a program does that reports progress. The model is a
small network on random numbers, so that the cost of a call is visible; alternatives take turns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.timing import interleaved, machine
from fedpsyau_jax.federated import (
    ClientData,
    FederatedAlgorithm,
    FedState,
    federated,
    fedprox,
    local_training,
    masked_mean,
    num_examples,
    run,
)
from fedpsyau_jax.types import Batch, ClientState

BATCH_SIZE = 8
NUM_FEATURES = 16


@dataclass(frozen=True)
class Options:
    """Time rounds scanned against rounds called from Python.

    Attributes:
      hidden: Hidden units of the network; each number is a row of the table.
      clients: Clients.
      examples: Training examples of each client.
      rounds: Rounds in one timed piece of work.
      repeats: How often each piece of work is timed.
    """

    hidden: tuple[int, ...] = (8, 64, 512)
    clients: int = 5
    examples: int = 32
    rounds: int = 50
    repeats: int = 20


def loss(params: Any, model_state: Any, batch: Batch, key: jax.Array) -> Any:
    x, y = batch.examples
    errors = (jnp.tanh(x @ params["inward"]) @ params["outward"] - y) ** 2
    return masked_mean(errors, batch.mask), (model_state, {"squared_error": (errors * batch.mask).sum()})


def federation(hidden: int, options: Options) -> tuple[FederatedAlgorithm, FedState, ClientData]:
    """FedProx with Adam, its state before the first round, and random data."""
    draw = np.random.default_rng(0).normal(size=(options.clients, options.examples, NUM_FEATURES + 1))
    x, y = jnp.asarray(draw[..., :-1], jnp.float32), jnp.asarray(draw[..., -1], jnp.float32)
    data = ClientData(jnp.arange(options.clients), (x, y), jnp.ones(y.shape))
    update = local_training(
        loss, optax.scale_by_adam(), optax.constant_schedule(1e-3), batch_size=min(BATCH_SIZE, options.examples)
    )
    algorithm = federated(fedprox(num_examples(data), mu=0.01), update)
    keys = jax.random.split(jax.random.key(0))
    params = {
        "inward": jax.random.normal(keys[0], (NUM_FEATURES, hidden)) / NUM_FEATURES**0.5,
        "outward": jax.random.normal(keys[1], (hidden,)) / hidden**0.5,
    }
    return algorithm, algorithm.init(ClientState(params, ())), data


def ways(hidden: int, options: Options) -> dict[str, Callable[[], Any]]:
    """The same rounds, called one by one and scanned."""
    algorithm, state, data = federation(hidden, options)
    key = jax.random.key(1)
    step = jax.jit(algorithm.step)
    scanned = jax.jit(partial(run, algorithm, num_rounds=options.rounds))

    def called() -> Any:
        current = state
        for _ in range(options.rounds):
            current, metrics = step(current, data, key)
            jax.device_get(metrics)
        return current

    return {"called": called, "scanned": lambda: scanned(state, data, key)}


def main(options: Options) -> int:
    """Print the machine and, for each size, milliseconds per round and their ratio."""
    table = Table("hidden", "called ms", "scanned ms", "ratio", box=SIMPLE_HEAD)
    for hidden in options.hidden:
        times = interleaved(ways(hidden, options), options.repeats)
        called, scanned = (1000 * times[name] / options.rounds for name in ("called", "scanned"))
        table.add_row(
            str(hidden), f"{np.median(called):.3f}", f"{np.median(scanned):.3f}", f"{np.median(called / scanned):.2f}"
        )
    console = Console(width=110, highlight=False)
    console.print(machine())
    console.print(f"{options.clients} clients x {options.examples} examples; medians over {options.repeats} turns")
    console.print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.scan_rounds")))
