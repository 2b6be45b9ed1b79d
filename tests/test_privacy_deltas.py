"""The clients' mechanism: clipped changes, shares of the noise, what mixtures leave of them; all algorithms."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from experiments.inputs.algorithms import TITLES
from experiments.inputs.privacy import LEAKS
from fedpsyau_jax.federated import (
    GROUPS,
    Batch,
    Broadcast,
    ClientData,
    ClientUpdate,
    Problem,
    Representation,
    Strategy,
    algorithms,
    alias,
    federated,
    local_training,
    masked_mean,
)
from fedpsyau_jax.federated.private import BySubject, leverage, noised_delta, private_training
from fedpsyau_jax.federated.private.leverage import leverage_of
from fedpsyau_jax.types import ClientState

CLIP, SHARE = 0.5, 1.3


def moved_by(change: Any) -> ClientUpdate:
    def update(client: Any, memory: Any, broadcast: Any, data: Any, key: Any) -> Any:
        return ClientState(jax.tree.map(jnp.add, client.params, change), {"statistics": data.mask.sum()}), memory, {}

    return ClientUpdate(lambda client: (), update)


def sent(change: np.ndarray, share: float) -> ClientState:
    """What a client sends that started at ones."""
    change = jnp.asarray(change, jnp.float32)
    update = noised_delta(moved_by(change), clip=CLIP, share=share).update
    client = ClientState(jnp.ones_like(change), {"statistics": jnp.zeros(())})
    data = ClientData(jnp.int32(0), (), jnp.ones(3))
    return update(client, (), Broadcast((), None, jnp.int32(0)), data, jax.random.key(0))[0]


@pytest.mark.parametrize("change", [[0.1, 0.2], [3.0, -4.0], [1e30, 1.0], [np.nan, 1.0], [np.inf, -np.inf]])
def test_a_client_changes_a_round_by_at_most_the_clip(change: list[float]) -> None:
    moved = np.asarray(sent(np.array(change), 0.0).params, float) - 1
    assert np.linalg.norm(moved) <= CLIP + 1e-6
    if np.linalg.norm(change) < CLIP:
        np.testing.assert_allclose(moved, change, rtol=1e-5)


def test_its_share_of_the_noise_is_normal_and_its_statistics_stay() -> None:
    client = sent(np.zeros(20_000), SHARE)
    assert stats.kstest((np.asarray(client.params) - 1) / (SHARE * CLIP), "norm").pvalue > 1e-3
    assert client.model_state["statistics"] == 0


def test_the_leverage_of_a_mean_is_that_of_its_largest_client() -> None:
    weights = np.array([3.0, 1.0, 1.0])
    seen = leverage(alias.fedavg(jnp.asarray(weights)))
    share = weights / weights.sum()
    assert seen.server == 1
    assert seen.models == pytest.approx(share[0] ** 2 / (share**2).sum())
    others = share[:2]  # what the third client does not know of its own
    assert seen.site == pytest.approx(others[0] ** 2 / (others**2).sum())


def test_the_leverage_is_the_least_signal_to_noise_of_all_that_is_seen() -> None:
    """Against the definition: the Mahalanobis length of a client's column, for matrices of full row rank."""
    rows = np.random.default_rng(0).random((2, 5))
    rows /= rows.sum(axis=1, keepdims=True)
    lengths = [column @ np.linalg.solve(rows @ rows.T, column) for column in rows.T]
    assert leverage_of(rows) == pytest.approx(max(lengths))


@pytest.mark.parametrize(
    "strategy",
    [
        alias.local_only(jnp.ones(4)),
        alias.p_fedprox(jnp.ones(4), 0.1),
        algorithms.scaffold(jnp.ones(4)),
        algorithms.fedper(jnp.ones(4)),
        alias.fedavg(jnp.ones(2)),
    ],
    ids=["local", "p-fedprox", "scaffold", "fedper", "a pair"],
)
def test_who_can_solve_for_a_client_sees_its_share_only(strategy: Strategy) -> None:
    assert leverage(strategy).site == pytest.approx(1)


def loss(params: Any, state: Any, batch: Batch, key: Any) -> Any:
    x, y = batch.examples
    errors = (x @ params["slope"] + params["offset"] - y) ** 2
    return masked_mean(errors, batch.mask), (state, {"examples": batch.mask.sum()})


REPRESENTATION = Representation(
    lambda params, state, batch, key: batch.examples[0] * params["slope"],
    lambda batch: (batch.examples[1] > 0).astype(jnp.int32),
    2,
    2,
)
LABELS = {"slope": GROUPS.index("body"), "offset": GROUPS.index("head")}
PROBLEM = Problem(lambda params: LABELS, loss, REPRESENTATION, batch_size=2)
WEIGHTS = jnp.array([2.0, 1.0, 1.0])
ALGORITHMS = {
    **{name: partial(getattr(algorithms, name.replace("-", "_")), WEIGHTS) for name in ("fedala", "fedbn", "fedper")},
    "scaffold": lambda: algorithms.scaffold(WEIGHTS),
    "local": lambda: alias.local_only(WEIGHTS),
    "fedavg": lambda: alias.fedavg(WEIGHTS),
    "fedprox": lambda: alias.fedprox(WEIGHTS, 0.1),
    "p-fedprox": lambda: alias.p_fedprox(WEIGHTS, 0.1),
    "apfl": lambda: algorithms.apfl(WEIGHTS, 0.3),
    "ditto": lambda: algorithms.ditto(WEIGHTS, 0.1),
    "fedadam": lambda: algorithms.fedadam(WEIGHTS, 0.1),
    "fedavgm": lambda: algorithms.fedavgm(WEIGHTS, 1.0, 0.9),
    "feddyn": lambda: algorithms.feddyn(WEIGHTS, 0.1),
    "fedproto": lambda: algorithms.fedproto(WEIGHTS, 1.0),
    "fedrep": lambda: algorithms.fedrep(WEIGHTS, 1),
    "fedyogi": lambda: algorithms.fedyogi(WEIGHTS, 0.1),
    "moon": lambda: algorithms.moon(WEIGHTS, 1.0),
    "per-fedavg": lambda: algorithms.per_fedavg(WEIGHTS, 0.1),
    "pfedme": lambda: algorithms.pfedme(WEIGHTS, 1.0, 0.5),
    "q-fedavg": lambda: algorithms.q_fedavg(WEIGHTS, 0.5, 10.0),
}
TRAINING: dict[str, Any] = {"optimizer": optax.identity(), "learning_rate": optax.constant_schedule(0.05)}


def test_the_table_has_every_algorithm() -> None:
    assert ALGORITHMS.keys() == TITLES.keys() - {"centralised"}


def shapes_after_a_round(strategy: Strategy, update: ClientUpdate, data: Any) -> Any:
    algorithm = federated(strategy, update, problem=PROBLEM)
    state = algorithm.init(ClientState({"slope": jnp.ones(2), "offset": jnp.zeros(())}, {}))
    after = jax.eval_shape(algorithm.step, state, data, jax.random.key(0))[0]
    return jax.tree.map(lambda leaf: leaf.shape, (after.clients, state.clients))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_is_private_or_cannot_see_the_examples(name: str) -> None:
    examples = (jnp.ones((3, 4, 2, 2)), jnp.ones((3, 4, 2)))
    data = BySubject(jnp.arange(3), examples, jnp.ones((3, 4, 2)))
    update = private_training(loss, **TRAINING, clip=CLIP, noise=SHARE, sampling=0.5, local_epochs=2)
    if name in LEAKS["subject"]:
        with pytest.raises(Exception, match=r".+"):
            shapes_after_a_round(ALGORITHMS[name](), update, data)
        return
    after, before = shapes_after_a_round(ALGORITHMS[name](), update, data)
    assert after == before


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name not in LEAKS["client"]])
def test_an_algorithm_works_on_noised_changes(name: str) -> None:
    data = ClientData(jnp.arange(3), (jnp.ones((3, 4, 2)), jnp.ones((3, 4))), jnp.ones((3, 4)))
    training = local_training(loss, **TRAINING, batch_size=2, local_epochs=2)
    after, before = shapes_after_a_round(ALGORITHMS[name](), noised_delta(training, clip=CLIP, share=SHARE), data)
    assert after == before
