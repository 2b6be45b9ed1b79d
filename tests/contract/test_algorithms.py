"""What every algorithm by name promises, over a table of all of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fedpsyau_jax.federated import (
    GROUPS,
    Batch,
    ClientData,
    FederatedAlgorithm,
    FedState,
    Problem,
    Representation,
    Strategy,
    algorithms,
    alias,
    federated,
    local_training,
    masked_mean,
    num_examples,
    pooled,
    run,
    scan_batches,
)
from fedpsyau_jax.types import ClientState, Metrics

ALGORITHMS: dict[str, Callable[[jax.Array], Strategy]] = {
    "local_only": alias.local_only,
    "fedavg": alias.fedavg,
    "fedprox": lambda weights: alias.fedprox(weights, 0.1),
    "p_fedprox": lambda weights: alias.p_fedprox(weights, 0.1, 0.8),
    "anchored_at_start": lambda weights: alias.anchored_at_start(alias.p_fedprox(weights, 0.1)),
    "centralised": alias.centralised,
    "apfl": lambda weights: algorithms.apfl(weights, 0.3),
    "ditto": lambda weights: algorithms.ditto(weights, 0.1),
    "fedadam": lambda weights: algorithms.fedadam(weights, 0.1),
    "fedala": algorithms.fedala,
    "fedavgm": lambda weights: algorithms.fedavgm(weights, 1.0, 0.9),
    "fedbn": algorithms.fedbn,
    "feddyn": lambda weights: algorithms.feddyn(weights, 0.1),
    "fedper": algorithms.fedper,
    "fedproto": lambda weights: algorithms.fedproto(weights, 1.0),
    "fedrep": lambda weights: algorithms.fedrep(weights, 1),
    "fedyogi": lambda weights: algorithms.fedyogi(weights, 0.1),
    "moon": lambda weights: algorithms.moon(weights, 1.0),
    "per_fedavg": lambda weights: algorithms.per_fedavg(weights, 0.1),
    "pfedme": lambda weights: algorithms.pfedme(weights, 1.0, 0.5, 2),
    "q_fedavg": lambda weights: algorithms.q_fedavg(weights, 0.5, 10.0),
    "scaffold": algorithms.scaffold,
}
IGNORES_MU = ("apfl", "pfedme")
"""Algorithms that have no proximal term to the received weights, or one of their own."""
COMPILED = (*alias.__all__, "ditto")
"""What the quick tests compile; tests/papers compiles all of them."""
KEY = jax.random.key(0)


def squared_error(params: Any, model_state: Any, batch: Batch, key: jax.Array) -> Any:
    x, y = batch.examples
    errors = (x @ params["slope"] + params["offset"] - y) ** 2
    return masked_mean(errors, batch.mask), (
        {"seen": model_state["seen"] + 1},
        {"examples": batch.mask.sum()},
    )


REPRESENTATION = Representation(
    lambda params, model_state, batch, key: batch.examples[0] * params["slope"],
    lambda batch: (batch.examples[1] > 0).astype(jnp.int32),
    size=2,
    num_classes=2,
)
LABELS = {"slope": GROUPS.index("body"), "offset": GROUPS.index("head")}
PROBLEM = Problem(lambda params: LABELS, squared_error, REPRESENTATION, batch_size=3, loop=scan_batches)
UPDATE = local_training(
    squared_error, optax.identity(), optax.constant_schedule(0.05), batch_size=3, local_epochs=2, loop=scan_batches
)


def algorithm_of(strategy: Strategy) -> FederatedAlgorithm:
    return federated(strategy, UPDATE, problem=PROBLEM)


def step(strategy: Strategy, state: FedState, data: ClientData, key: jax.Array) -> tuple[FedState, Metrics]:
    return algorithm_of(strategy).step(state, data, key)


jitted_step = jax.jit(step)


@jax.jit
def sensitivity(strategy: Strategy, state: FedState, data: ClientData) -> Strategy:
    """Gradient of the weights after three rounds in W, mu and the matrix of the anchor."""

    def outcome(mixing: jax.Array, mu: jax.Array, anchor: jax.Array | None) -> jax.Array:
        algorithm = algorithm_of(strategy._replace(mixing=mixing, mu=mu, anchor=anchor))
        params = run(algorithm, state, data, KEY, num_rounds=3)[0].clients.params
        return (params["slope"] ** 2).sum()

    mixing, mu, anchor = jax.grad(outcome, (0, 1, 2))(strategy.mixing, strategy.mu, strategy.anchor)
    return strategy._replace(mixing=mixing, mu=mu, anchor=anchor)


def data_of(name: str) -> ClientData:
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 3)), jnp.float32)
    mask = jnp.asarray([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], jnp.float32)
    data = ClientData(jnp.arange(3), (rows[..., :2], rows[..., 2]), mask)
    return pooled(data) if name == "centralised" else data


def initial_client(dtype: Any = jnp.float32) -> ClientState:
    return ClientState({"slope": jnp.ones(2, dtype), "offset": jnp.zeros((), dtype)}, {"seen": jnp.zeros((), dtype)})


NAMES = [name if name in COMPILED else pytest.param(name, marks=pytest.mark.slow) for name in ALGORITHMS]


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> tuple[Strategy, FedState, ClientData]:
    data = data_of(request.param)
    strategy = ALGORITHMS[request.param](num_examples(data))
    return strategy, algorithm_of(strategy).init(initial_client()), data


def shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.asarray(leaf).dtype), tree)


def test_the_table_is_complete():
    assert set(ALGORITHMS) == {*alias.__all__, *algorithms.__all__}


def test_strategy(case):
    strategy, _, data = case
    num_clients = data.mask.shape[0]
    assert strategy.mixing.shape in [(num_clients, num_clients), (len(GROUPS), num_clients, num_clients)]
    assert strategy.mu.shape == (num_clients,)
    assert (np.asarray(strategy.mixing) >= 0).all()
    assert (np.asarray(strategy.mu) >= 0).all()
    np.testing.assert_allclose(strategy.mixing.sum(axis=-1), 1, rtol=1e-6)


def test_init_gives_every_client_the_same(case):
    _, state, data = case
    assert state.round == 0
    for k in range(data.mask.shape[0]):
        client = jax.tree.map(lambda leaf, k=k: leaf[k], state.clients)
        jax.tree.map(np.testing.assert_array_equal, client, initial_client())


def test_step_trains_reports_and_keeps_the_state_stable(case, request):
    strategy, state, data = case
    after, metrics = jitted_step(strategy, state, data, KEY)
    assert shapes(after) == shapes(state)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert after.round == 1
    assert (np.asarray(after.clients.params["slope"]) != np.asarray(state.clients.params["slope"])).all()
    assert set(metrics) == {"examples", "batch_loss", "steps", "diverged"}
    for values in metrics.values():
        assert values.shape == data.mask.shape[:1]
        assert np.isfinite(values).all()
    passes = 4 if request.node.callspec.params["case"] == "pfedme" else 2
    np.testing.assert_array_equal(metrics["examples"], passes * num_examples(data))
    np.testing.assert_array_equal(metrics["steps"], after.clients.model_state["seen"])
    assert not metrics["diverged"].any()


def test_step_under_vmap(case):
    strategy, state, data = case
    mapped = jax.vmap(step, in_axes=(None, None, None, 0))
    after, metrics = jax.eval_shape(mapped, strategy, state, data, jax.random.split(KEY, 4))
    alone, alone_metrics = jax.eval_shape(step, strategy, state, data, KEY)
    several = jax.tree.map(lambda leaf: ((4, *leaf.shape), leaf.dtype), (alone.clients, alone_metrics))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (after.clients, metrics)) == several


@pytest.mark.slow
def test_gradient_through_rounds(case, request):
    strategy, state, data = case
    gradient = sensitivity(strategy, state, data)
    assert np.isfinite(gradient.mixing).all()
    assert np.isfinite(gradient.mu).all()
    assert max(np.abs(leaf).max() for leaf in (gradient.mixing, gradient.anchor) if leaf is not None) > 0
    assert (np.abs(gradient.mu).max() > 0) != (request.node.callspec.params["case"] in IGNORES_MU)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_no_hidden_cast(name, dtype):
    """Under 64-bit mode the weights keep the precision they came with."""
    data = data_of(name)
    with jax.enable_x64(True):
        examples = jax.tree.map(lambda leaf: leaf.astype(dtype), data.examples)
        data = data._replace(examples=examples, mask=data.mask.astype("float64"))
        strategy = ALGORITHMS[name](num_examples(data))
        state = algorithm_of(strategy).init(initial_client(dtype))
        after, _ = jax.eval_shape(step, strategy, state, data, KEY)
        assert jax.tree.map(lambda leaf: leaf.dtype, after) == jax.tree.map(lambda leaf: leaf.dtype, state)


@pytest.mark.parametrize(
    ("strategy", "missing"),
    [
        (algorithms.fedala(jnp.ones(2)), "FedALA needs the loss"),
        (algorithms.moon(jnp.ones(2), 1.0), "representation"),
        (algorithms.fedrep(jnp.ones(2), 1), "FedRep needs the labels"),
        (algorithms.fedbn(jnp.ones(2)), "as in FedBN or FedPer, needs the labels of a client's problem"),
        (alias.fedavg(jnp.ones(2))._replace(anchor=jnp.ones((4, 2, 2)) / 2), "needs the labels"),
    ],
)
def test_what_an_algorithm_must_know_is_told(strategy, missing):
    with pytest.raises(ValueError, match=missing):
        federated(strategy, UPDATE)


def test_adaptive_starts_need_to_know_the_head():
    with pytest.raises(ValueError, match="FedALA needs the labels"):
        federated(algorithms.fedala(jnp.ones(2)), UPDATE, problem=Problem(loss=squared_error))


def test_centralised_refuses_several_clients():
    with pytest.raises(ValueError, match="one client"):
        alias.centralised(jnp.ones(3))
