"""Laws of the published algorithms: their special cases, fixed points, the order of clients, and who takes part."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax import federated as fed
from fedpsyau_jax.federated import algorithms as alg
from tests.papers.closed_forms import SCALAR, C, H, N, minimiser
from tests.papers.paper_federation import data_of, logistic_loss, quadratic_loss, quadratics, softmax_loss, train
from tests.papers.paper_problem import logistic, representations

pytestmark = pytest.mark.usefixtures("double_precision")
LOGISTIC, DEEP = logistic(), representations()
SIZES = LOGISTIC.sizes
Build = Callable[[Any], fed.Strategy]
ALGORITHMS: dict[str, Build] = {
    "apfl": lambda n: alg.apfl(n, 0.3),
    "ditto": lambda n: alg.ditto(n, 0.4),
    "fedadam": lambda n: alg.fedadam(n, 0.1),
    "fedala": lambda n: alg.fedala(n, 2.0),
    "fedavgm": lambda n: alg.fedavgm(n, 0.8, 0.6),
    "fedbn": alg.fedbn,
    "feddyn": lambda n: alg.feddyn(n, 0.5),
    "fedper": alg.fedper,
    "fedproto": lambda n: alg.fedproto(n, 0.7),
    "fedrep": lambda n: alg.fedrep(n, 1),
    "fedyogi": lambda n: alg.fedyogi(n, 0.1),
    "moon": lambda n: alg.moon(n, 0.9),
    "per_fedavg": lambda n: alg.per_fedavg(n, 0.2),
    "pfedme": lambda n: alg.pfedme(n, 2.0, 0.2, 2),
    "q_fedavg": lambda n: alg.q_fedavg(n, 0.8, 10.0),
    "scaffold": alg.scaffold,
}
QUICK = ("scaffold",)
"""What the quick tests compile."""


def some(names: Any, quick: Any = QUICK) -> list[Any]:
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


def outcome(strategy: fed.Strategy, name: str = "", data: Any = None, rounds: int = 4, **options: Any) -> Any:
    problem, loss = (DEEP, softmax_loss) if name in ("moon", "fedproto") else (LOGISTIC, logistic_loss)
    return train(strategy, problem, loss, data_of(problem) if data is None else data, 2, rounds=rounds, **options)


BOTH, PERSONAL = ("clients", "personal"), ("personal",)
SPECIAL: dict[str, tuple[Build, Build, tuple[str, ...]]] = {
    "apfl, alpha 0": (lambda n: alg.apfl(n, 0.0), fed.fedavg, BOTH),
    "apfl, alpha 1": (lambda n: alg.apfl(n, 1.0), fed.local_only, PERSONAL),
    "ditto, lambda 0": (lambda n: alg.ditto(n, 0.0), fed.local_only, PERSONAL),
    "fedadam, the mean": (lambda n: alg.fedadam(n, 0.02, 0.0, 1.0, 0.01), fed.fedavg, BOTH),
    "fedala, eta 0": (lambda n: alg.fedala(n, 0.0), fed.fedavg, BOTH),
    "fedavgm, no momentum": (lambda n: alg.fedavgm(n, 1.0, 0.0), fed.fedavg, BOTH),
    "fedproto, lambda 0": (lambda n: alg.fedproto(n, 0.0), fed.local_only, BOTH),
    "fedyogi, the mean": (lambda n: alg.fedyogi(n, 0.02, 0.0, 1.0, 0.01), fed.fedavg, BOTH),
    "moon, mu 0": (lambda n: alg.moon(n, 0.0), fed.fedavg, BOTH),
    "per_fedavg, alpha 0": (lambda n: alg.per_fedavg(n, 0.0), fed.fedavg, BOTH),
    "pfedme, eta 1 / lambda": (lambda n: alg.pfedme(n, 2.0, 0.5), lambda n: fed.fedprox(n, 2.0), BOTH),
    "q_fedavg, q 0": (lambda n: alg.q_fedavg(n, 0.0, 3.0), fed.fedavg, BOTH),
    "everybody takes part": (lambda n: fed.with_participation(fed.fedavg(n), n, 1.0), fed.fedavg, BOTH),
}
WITHOUT_GROUPS: dict[str, Build] = {"fedbn": alg.fedbn, "fedper": alg.fedper, "fedrep": lambda n: alg.fedrep(n, 0)}
FIRST_ROUND: dict[str, tuple[Build, Build]] = {
    "scaffold, c = 0": (alg.scaffold, fed.fedavg),
    "feddyn, g = 0": (lambda n: alg.feddyn(n, 0.5), lambda n: fed.fedprox(n, 0.5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", some(SPECIAL, ("q_fedavg, q 0",)))
def test_special_cases(case: str) -> None:
    one, other, models = SPECIAL[case]
    a, b = (outcome(build(jnp.asarray(SIZES)), case.partition(",")[0]) for build in (one, other))
    for model in models:
        np.testing.assert_allclose(getattr(a, model), getattr(b, model), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", some(WITHOUT_GROUPS, ()))
def test_without_a_norm_or_head_to_keep_it_is_fedavg(name: str) -> None:
    builds, all_body = (WITHOUT_GROUPS[name], fed.fedavg), partial(fed.label_by_path, members={})
    a, b = (outcome(build(jnp.asarray(SIZES)), groups=all_body).clients for build in builds)
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", some(FIRST_ROUND, ()))
def test_special_cases_of_the_first_round(case: str) -> None:
    one, other = FIRST_ROUND[case]
    a, b = (outcome(build(jnp.asarray(SIZES)), rounds=2).clients for build in (one, other))
    np.testing.assert_allclose(a[0], b[0], rtol=0, atol=1e-12)
    assert np.abs(a[1] - b[1]).max() > 1e-4


FIXED_POINTS: dict[str, tuple[Build, float]] = {
    "fedavg": (fed.fedavg, minimiser(N * (1 - (1 - 0.2 * H) ** 3))),
    "scaffold": (alg.scaffold, minimiser(N * H)),
    "feddyn": (lambda n: alg.feddyn(n, 0.5), minimiser(N * H)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", some(FIXED_POINTS))
def test_fixed_points_on_quadratics(name: str) -> None:
    """FedAvg's is biased, those of SCAFFOLD and FedDyn are the minimiser of the sum."""
    build, expected = FIXED_POINTS[name]
    data = quadratics(SCALAR, H, C)
    reached = train(build(jnp.asarray(N)), SCALAR, quadratic_loss, data, 3, eta=0.2, rounds=300).clients[-1]
    received = (N / N.sum()) @ reached
    np.testing.assert_allclose(received if name != "feddyn" else reached, expected, atol=1e-9)
    assert abs(FIXED_POINTS["fedavg"][1] - minimiser(N * H)) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", some(ALGORITHMS))
def test_permuting_clients_permutes_results(name: str) -> None:
    order = np.array([2, 0, 3, 1])
    data = data_of(DEEP if name in ("moon", "fedproto") else LOGISTIC)
    there = outcome(ALGORITHMS[name](jnp.asarray(SIZES)), name, data)
    permuted = jax.tree.map(lambda leaf: leaf[order], data)
    here = outcome(ALGORITHMS[name](jnp.asarray(SIZES[order])), name, permuted)
    np.testing.assert_allclose(here.clients, there.clients[:, order], rtol=0, atol=1e-11)
    np.testing.assert_allclose(here.personal, there.personal[:, order], rtol=0, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", some(ALGORITHMS))
def test_a_client_that_is_only_padding_changes_nothing(name: str) -> None:
    data = data_of(DEEP if name in ("moon", "fedproto") else LOGISTIC)
    more = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.zeros_like(leaf[:1])]), data)
    more = more._replace(id=jnp.arange(5))
    without = outcome(ALGORITHMS[name](jnp.asarray(SIZES)), name, data)
    padded = outcome(ALGORITHMS[name](jnp.asarray([*SIZES, 0.0])), name, more)
    np.testing.assert_allclose(padded.clients[:, :4], without.clients, rtol=0, atol=1e-12)
    np.testing.assert_allclose(padded.personal[:, :4], without.personal, rtol=0, atol=1e-12)
    assert np.isfinite(padded.clients).all()
