"""Local training against closed forms: learning rate, optimiser state, proximal pull, divergence."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fedpsyau_jax.federated import (
    Batch,
    ClientData,
    Strategy,
    federated,
    keep_state,
    local_only,
    local_training,
    masked_mean,
    norm_prox,
    num_examples,
    reset_state,
    run,
    squared_prox,
)
from fedpsyau_jax.types import ClientState

SIZES = jnp.array([5, 2])
DATA = ClientData(jnp.arange(2), jnp.ones((2, 6)), (jnp.arange(6) < SIZES[:, None]).astype(jnp.float32))


def linear(params: Any, model_state: Any, batch: Batch, key: jax.Array) -> Any:
    """Gradient 1 on every batch, whatever the weights."""
    return params["w"] * masked_mean(batch.examples, batch.mask), (model_state, {})


def weights_after(
    num_rounds: int, optimizer: Any, learning_rate: Any, strategy: Strategy | None = None, **options: Any
) -> np.ndarray:
    update = local_training(linear, optimizer, learning_rate, **({"batch_size": 2} | options))
    algorithm = federated(strategy or local_only(num_examples(DATA)), update)
    state = algorithm.init(ClientState({"w": jnp.float32(0)}, {}))
    run_all = jax.jit(lambda state: run(algorithm, state, DATA, jax.random.key(0), num_rounds))
    return np.asarray(run_all(state)[0].clients.params["w"])


@pytest.mark.slow
def test_learning_rate_follows_the_steps_since_the_first_round():
    """3 steps a round for five examples, 1 for two: the schedule is the step count itself."""
    weights = weights_after(3, optax.identity(), lambda step: step.astype(jnp.float32), local_epochs=2)
    np.testing.assert_allclose(weights, [-sum(range(18)), -sum(range(6))])


@pytest.mark.slow
def test_a_client_with_less_than_a_batch_trains_on_what_it_has():
    weights = weights_after(1, optax.identity(), lambda _: 0.1, batch_size=8, tail=True)
    np.testing.assert_allclose(weights, [-0.1, -0.1])


@pytest.mark.parametrize(("optimizer_state", "restarts"), [(reset_state, True), (keep_state, False)])
def test_momentum_is_reset_or_kept(optimizer_state, restarts):
    trace, expected = 0.0, 0.0
    for step in range(6):
        trace = 0.5 * (0.0 if restarts and step == 3 else trace) + 1
        expected -= 0.1 * trace
    weights = weights_after(2, optax.trace(0.5), lambda _: 0.1, optimizer_state=optimizer_state)
    np.testing.assert_allclose(weights[0], expected, rtol=1e-6)


@pytest.mark.parametrize(("regularizer", "pull"), [(squared_prox, lambda d: d), (norm_prox, lambda d: np.sign(d) / 2)])
def test_proximal_pull(regularizer, pull):
    """w <- w - lr (1 + mu pull(w - anchor)), anchored at the weights received this round."""
    mu = jnp.array([0.5, 2.0])
    strategy = Strategy(jnp.eye(2), mu)
    weights = weights_after(2, optax.identity(), lambda _: 0.1, strategy, regularizer=regularizer)
    for actual, mu_k, num_steps in zip(weights, mu, (3, 1), strict=True):
        w = 0.0
        for _ in range(2):
            anchor = w
            for _ in range(num_steps):
                w -= 0.1 * (1 + float(mu_k) * pull(w - anchor))
        np.testing.assert_allclose(actual, w, rtol=1e-5)


@pytest.mark.slow
def test_proximal_terms_by_definition():
    params = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([[2.0]])}
    anchor = jax.tree.map(jnp.zeros_like, params)
    np.testing.assert_allclose(squared_prox(params, anchor), (25 + 4) / 2)
    np.testing.assert_allclose(norm_prox(params, anchor), (5 + 2) / 2)
    for regularizer in (squared_prox, norm_prox):
        at_anchor = jax.jit(jax.grad(regularizer))(params, params)
        assert all((leaf == 0).all() for leaf in jax.tree.leaves(at_anchor))


def test_divergence_is_seen_in_its_client_and_round():
    data = DATA._replace(examples=DATA.examples.at[1, 0].set(jnp.inf))
    update = local_training(linear, optax.identity(), optax.constant_schedule(0.1), batch_size=2)
    algorithm = federated(local_only(num_examples(data)), update)
    state = algorithm.init(ClientState({"w": jnp.float32(1)}, {}))
    _, metrics = jax.jit(algorithm.step)(state, data, jax.random.key(0))
    assert metrics["diverged"].tolist() == [0, 1]
    assert np.isfinite(metrics["batch_loss"]).tolist() == [True, False]


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": 4, "local_epochs": 0}])
def test_nothing_to_do_is_refused(options):
    with pytest.raises(ValueError, match="at least 1"):
        local_training(linear, optax.identity(), optax.constant_schedule(0.1), **options)
