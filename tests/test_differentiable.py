"""A validation loss after a federated round has the gradient that finite differences show."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fedpsyau_jax.federated import (
    ClientData,
    FedState,
    Strategy,
    federated,
    local_training,
    masked_mean,
    p_fedprox,
    scan_batches,
)
from fedpsyau_jax.models.dpk_gat import DPKGAT
from fedpsyau_jax.priors import Prior, learned, published, start_logits
from fedpsyau_jax.types import Array, Batch, ClientState

SIZES = np.array([3.0, 2.0, 4.0])
STEP = 1e-6
KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def after_a_round(loss: Callable[..., Any], weights: list[Any], strategy: Strategy, data: ClientData) -> Any:
    """The clients' weights after the second round, which mixes; Adam, two batches, the last one incomplete."""
    rates = optax.constant_schedule(0.05)
    training = local_training(loss, optax.scale_by_adam(), rates, batch_size=2, loop=scan_batches)
    algorithm = federated(strategy, training)
    fresh = algorithm.init(ClientState(weights[0], ()))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *weights)
    state = FedState(jnp.int32(1), fresh.clients._replace(params=stacked), fresh.memory)
    return algorithm.step(state, data, KEY)[0].clients.params


def clients(examples: Any) -> ClientData:
    mask = np.arange(4) < SIZES[:, None]
    return ClientData(jnp.arange(3), examples, jnp.asarray(mask, float))


def gradient_agreed(function: Callable[[Any], Array], at: Any, directions: int = 3) -> Any:
    """The gradient, once central differences along random directions agree with it."""
    value_and_gradient = jax.jit(jax.value_and_grad(function))
    _, gradient = value_and_gradient(at)
    leaves, structure = jax.tree.flatten(at)
    for number in range(directions):
        keys = jax.random.split(jax.random.key(number), len(leaves))
        direction = jax.tree.unflatten(
            structure, [jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)]
        )
        ahead, behind = (
            value_and_gradient(jax.tree.map(lambda x, d: x + step * d, at, direction))[0]  # noqa: B023
            for step in (STEP, -STEP)
        )
        slope = sum(map(jnp.vdot, jax.tree.leaves(gradient), jax.tree.leaves(direction)))
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * STEP), rtol=1e-4, atol=1e-8)
    return gradient


def line_loss(params: Any, state: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
    del key
    x, y = batch.examples
    return masked_mean((params["slope"] * x + params["bias"] - y) ** 2, batch.mask), (state, {})


def line_validation(mu: Array, self_weight: Array) -> Array:
    draw = np.random.default_rng(0)
    x, noise = draw.normal(size=(3, 4)), draw.normal(size=(3, 4))
    data = clients((x, np.arange(1.0, 4)[:, None] * x + noise))
    weights = [{"slope": jnp.float64(k), "bias": jnp.float64(-k)} for k in range(3)]
    params = after_a_round(line_loss, weights, p_fedprox(jnp.asarray(SIZES), mu, self_weight), data)
    return ((params["slope"] - 1.5) ** 2 + params["bias"] ** 2).sum()


@pytest.mark.slow
def test_of_mu_of_each_client_and_the_self_weight() -> None:
    at = (jnp.array([0.3, 0.1, 0.5]), jnp.float64(0.7))
    of_mu, of_self_weight = gradient_agreed(lambda both: line_validation(*both), at)
    assert min(abs(of_mu[0]), abs(of_mu[2])) > 1e-6
    assert of_mu[1] == 0  # it takes a single step, and there it is still at its anchor
    assert abs(of_self_weight) > 1e-3


GAT = DPKGAT(hidden=3, heads=2, out=4, dropout=0.0)
PRIOR = published().upper


def gat_loss(params: Any, state: Any, batch: Batch, key: Array, prior: Prior) -> tuple[Array, Any]:
    del key
    nodes, target = batch.examples
    related = GAT.apply({"params": params}, jnp.asarray(nodes), prior, 1.0, train=False)
    return masked_mean(((related - target) ** 2).mean((1, 2)), batch.mask), (state, {})


def gat_validation(prior: Prior, mu: Array, self_weight: Array) -> Array:
    draw = np.random.default_rng(1)
    data = clients((draw.normal(size=(3, 4, 6, 4)), draw.normal(size=(3, 4, 6, 4))))
    held_out, target = jnp.asarray(draw.normal(size=(2, 5, 6, 4)))
    weights = [
        jax.tree.map(
            lambda leaf: leaf.astype(float), GAT.init(jax.random.key(k), held_out, PRIOR, 1.0, train=False)["params"]
        )
        for k in range(3)
    ]
    strategy = p_fedprox(jnp.asarray(SIZES), mu, self_weight)
    params = after_a_round(partial(gat_loss, prior=prior), weights, strategy, data)
    related = jax.vmap(lambda own: GAT.apply({"params": own}, held_out, prior, 1.0, train=False))(params)
    return ((related - target) ** 2).mean()


@pytest.mark.slow
def test_of_a_prior_matrix_mu_and_self_weight_through_dpk_gat() -> None:
    """Of a prior's statistics where there is a link; elsewhere nothing reads them."""
    at = (jnp.asarray(PRIOR.statistics), jnp.float64(0.1), jnp.float64(0.8))
    gradient, *others = gradient_agreed(
        lambda knobs: gat_validation(Prior(PRIOR.topology, knobs[0]), knobs[1], knobs[2]), at
    )
    assert not np.asarray(gradient)[~PRIOR.topology].any()
    assert (np.abs(gradient)[PRIOR.topology] > 1e-9).mean() > 0.9
    assert (np.abs(others) > 1e-6).all()


@pytest.mark.slow
def test_descending_a_learned_prior_lowers_the_validation_loss() -> None:
    def loss(logits: Array) -> Array:
        return gat_validation(learned(logits, PRIOR.topology), jnp.float64(0.1), jnp.float64(0.8))

    value_and_gradient = jax.jit(jax.value_and_grad(loss))
    logits = start_logits(PRIOR)
    before, gradient = value_and_gradient(logits)
    after, _ = value_and_gradient(logits - 1e-2 * gradient / jnp.linalg.norm(gradient))
    assert after < before
