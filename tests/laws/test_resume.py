"""A run cut at any round and continued from what was saved is the uninterrupted run, bit for bit."""

import io
from typing import Any

import jax
import numpy as np
import pytest
from toy_federation import KEY, assert_identical, clients_data, initial_client, toy_update, train

from fedpsyau_jax.federated import (
    FedState,
    Problem,
    algorithms,
    anchored_at_start,
    averaging,
    federated,
    keep_group,
    keep_state,
    label_by_path,
    num_examples,
    p_fedprox,
    run,
    with_participation,
)

DATA = clients_data()
STRATEGY = anchored_at_start(p_fedprox(num_examples(DATA), 0.2))
UPDATE = toy_update(optimizer_state=keep_state)


def saved_and_loaded(state: FedState) -> FedState:
    """Through a file of plain arrays."""
    leaves, structure = jax.tree.flatten(state)
    file = io.BytesIO()
    np.savez(file, *leaves)
    file.seek(0)
    with np.load(file) as arrays:
        return jax.tree.unflatten(structure, [arrays[name] for name in arrays.files])


def head_is_outward(params: Any) -> Any:
    return label_by_path(params, {"head": lambda path: path[-1] == "outward"})


def one_round(state: FedState) -> tuple[FedState, Any]:
    return train(STRATEGY, DATA, state, update=UPDATE, num_rounds=1)


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[list[FedState], list[Any]]:
    states, reports = [federated(STRATEGY, UPDATE).init(initial_client())], []
    for _ in range(4):
        state, metrics = one_round(states[-1])
        states.append(state)
        reports.append(metrics)
    return states, reports


@pytest.mark.parametrize("cut", [1, 3])
def test_resumed_is_uninterrupted(uninterrupted, cut):
    states, reports = uninterrupted
    state = saved_and_loaded(states[cut])
    for report in reports[cut:]:
        state, metrics = one_round(state)
        assert_identical(metrics, report)
    assert_identical(state, states[-1])


@pytest.mark.slow
def test_rounds_one_by_one_are_the_scan(uninterrupted):
    states, reports = uninterrupted
    state, metrics = train(STRATEGY, DATA, states[0], update=UPDATE, num_rounds=4)
    assert_identical(state, states[-1])
    assert_identical(metrics, jax.tree.map(lambda *leaves: np.concatenate(leaves), *reports))


@pytest.mark.slow
def test_everything_that_an_algorithm_can_remember_is_resumed():
    """Memory, messages, groups, averaged statistics, an optimiser of the server, reports, and who takes part."""
    weights = num_examples(DATA)
    scaffold = algorithms.scaffold(weights)
    strategy = keep_group(algorithms.fedadam(weights, 0.01), "head")
    strategy = strategy._replace(messages=scaffold.messages, client=scaffold.client, statistics=averaging(weights))
    strategy = with_participation(strategy, weights, 0.6)
    algorithm = federated(strategy, UPDATE, problem=Problem(labels=head_is_outward))
    states = [algorithm.init(initial_client())]
    for _ in range(4):
        states.append(run(algorithm, states[-1], DATA, KEY, 1)[0])
    state = saved_and_loaded(states[2])
    for _ in range(2):
        state, _ = run(algorithm, state, DATA, KEY, 1)
    assert_identical(state, states[-1])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
