"""Trajectories of the released federated loop and of its textbook form, in float64."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from fedpsyau_jax.federated import (
    Batch,
    ClientData,
    anchored_at_start,
    fedavg,
    fedprox,
    local_training,
    masked_mean,
    mix,
    norm_prox,
    p_fedprox,
    squared_prox,
    stacked,
    sweep,
)
from fedpsyau_jax.types import ClientState

NUM_ROUNDS = 3
NAMES = ("l1.weight", "l1.bias", "l2.weight", "l2.bias")
Golden = dict[str, np.ndarray]


class Trajectories(NamedTuple):
    """[rounds, algorithms, clients, parameters], and what clients would receive after the last round."""

    received: np.ndarray
    local: np.ndarray
    next_received: np.ndarray


def cross_entropy(params: Any, model_state: Any, batch: Batch, key: Any) -> Any:
    x, y = batch.examples
    hidden = jnp.tanh(x @ params["l1.weight"].T + params["l1.bias"])
    logits = hidden @ params["l2.weight"].T + params["l2.bias"]
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
    return masked_mean(losses, batch.mask), (model_state, {})


def padded_clients(golden: Golden) -> ClientData:
    sizes = golden["sizes"]

    def pad(rows: np.ndarray) -> np.ndarray:
        return np.pad(rows, [(0, sizes.max() - len(rows))] + [(0, 0)] * (rows.ndim - 1))

    x, y = (jnp.stack([pad(golden[f"{name}{k}"]) for k in range(len(sizes))]) for name in "xy")
    return ClientData(jnp.arange(len(sizes)), (x, y), jnp.asarray(np.arange(sizes.max()) < sizes[:, None], float))


def flat(params: dict[str, jax.Array], num_axes: int) -> np.ndarray:
    leaves = [np.asarray(params[name]) for name in NAMES]
    return np.concatenate([leaf.reshape(*leaf.shape[:num_axes], -1) for leaf in leaves], axis=-1)


def trajectories(golden: Golden, convention: str) -> Trajectories:
    """FedAvg, FedProx and P-FedProx of one convention as one program."""
    sizes, mu = jnp.asarray(golden["sizes"], float), float(golden["mu"])
    official = convention == "official"
    personal = p_fedprox(sizes, mu)
    strategies = stacked([fedavg(sizes), fedprox(sizes, mu), anchored_at_start(personal) if official else personal])
    client_update = local_training(
        cross_entropy,
        optax.identity(),
        optax.constant_schedule(golden["lr"]),
        norm_prox if official else squared_prox,
        batch_size=int(golden["sizes"].max()),
        local_epochs=int(golden["E"]),
    )
    algorithm = sweep(jax.tree.map(lambda leaf: leaf[:, None], strategies), client_update)
    data, keys = jax.tree.map(lambda leaf: leaf[None], (padded_clients(golden), jax.random.key(0)))
    mix_all = jax.vmap(jax.vmap(mix))

    def one_round(state: Any, _: None) -> Any:
        received = mix_all(strategies.mixing[:, None], state.clients.params)
        state, _ = algorithm.step(state, data, keys)
        return state, (received, state.clients.params)

    initial = {name: jnp.asarray(golden[f"init_named/{name}"])[None] for name in NAMES}
    state = algorithm.init(ClientState(initial, {}))
    state, observed = jax.jit(lambda state: lax.scan(one_round, state, length=NUM_ROUNDS))(state)
    received, local = (flat(params, 4)[:, :, 0] for params in observed)
    next_received = flat(mix_all(strategies.mixing[:, None], state.clients.params), 3)[:, 0]
    return Trajectories(received, local, next_received)


@pytest.fixture(scope="module")
def golden() -> Golden:
    with np.load(Path(__file__).with_name("fed_trajectories.npz")) as file:
        return dict(file)


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["textbook", "official"])
def test_trajectories(golden: Golden, convention: str) -> None:
    with jax.enable_x64(True):
        ours = trajectories(golden, convention)
    for index, name in enumerate(["fedavg", "fedprox", "pfedprox"]):
        group = f"{convention}/{name}"
        for key in ("received", "local"):
            actual = getattr(ours, key)[:, index]
            np.testing.assert_allclose(actual, golden[f"{group}/{key}"], rtol=0, atol=1e-12, err_msg=f"{group}/{key}")
        if name != "pfedprox":  # whose server copy is never updated
            server = np.broadcast_to(golden[f"{group}/server"][-1], ours.next_received[index].shape)
            np.testing.assert_allclose(ours.next_received[index], server, rtol=0, atol=1e-12)
