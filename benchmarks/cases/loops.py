"""The engine against what one writes first: a Python loop over clients, or over clients and batches, jitted steps."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Plan
from benchmarks.digits import (
    BATCH,
    EPOCHS,
    RATE,
    Digits,
    Network,
    clients_of,
    digits,
    federation,
    loss_of,
    operations,
    training,
)
from benchmarks.digits import network as network_of
from benchmarks.floors import planned_bytes, rates
from benchmarks.records import Record, compared
from benchmarks.timing import interleaved
from fedpsyau_jax.federated import Batch, Broadcast, run
from fedpsyau_jax.types import ClientState, Params


def loops(plan: Plan) -> Iterator[Record]:
    """Rounds of FedAvg on digits."""
    for name in plan.sizes.networks:
        for count in plan.sizes.digit_clients:
            yield from _compared(plan, name, count)


def _compared(plan: Plan, name: str, count: int) -> Iterator[Record]:
    own, data, rounds = network_of(name), digits(count), plan.sizes.digit_rounds
    ways = {
        "one program of all rounds": scanned,
        "a program of a round": stepped,
        "a loop over clients": over_clients,
        "a loop over clients and batches": over_batches,
    }
    works, compiling = {}, {}
    for way, made in ways.items():
        start = perf_counter()
        works[way] = made(own, data, rounds)
        jax.block_until_ready(works[way]())
        compiling[way] = perf_counter() - start
    times = interleaved(works, plan.turns, plan.budget)
    inputs = (own.weights, clients_of(data))
    moved, _ = planned_bytes(jax.jit(lambda *given: given).lower(*inputs).compile())
    floor = rates(plan.sizes).floor(operations(own, data.labels.size), moved)
    records = [
        Record(f"{name}, {count} clients: {way}", "s a round", tuple((times[way] / rounds).tolist()), floor=floor)
        for way in ways
    ]
    first_calls = (max(0.0, compiling[way] - float(np.median(times[way]))) for way in ways)
    timed = [one._replace(compile_seconds=first) for one, first in zip(records, first_calls, strict=True)]
    yield from compared(timed)


def scanned(own: Network, data: Digits, rounds: int) -> Callable[[], Params]:
    """The engine's ``run``: a scan over rounds."""
    clients = clients_of(data)
    algorithm = federation(own, clients)
    state = algorithm.init(ClientState(jax.tree.map(jnp.asarray, own.weights), ()))
    whole = jax.jit(lambda state, clients: run(algorithm, state, clients, jax.random.key(0), rounds)[0])
    return lambda: mean(whole(state, clients).clients.params)


def stepped(own: Network, data: Digits, rounds: int) -> Callable[[], Params]:
    """The engine's ``step``, called for each round."""
    clients = clients_of(data)
    algorithm = federation(own, clients)
    first = algorithm.init(ClientState(jax.tree.map(jnp.asarray, own.weights), ()))
    step = jax.jit(algorithm.step)

    def work() -> Params:
        state = first
        for _ in range(rounds):
            state, metrics = step(state, clients, jax.random.key(0))
            jax.device_get(metrics)
        return mean(state.clients.params)

    return work


def over_clients(own: Network, data: Digits, rounds: int) -> Callable[[], Params]:
    """A client's whole round is jitted, the same function as the engine maps over clients."""
    update, clients = training(own).update, clients_of(data)
    each = [jax.tree.map(lambda leaf, k=k: leaf[k], clients) for k in range(len(data.images))]

    @jax.jit
    def one(params: Params, client: Any, round_: Any) -> Params:
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), round_), client.id)
        broadcast = Broadcast(params, jnp.float32(0), round_)
        return update(ClientState(params, ()), (), broadcast, client, key)[0].params

    def work() -> Params:
        params = own.weights
        for round_ in range(rounds):
            params = _average([one(params, client, jnp.int32(round_)) for client in each])
        return params

    return work


def over_batches(own: Network, data: Digits, rounds: int) -> Callable[[], Params]:
    """A step on a batch is jitted; batches are drawn by NumPy."""
    loss = loss_of(own.apply)

    @jax.jit
    def step(params: Params, images: Any, labels: Any) -> Params:
        batch = Batch((images, labels), jnp.ones(len(labels)))
        gradient = jax.grad(lambda given: loss(given, (), batch, None)[0])(params)
        return jax.tree.map(lambda weight, slope: weight - RATE * slope, params, gradient)

    def of_client(params: Params, images: np.ndarray, labels: np.ndarray, draw: np.random.Generator) -> Params:
        for _ in range(EPOCHS):
            order = draw.permutation(len(labels))
            for start in range(0, len(order), BATCH):
                batch = order[start : start + BATCH]
                params = step(params, images[batch], labels[batch])
        return params

    def work() -> Params:
        params, draw = own.weights, np.random.default_rng(0)
        for _ in range(rounds):
            params = _average(
                [of_client(params, *client, draw) for client in zip(data.images, data.labels, strict=True)]
            )
        return params

    return work


@jax.jit
def _average(several: list[Params]) -> Params:
    return mean(jax.tree.map(lambda *leaves: jnp.stack(leaves), *several))


def mean(params: Params) -> Params:
    """Over clients of equal size."""
    return jax.tree.map(lambda leaf: leaf.mean(axis=0), params)
