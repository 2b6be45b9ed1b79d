"""Laws between algorithms, and what mixing may and may not touch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_federation import (
    NUM_CLIENTS,
    assert_close,
    assert_identical,
    clients_data,
    initial_client,
    toy_update,
    train,
)

from fedpsyau_jax.federated import (
    averaging,
    fedavg,
    federated,
    fedprox,
    isolation,
    local_only,
    mix,
    num_examples,
    p_fedprox,
    personalised,
)
from fedpsyau_jax.types import ClientState

DATA = clients_data()
WEIGHTS = num_examples(DATA)
EMPTY = DATA._replace(mask=jnp.zeros_like(DATA.mask))
sizes = st.lists(st.integers(1, 500), min_size=NUM_CLIENTS, max_size=NUM_CLIENTS)


@pytest.mark.slow
def test_fedprox_without_a_proximal_term_is_fedavg():
    assert_identical(train(fedprox(WEIGHTS, 0.0), DATA), train(fedavg(WEIGHTS), DATA))


@pytest.mark.slow
def test_p_fedprox_that_hears_nobody_is_local_training():
    assert_identical(train(p_fedprox(WEIGHTS, 0.0, 1.0), DATA), train(local_only(WEIGHTS), DATA))


def test_the_algorithms_differ_otherwise():
    """Guards the two laws above against an (W, mu) that nothing reads."""
    outcomes = [
        train(strategy, DATA)[0].clients.params["inward"]
        for strategy in (
            local_only(WEIGHTS),
            fedavg(WEIGHTS),
            fedprox(WEIGHTS, 1.0),
            p_fedprox(WEIGHTS, 0.0),
            p_fedprox(WEIGHTS, 1.0),
        )
    ]
    for i, one in enumerate(outcomes):
        for other in outcomes[:i]:
            assert np.abs(one - other).max() > 1e-4


@pytest.mark.slow
def test_a_large_proximal_factor_holds_clients_closer():
    def drift(mu: float) -> np.floating:
        state = train(p_fedprox(WEIGHTS, mu, 1.0), DATA)[0]
        return np.abs(state.clients.params["inward"] - initial_client().params["inward"]).mean()

    assert drift(100.0) < 0.5 * drift(0.0)


@pytest.mark.parametrize(
    "build",
    [isolation, averaging, partial(personalised, self_weight=0.9), partial(personalised, self_weight=0.0)],
)
@given(weights=sizes)
@settings(max_examples=25, deadline=None)
def test_rows_sum_to_one_and_equal_clients_stay(build, weights):
    matrix = build(jnp.asarray(weights, jnp.float32))
    assert (np.asarray(matrix) >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
    equal = jnp.broadcast_to(jnp.linspace(-3, 7, 6), (NUM_CLIENTS, 6))
    np.testing.assert_allclose(mix(matrix, equal), equal, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@given(weights=sizes, order=st.permutations(range(NUM_CLIENTS)))
@settings(max_examples=25, deadline=None)
def test_mixing_commutes_with_the_order_of_clients(weights, order):
    order = np.asarray(order)
    n = jnp.asarray(weights, jnp.float32)
    params = jax.random.normal(jax.random.key(2), (NUM_CLIENTS, 6))
    permuted = mix(personalised(n[order], 0.9), params[order])
    np.testing.assert_allclose(permuted, mix(personalised(n, 0.9), params)[order], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_equal_clients_start_exactly_equal():
    """Rounds from 1 on mix, round 0 must not even round: an unsquared norm would amplify the last bit."""
    strategy = p_fedprox(WEIGHTS, 0.0, 0.7)
    state = federated(strategy, toy_update()).init(initial_client())
    after, _ = train(strategy, EMPTY, state, num_rounds=1)
    assert_identical(after.clients, state.clients)


def test_batch_statistics_are_not_mixed():
    """A round without data on clients that differ: weights are mixed, batch statistics stay."""
    state = federated(fedavg(WEIGHTS), toy_update()).init(initial_client())
    params, model_state = jax.tree.map(
        lambda leaf: leaf + jnp.arange(NUM_CLIENTS).reshape(-1, *[1] * (leaf.ndim - 1)), state.clients
    )
    state = state._replace(round=jnp.int32(1), clients=ClientState(params, model_state))
    after, _ = train(fedavg(WEIGHTS), EMPTY, state, num_rounds=1)
    assert_identical(after.clients.model_state, model_state)
    assert_close(after.clients.params, mix(averaging(WEIGHTS), params))
