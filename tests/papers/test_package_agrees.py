"""Every algorithm of the package is its paper's pseudo-code, to 1e-10 over ten rounds in float64."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

from fedpsyau_jax import federated as fed
from fedpsyau_jax.federated import algorithms
from tests.papers import (
    reference_base,
    reference_drift,
    reference_features,
    reference_partial,
    reference_personal,
    reference_server,
)
from tests.papers.paper_federation import (
    ETA,
    ROUNDS,
    clients_of,
    data_of,
    logistic_loss,
    personal_of,
    softmax_loss,
    train,
)
from tests.papers.paper_problem import Problem, Round, logistic, representations

pytestmark = pytest.mark.usefixtures("double_precision")
STEPS = 3
Build = Callable[[Any], fed.Strategy]
Reference = Callable[..., list[Round]]


def with_outer(strategy: fed.Strategy, rate: float) -> fed.Strategy:
    return strategy._replace(outer=Partial(optax.scale, rate))


CASES: dict[str, tuple[Build, Reference, dict[str, Any], int]] = {
    "fedavg": (fed.fedavg, reference_base.fedavg, {}, STEPS),
    "p_fedprox": (
        lambda n: fed.p_fedprox(n, 0.3, 0.7),
        reference_base.p_fedprox,
        {"mu": 0.3, "self_weight": 0.7},
        STEPS,
    ),
    "fedbn": (algorithms.fedbn, reference_partial.fedbn, {}, STEPS),
    "fedper": (algorithms.fedper, reference_partial.fedper, {}, STEPS),
    "fedrep": (lambda n: algorithms.fedrep(n, 2), reference_partial.fedrep, {"head_steps": 2, "steps": 1}, 3),
    "fedala": (
        lambda n: algorithms.fedala(n, 2.0, 4, 1.0),
        reference_partial.fedala,
        {"weight_eta": 2.0, "first_steps": 4, "adaptive": ("head",)},
        STEPS,
    ),
    "ditto": (lambda n: algorithms.ditto(n, 0.4), reference_personal.ditto, {"lam": 0.4}, STEPS),
    "apfl": (lambda n: algorithms.apfl(n, 0.3), reference_personal.apfl, {"alpha": 0.3}, STEPS),
    "apfl, adaptive": (
        lambda n: algorithms.apfl(n, 0.3, 0.4),
        reference_personal.apfl,
        {"alpha": 0.3, "alpha_eta": 0.4},
        STEPS,
    ),
    "pfedme": (
        lambda n: algorithms.pfedme(n, 2.0, 0.2, 2),
        reference_personal.pfedme,
        {"eta": 0.2, "steps": 2, "lam": 2.0, "inner_eta": ETA, "inner_steps": STEPS},
        STEPS,
    ),
    "pfedme, beta": (
        lambda n: with_outer(algorithms.pfedme(n, 2.0, 0.2, 1), 0.5),
        reference_personal.pfedme,
        {"eta": 0.2, "steps": 1, "lam": 2.0, "inner_eta": ETA, "inner_steps": STEPS, "beta": 0.5},
        STEPS,
    ),
    "per_fedavg, first order": (
        lambda n: algorithms.per_fedavg(n, 0.2),
        reference_personal.per_fedavg,
        {"alpha": 0.2},
        STEPS,
    ),
    "per_fedavg": (
        lambda n: algorithms.per_fedavg(n, 0.2, first_order=False),
        reference_personal.per_fedavg,
        {"alpha": 0.2, "exact": True},
        STEPS,
    ),
    "scaffold": (algorithms.scaffold, reference_drift.scaffold, {}, STEPS),
    "scaffold, server rate": (
        lambda n: with_outer(algorithms.scaffold(n), 0.7),
        reference_drift.scaffold,
        {"server_eta": 0.7},
        STEPS,
    ),
    "feddyn": (lambda n: algorithms.feddyn(n, 0.5), reference_drift.feddyn, {"alpha": 0.5}, STEPS),
    "fedavgm": (
        lambda n: algorithms.fedavgm(n, 0.8, 0.6),
        reference_server.fedavgm,
        {"beta": 0.6, "server_eta": 0.8},
        STEPS,
    ),
    "fedadam": (
        lambda n: algorithms.fedadam(n, 0.1, 0.8, 0.9, 0.01),
        reference_server.fedadam,
        {"server_eta": 0.1, "beta1": 0.8, "beta2": 0.9, "tau": 0.01},
        STEPS,
    ),
    "fedyogi": (
        lambda n: algorithms.fedyogi(n, 0.1, 0.8, 0.9, 0.01),
        reference_server.fedyogi,
        {"server_eta": 0.1, "beta1": 0.8, "beta2": 0.9, "tau": 0.01},
        STEPS,
    ),
    "q_fedavg": (lambda n: algorithms.q_fedavg(n, 0.8, 1 / ETA), reference_server.q_fedavg, {"q": 0.8}, STEPS),
    "moon": (
        lambda n: algorithms.moon(n, 0.9, 0.4),
        reference_features.moon,
        {"mu": 0.9, "temperature": 0.4},
        STEPS,
    ),
    "fedproto": (
        lambda n: algorithms.fedproto(n, 0.7),
        reference_features.fedproto,
        {"lam": 0.7, "distance": "examples"},
        STEPS,
    ),
}
QUICK = ("fedala", "ditto", "apfl, adaptive", "scaffold", "feddyn", "fedadam", "fedproto")
"""Compiled by the quick tests; the others share their structure or have a quick test in tests/laws."""


def problem_of(name: str) -> tuple[Problem, Any]:
    if name in ("moon", "fedproto"):
        return representations(), softmax_loss
    return logistic(), logistic_loss


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_ten_rounds_are_the_papers(name: str) -> None:
    build, reference, settings, steps = CASES[name]
    problem, loss = problem_of(name)
    expected = reference(problem, ROUNDS, **({"eta": ETA, "steps": steps} | settings))
    others = fed.squared_prox if name == "p_fedprox" else fed.norm_prox  # only FedProx's pull is the training's
    trained = train(build(jnp.asarray(problem.sizes)), problem, loss, data_of(problem), steps, regularizer=others)
    assert trained.clients.dtype == np.float64
    np.testing.assert_allclose(trained.clients, clients_of(expected), rtol=0, atol=1e-10)
    if not name.startswith("per_fedavg"):  # the paper steps from the server's next model, the package from the client's
        np.testing.assert_allclose(trained.personal, personal_of(expected), rtol=0, atol=1e-10)


def test_every_algorithm_has_a_reference() -> None:
    assert set(algorithms.__all__) <= set(CASES)
