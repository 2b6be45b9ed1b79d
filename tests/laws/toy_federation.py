"""A small network with batch statistics and dropout, and clients of unequal size, to try the laws on."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedpsyau_jax.federated import (
    AxisMap,
    Batch,
    ClientData,
    ClientUpdate,
    FedState,
    Strategy,
    federated,
    local_training,
    masked_mean,
    run,
    sequential,
)
from fedpsyau_jax.types import ClientState

NUM_FEATURES, NUM_HIDDEN, NUM_CLIENTS = 5, 4, 5
SIZES = np.array([3, 11, 7, 8, 5])
BATCH_SIZE = 4
KEY = jax.random.key(4)


def initial_client(seed: int = 0) -> ClientState:
    first, second = jax.random.split(jax.random.key(seed))
    params = {
        "inward": jax.random.normal(first, (NUM_FEATURES, NUM_HIDDEN)) / 2,
        "outward": jax.random.normal(second, (NUM_HIDDEN,)) / 2,
        "bias": jnp.zeros(()),
    }
    return ClientState(params, {"mean": jnp.zeros(NUM_HIDDEN)})


def toy_loss(params: Any, model_state: Any, batch: Batch, key: jax.Array) -> Any:
    """Squared error of a network that centres its hidden layer by the batch and drops a tenth of it."""
    x, y = batch.examples
    hidden = x @ params["inward"]
    mean = jax.vmap(masked_mean, in_axes=(1, None))(hidden, batch.mask)
    kept = jax.random.bernoulli(key, 0.9, hidden.shape) / 0.9
    errors = (jnp.tanh(hidden - mean) * kept @ params["outward"] + params["bias"] - y) ** 2
    metrics = {"squared_error": jnp.where(batch.mask > 0, errors, 0).sum(), "examples": batch.mask.sum()}
    return masked_mean(errors, batch.mask), ({"mean": 0.9 * model_state["mean"] + 0.1 * mean}, metrics)


def clients_data(seed: int = 0, num_examples: int = 12, filler: float = 0.0) -> ClientData:
    """Five clients padded to ``num_examples`` with ``filler``; the real examples depend on the seed only."""
    draws = np.random.default_rng(seed).normal(size=(NUM_CLIENTS, SIZES.max(), NUM_FEATURES + 1))
    rows = np.full((NUM_CLIENTS, num_examples, NUM_FEATURES + 1), filler, np.float32)
    for row, draw, size in zip(rows, draws, SIZES, strict=True):
        row[:size] = draw[:size]
    mask = np.arange(num_examples) < SIZES[:, None]
    x, y = jnp.asarray(rows[..., :-1]), jnp.asarray(rows[..., -1])
    return ClientData(jnp.arange(NUM_CLIENTS) * 7 + 3, (x, y), jnp.asarray(mask, jnp.float32))


@cache
def toy_update(**options: Any) -> ClientUpdate:
    adamw = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(1e-2))
    settings = {"batch_size": BATCH_SIZE, "local_epochs": 2} | options
    return local_training(toy_loss, adamw, optax.linear_schedule(1e-3, 3e-2, 6), **settings)


@partial(jax.jit, static_argnames=("update", "over_clients", "num_rounds"))
def train(
    strategy: Strategy,
    data: ClientData,
    state: FedState | None = None,
    *,
    update: ClientUpdate | None = None,
    over_clients: AxisMap = sequential,
    num_rounds: int = 2,
    key: jax.Array = KEY,
) -> Any:
    """Rounds from ``state``, or from equal clients: (FedState, metrics [rounds, clients])."""
    algorithm = federated(strategy, update or toy_update(), over_clients=over_clients)
    return run(algorithm, state or algorithm.init(initial_client()), data, key, num_rounds)


def assert_identical(actual: Any, desired: Any) -> None:
    """Equal to the last bit, in every leaf."""
    assert jax.tree.structure(actual) == jax.tree.structure(desired)
    jax.tree.map(np.testing.assert_array_equal, actual, desired)


def assert_close(actual: Any, desired: Any, atol: float = 1e-6) -> None:
    jax.tree.map(lambda a, d: np.testing.assert_allclose(a, d, rtol=1e-5, atol=atol), actual, desired)
