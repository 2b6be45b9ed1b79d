"""Who takes part: a client that sits out keeps everything, and an average is one over those who trained."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_federation import KEY, NUM_CLIENTS, clients_data, initial_client, toy_update

from fedpsyau_jax.federated import (
    Broadcast,
    Problem,
    averaging,
    fedavg,
    federated,
    isolation,
    keep_state,
    num_examples,
    p_fedprox,
    personalised,
    with_participation,
)
from fedpsyau_jax.federated.participation import heard_from

pytestmark = pytest.mark.slow
DATA = clients_data()
WEIGHTS = num_examples(DATA)
UPDATE = toy_update(optimizer_state=keep_state)


@pytest.fixture(scope="module")
def history() -> tuple[list[Any], list[Any]]:
    """States and metrics of six rounds in which two of five clients take part."""
    algorithm = federated(with_participation(fedavg(WEIGHTS), WEIGHTS, 0.4), UPDATE, problem=Problem())
    step = jax.jit(lambda state: algorithm.step(state, DATA, KEY))
    states, reports = [algorithm.init(initial_client())], []
    for _ in range(6):
        state, metrics = step(states[-1])
        states.append(state)
        reports.append(metrics)
    return jax.device_get((states, reports))


@pytest.fixture
def rounds(history: tuple[list[Any], list[Any]]) -> list[Any]:
    return history[0]


def test_a_client_that_sits_out_takes_no_step(history: tuple[list[Any], list[Any]]) -> None:
    states, reports = history
    for state, metrics in zip(states[1:], reports, strict=True):
        np.testing.assert_array_equal(metrics["steps"] > 0, state.reports.took_part > 0)


def test_two_of_five_take_part_and_not_always_the_same(rounds: list[Any]) -> None:
    drawn = np.array([state.reports.took_part for state in rounds[1:]])
    assert (drawn.sum(axis=1) == 2).all()
    assert len({tuple(row) for row in drawn}) > 2


def test_a_client_that_sits_out_keeps_weights_model_state_and_memory(rounds: list[Any]) -> None:
    for before, after in pairwise(rounds):
        for client in range(NUM_CLIENTS):
            parts = [
                jax.tree.map(lambda leaf, at=client: leaf[at], (state.clients, state.memory))
                for state in (before, after)
            ]
            same = all(jax.tree.leaves(jax.tree.map(np.array_equal, *parts)))
            assert same == (after.reports.took_part[client] == 0)


def test_those_who_take_part_start_from_the_mean_of_those_before(rounds: list[Any]) -> None:
    """Trained again by hand from the weighted mean of the clients of the round before."""
    before, after = rounds[3], rounds[4]
    share = np.asarray(WEIGHTS) * before.reports.took_part
    mean = jax.tree.map(lambda leaf: np.tensordot(share / share.sum(), leaf, 1), before.clients.params)
    update = jax.jit(lambda *given: UPDATE.update(*given))
    for client in np.flatnonzero(after.reports.took_part):
        data = jax.tree.map(lambda leaf, at=client: leaf[at], DATA)
        state, memory = jax.tree.map(lambda leaf, at=client: leaf[at], (before.clients, before.memory))
        key = jax.random.fold_in(jax.random.fold_in(KEY, 3), data.id)
        broadcast = Broadcast(mean, jnp.float32(0), jnp.int32(3))
        expected = update(state._replace(params=mean), memory, broadcast, data, key)[0]
        own = jax.tree.map(lambda leaf, at=client: leaf[at], after.clients)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), own, expected)


sizes = st.lists(st.integers(1, 50), min_size=4, max_size=4)
present = st.lists(st.booleans(), min_size=4, max_size=4)


@given(weights=sizes, took_part=present)
@settings(max_examples=30, deadline=None)
def test_a_mean_is_over_those_who_trained_and_own_weights_stay(weights: list[int], took_part: list[bool]) -> None:
    n, there = np.array(weights, np.float32), np.array(took_part, np.float32)
    heard = np.asarray(heard_from(averaging(jnp.asarray(n)), jnp.asarray(there)))
    expected = np.tile(n * there / (n * there).sum(), (4, 1)) if there.any() else np.eye(4)
    np.testing.assert_allclose(heard, expected, rtol=1e-5)
    np.testing.assert_array_equal(heard_from(isolation(jnp.asarray(n)), jnp.asarray(there)), np.eye(4))
    own = np.asarray(heard_from(personalised(jnp.asarray(n), 0.9), jnp.asarray(there)))
    np.testing.assert_allclose(own.sum(axis=1), 1, rtol=1e-5)
    assert (np.diagonal(own) > 0.5).all()


def ring(count: int) -> np.ndarray:
    identity = np.eye(count, dtype=np.float32)
    return (identity + np.roll(identity, 1, axis=1) + np.roll(identity, -1, axis=1)) / 3


def test_gossip_keeps_the_own_weights_of_who_sat_out() -> None:
    heard = heard_from(jnp.asarray(ring(5)), jnp.array([0.0, 1, 1, 0, 0]))
    np.testing.assert_allclose(heard[0], [0.5, 0.5, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(heard[1], [0, 0.5, 0.5, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(heard[4], [0, 0, 0, 0, 1], rtol=1e-6)


def test_a_small_share_of_the_own_weights_stays() -> None:
    heard = heard_from(personalised(jnp.ones(4), 0.1), jnp.array([0.0, 1, 1, 0]))
    np.testing.assert_allclose(heard[0], [1 / 7, 3 / 7, 3 / 7, 0], rtol=1e-5)


def test_a_mean_of_a_cluster_is_over_those_who_trained() -> None:
    """A ring of three is such a mean, too."""
    clusters = np.kron(np.eye(2, dtype=np.float32), ring(3))
    heard = heard_from(jnp.asarray(clusters), jnp.array([0.0, 1, 1, 0, 0, 0]))
    np.testing.assert_allclose(heard[0], [0, 0.5, 0.5, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(heard[3:, 3:], np.eye(3), atol=1e-6)


def test_nobody_else_to_hear_of_leaves_a_personal_start_alone() -> None:
    strategy = with_participation(p_fedprox(WEIGHTS, 0.1), WEIGHTS, 0.2)
    alone = heard_from(strategy.mixing, jnp.zeros(NUM_CLIENTS))
    np.testing.assert_allclose(alone, np.eye(NUM_CLIENTS), atol=1e-6)
