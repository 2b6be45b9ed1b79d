"""From 5 to 5,000 clients with a small convolutional network: what a client's example costs, and memory.

The most clients once more with FedAvg's matrix written out, whose product costs the square of the clients; and once
with one of a hundred taking part in a round, for which the examples of those count.
"""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

import jax

from benchmarks.cases import Plan
from benchmarks.digits import EPOCHS, Network, clients_of, digits, federation, network, operations
from benchmarks.floors import planned_bytes, rates
from benchmarks.records import Record, compared
from benchmarks.timing import interleaved
from fedpsyau_jax.federated import ClientData, FederatedAlgorithm, Strategy, fedavg, with_participation
from fedpsyau_jax.federated.factored import dense, is_factored
from fedpsyau_jax.types import Array, ClientState

UNIT = "us an example and epoch"
AT_LEAST = 500
"""Clients that are trained in one timed piece of work."""
SHARE = 0.01
"""Of the clients, in the cohort of a round."""


class Compiled(NamedTuple):
    """``call``: does so many ``rounds``, from where the last call ended; seconds to compile; the program."""

    call: Callable[[], Any]
    rounds: int
    compiling: float
    program: Any


def clients(plan: Plan) -> Iterator[Record]:
    """All in one program of one step after another, as on a CPU."""
    sizes, own = plan.sizes, network("cnn")
    cases = [(count, fedavg) for count in sizes.many_clients]
    cases += [(max(sizes.many_clients), strategy) for strategy in (written_out, in_cohorts)]
    found = {_title(*case): (_trained(*case), _compiled(own, *case, sizes.client_images)) for case in cases}
    times = interleaved({title: one.call for title, (_, one) in found.items()}, plan.turns, plan.budget)
    records = []
    for title, (count, one) in found.items():
        examples = count * sizes.client_images
        moved, needed = planned_bytes(one.program)
        scale = 1e6 / (examples * EPOCHS)
        taken = times[title] / one.rounds * scale
        records.append(
            Record(
                *(f"{title} x {sizes.client_images} images", UNIT, tuple(taken.tolist())),
                compile_seconds=one.compiling,
                megabytes=needed / 1e6,
                floor=rates(sizes).floor(operations(own, examples), moved) * scale,
            )
        )
    yield from compared(records)


def in_cohorts(weights: Array) -> Strategy:
    """FedAvg among a share of the clients in each round."""
    return with_participation(fedavg(weights), weights, SHARE)


def written_out(weights: Array) -> Strategy:
    """FedAvg with all entries of its matrix."""
    entries: Strategy = jax.tree.map(dense, fedavg(weights), is_leaf=is_factored)
    return entries


def _title(count: int, strategy: Callable[[Array], Strategy]) -> str:
    special = {written_out: ", matrix written out,", in_cohorts: f", {SHARE:.0%} of them in a round,"}
    return f"{count:,} clients{special.get(strategy, '')}"


def _trained(count: int, strategy: Callable[[Array], Strategy]) -> int:
    """Clients that train in a round."""
    return max(round(SHARE * count), 1) if strategy is in_cohorts else count


def _compiled(own: Network, count: int, strategy: Callable[[Array], Strategy], images: int) -> Compiled:
    data = clients_of(digits(count, images))
    rounds = max(1, AT_LEAST // _trained(count, strategy))

    def algorithm(data: ClientData) -> FederatedAlgorithm:
        return federation(own, data, strategy=strategy)

    state = jax.jit(lambda data: algorithm(data).init(ClientState(own.weights, ())))(data)
    step = jax.jit(lambda state, data, key: algorithm(data).step(state, data, key), donate_argnums=0)
    start = perf_counter()
    program = step.lower(state, data, jax.random.key(0)).compile()
    compiling = perf_counter() - start

    def call() -> Any:
        nonlocal state
        for _ in range(rounds):
            state, metrics = program(state, data, jax.random.key(0))
        return state, metrics

    return Compiled(call, rounds, compiling, program)
