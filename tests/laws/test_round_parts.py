"""Server and clients that call their own parts of a round, one after another, are the simulation, bit for bit."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_federation import KEY, assert_identical, clients_data, initial_client, toy_loss, toy_update

from fedpsyau_jax.federated import (
    FedState,
    Problem,
    Received,
    Round,
    Strategy,
    algorithms,
    anchored_at_start,
    averaging,
    client_round,
    deliver,
    fedavg,
    federated,
    fedprox,
    keep_state,
    label_by_path,
    num_examples,
    p_fedprox,
    report_round,
    with_participation,
)

DATA = clients_data()
SIZES = num_examples(DATA)
ROUNDS = 3
STRATEGIES = {
    "fedavg": fedavg(SIZES),
    "fedprox": fedprox(SIZES, 0.2),
    "p_fedprox": p_fedprox(SIZES, 0.2),
    "anchored": anchored_at_start(p_fedprox(SIZES, 0.2)),
    "statistics": fedavg(SIZES)._replace(statistics=averaging(SIZES)),
    "sampled": with_participation(fedavg(SIZES), SIZES, 0.5),
    "scaffold": algorithms.scaffold(SIZES),
    "fedadam": algorithms.fedadam(SIZES, 0.1),
    "fedper": algorithms.fedper(SIZES),
    "fedala": algorithms.fedala(SIZES),
    "q_fedavg": algorithms.q_fedavg(SIZES, 0.5, 10.0),
}


def problem_of(params: Any) -> Any:
    return label_by_path(params, {"head": lambda path: path[-1] == "outward"})


PROBLEM = Problem(problem_of, toy_loss, batch_size=3)
UPDATE = toy_update(optimizer_state=keep_state)


def in_parts(strategy: Strategy, num_rounds: int) -> FedState:
    """Rounds as a server and sites would run them: each client by itself, its memory never with another."""
    own = UPDATE if strategy.client is None else strategy.client(UPDATE, PROBLEM)
    of_client = jax.jit(client_round(strategy, UPDATE, PROBLEM))
    serve = jax.jit(deliver, static_argnums=(1,))
    state = federated(strategy, UPDATE, problem=PROBLEM).init(initial_client())
    ids = range(len(DATA.id))
    memories = [jax.tree.map(lambda leaf, at=at: leaf[at], state.memory) for at in ids]
    for number in range(num_rounds):
        key = jax.random.fold_in(KEY, number)
        messages = None if strategy.messages is None else stacked([own.message(memory) for memory in memories])
        reports = None if state.reports is None else state.reports._replace(id=DATA.id.astype(jnp.int32))
        sent = serve(strategy, PROBLEM, state.clients, messages, state.server, reports, jnp.int32(number), key)
        now = Round(jnp.int32(number), key, strategy.anchored_at_start, state.start)
        replies = []
        for at in ids:
            client, received, data = jax.tree.map(lambda leaf, at=at: leaf[at], (sent.clients, sent.received, DATA))
            assert isinstance(received, Received)
            (client, memories[at]), metrics = of_client((client, memories[at]), (received, data), now)
            replies.append((client, metrics))
        clients, metrics = stacked(replies)
        if reports is not None:
            reports = report_round(reports, sent.received.takes_part, sent.clients.params, clients.params, metrics)
        state = FedState(jnp.int32(number + 1), clients, stacked(memories), state.start, sent.server, reports)
    return state


def stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


QUICK = ("anchored", "sampled")
"""Compiled by the quick tests; the others are slow."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in STRATEGIES]
)
def test_the_parts_one_by_one_are_the_simulation(name: str):
    strategy = STRATEGIES[name]
    algorithm = federated(strategy, UPDATE, problem=PROBLEM)
    step = jax.jit(algorithm.step)
    state = algorithm.init(initial_client())
    for _ in range(ROUNDS):
        state, _ = step(state, DATA, KEY)
    parts = in_parts(strategy, ROUNDS)
    assert_identical((parts.clients, parts.memory), (state.clients, state.memory))
    start = jax.tree.leaves(algorithm.init(initial_client()).clients.params)
    assert not all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(parts.clients.params), start, strict=True))
