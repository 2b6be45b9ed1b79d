"""What clients report of their training: the unchanged loss, whether they diverged, and what algorithms need of it."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fedpsyau_jax import federated as fed
from fedpsyau_jax.federated import algorithms as alg
from fedpsyau_jax.types import ClientState
from tests.papers.paper_federation import quadratic_loss

WEIGHTS, KEY = jnp.ones(2), jax.random.key(0)
PROBLEM = fed.Problem(lambda params: {"w": 0}, quadratic_loss)
TRAINING = fed.local_training(
    quadratic_loss, optax.identity(), optax.constant_schedule(0.1), batch_size=1, local_epochs=2
)


@pytest.fixture(autouse=True)
def _in_float64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def one_client(curvature: float = 2.0, centre: float = 3.0) -> fed.ClientData:
    return fed.ClientData(jnp.int32(0), (jnp.array([curvature]), jnp.array([centre])), jnp.ones(1))


def at(weight: float) -> ClientState:
    return ClientState({"w": jnp.array([weight])}, ())


def update(client_update: fed.ClientUpdate, data: fed.ClientData, broadcast: fed.Broadcast | None = None) -> Any:
    """A round of a client that starts at 1."""
    client = at(1.0)
    broadcast = broadcast or fed.Broadcast(client.params, jnp.array(0.0), jnp.int32(0), client.params)
    return client_update.update(client, client_update.init(client), broadcast, data, KEY)


def client_of(strategy: fed.Strategy, client_update: fed.ClientUpdate = TRAINING) -> fed.ClientUpdate:
    assert strategy.client is not None
    changed: fed.ClientUpdate = strategy.client(client_update, PROBLEM)
    return changed


def value(weight: float) -> float:
    """2 / 2 (w - 3)^2, the loss of ``one_client``."""
    return (weight - 3) ** 2


@pytest.mark.slow
def test_the_loss_is_reported_without_what_an_algorithm_adds() -> None:
    broadcast = fed.Broadcast(at(5.0).params, None, jnp.int32(0)).drawn_to(at(5.0).params, jnp.array(2.0))
    client, _, metrics = update(TRAINING, one_client(), broadcast)
    first = 1 - 0.1 * (2 * (1 - 3) + 2 * (1 - 5))
    np.testing.assert_allclose(metrics["batch_loss"], value(1) + value(first), rtol=1e-12)
    second = first - 0.1 * (2 * (first - 3) + 2 * (first - 5))
    np.testing.assert_allclose(client.params["w"], [second], rtol=1e-12)


@pytest.mark.slow
def test_per_fedavg_reports_the_loss_before_its_step() -> None:
    client, _, metrics = update(client_of(alg.per_fedavg(WEIGHTS, 0.25)), one_client())
    first = 1 - 0.1 * 2 * (1 - 0.25 * 2 * (1 - 3) - 3)
    np.testing.assert_allclose(metrics["batch_loss"], value(1) + value(first), rtol=1e-12)
    assert client.params["w"] > first


@pytest.mark.parametrize("strategy", [alg.pfedme(WEIGHTS, 2.0, 0.1, 3), alg.ditto(WEIGHTS, 0.1)])
def test_a_client_diverges_once(strategy: fed.Strategy) -> None:
    assert update(client_of(strategy), one_client(centre=np.nan))[2]["diverged"] == 1


def idle(metrics: dict[str, Any]) -> fed.ClientUpdate:
    return fed.ClientUpdate(lambda client: (), lambda client, memory, *_: (client, memory, metrics))


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (alg.scaffold(WEIGHTS), "^SCAFFOLD needs the metric 'rates' of the clients' training, which reports only loss"),
        (alg.ditto(WEIGHTS, 0.1), "^Ditto needs the metric 'diverged'"),
        (alg.pfedme(WEIGHTS, 2.0, 0.1), "^pFedMe needs the metric 'diverged'"),
        (fed.with_participation(fed.fedavg(WEIGHTS), WEIGHTS, 0.5), "^participation or a rule needs .* 'batch_loss'"),
    ],
)
def test_a_missing_metric_is_named(strategy: fed.Strategy, message: str) -> None:
    algorithm = fed.federated(strategy, idle({"loss": jnp.ones(())}), problem=PROBLEM)
    data = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), one_client())
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(algorithm.step, algorithm.init(at(1.0)), data, KEY)


def test_q_fedavg_needs_no_metric() -> None:
    """It measures the loss itself."""
    algorithm = fed.federated(alg.q_fedavg(WEIGHTS, 0.5, 1.0), idle({}), problem=PROBLEM)
    data = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), one_client())
    _, metrics = jax.eval_shape(algorithm.step, algorithm.init(at(1.0)), data, KEY)
    assert metrics == {}


def test_an_objective_that_hides_the_metrics_is_refused() -> None:
    broadcast = fed.Broadcast((), None, jnp.int32(0)).with_objective(
        lambda loss: lambda *args: (loss(*args)[0], ((), {}))
    )
    with pytest.raises(ValueError, match="'batch_loss' of a loss changed by a Broadcast's objective"):
        update(TRAINING, one_client(), broadcast)


def test_scaffold_leaves_the_metrics_of_the_training_alone() -> None:
    metrics = {"rates": jnp.ones(()), "steps": jnp.int32(1)}
    reported = update(client_of(alg.scaffold(WEIGHTS), idle(metrics)), one_client())[2]
    assert set(metrics) == {"rates", "steps"}
    assert set(reported) == {"steps"}


@pytest.mark.slow
def test_the_loss_of_q_fedavg_keeps_its_dtype() -> None:
    """The mask may be coarser: half a float has three digits."""
    data = fed.ClientData(jnp.int32(0), (jnp.full(2, 2.0), jnp.full(2, 3.3)), jnp.ones(2, jnp.float16))
    loss = update(client_of(alg.q_fedavg(WEIGHTS, 0.5, 1.0), idle({})), data)[2]["loss_before"]
    np.testing.assert_allclose(loss, 2.3**2, rtol=1e-12)


@pytest.mark.parametrize("losses", [[1e-9, 3e-9, 2e-9], [3e3, 2.9e3, 10.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("q", [0.0, 0.5, 8.0, 20.0])
def test_q_fedavg_stays_in_the_range_of_float32(losses: list[float], q: float) -> None:
    """Its rows, by the paper's formula in logarithms."""
    n, moved = np.array([1.0, 2.0, 5.0]), np.array([0.1, 3.0, 0.5])
    strategy = alg.q_fedavg(jnp.asarray(n, jnp.float32), q, 10.0)
    reports = fed.Reports(jnp.arange(3), jnp.ones(3), *(jnp.asarray(v, jnp.float32) for v in (losses, moved)))
    assert strategy.rule is not None
    matrix = strategy.rule(strategy.mixing, KEY, reports)
    logs = np.log(np.maximum(losses, 1e-10))
    powers = np.exp(q * (logs - logs.max()))
    curvature = q * np.exp((q - 1) * logs - q * logs.max()) * 10 * moved + powers
    assert matrix.dtype == jnp.float32
    np.testing.assert_allclose(matrix, np.tile(n * powers / (n * curvature).sum(), (3, 1)), rtol=1e-4, atol=1e-9)


@pytest.mark.slow
def test_prototypes_are_summed_in_full_precision() -> None:
    """An accelerator's default would round them to 10 bits of mantissa."""
    representation = fed.Representation(
        lambda params, state, batch, key: jnp.stack([batch.examples[0], batch.examples[1]], axis=1),
        lambda batch: jnp.zeros(batch.mask.shape, jnp.int32),
        2,
        3,
    )
    strategy = alg.fedproto(WEIGHTS, 1.0)
    assert strategy.client is not None
    client_update = strategy.client(idle({}), fed.Problem(representation=representation))
    jaxpr = str(jax.make_jaxpr(lambda data: update(client_update, data)[1])(one_client()))
    assert jaxpr.count("dot_general") == jaxpr.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == 1
