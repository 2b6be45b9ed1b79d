"""Symmetries that every transcription has: the order of clients does not matter, nor does a client of size 0."""

from collections.abc import Callable
from functools import partial as fix
from itertools import pairwise

import numpy as np
import pytest

from tests.papers import reference_base as base
from tests.papers import reference_drift as drift
from tests.papers import reference_features as features
from tests.papers import reference_partial as partial
from tests.papers import reference_personal as personal
from tests.papers import reference_server as server
from tests.papers.closed_forms import TRAINING
from tests.papers.paper_problem import Problem, Round, logistic, representations

METHODS: dict[str, Callable[[Problem, int], list[Round]]] = {
    "local": fix(base.local, **TRAINING),
    "fedavg": fix(base.fedavg, **TRAINING),
    "fedprox": fix(base.fedprox, **TRAINING, mu=0.5),
    "p_fedprox": fix(base.p_fedprox, **TRAINING, mu=0.5, self_weight=0.9),
    "fedbn": fix(partial.fedbn, **TRAINING),
    "fedper": fix(partial.fedper, **TRAINING),
    "fedrep": fix(partial.fedrep, **TRAINING, head_steps=2),
    "fedala": fix(partial.fedala, **TRAINING, weight_eta=1.0, first_steps=4, adaptive=("head",)),
    "ditto": fix(personal.ditto, **TRAINING, lam=0.5),
    "apfl": fix(personal.apfl, **TRAINING, alpha=0.3, alpha_eta=0.1),
    "pfedme": fix(personal.pfedme, **TRAINING, lam=2.0, inner_eta=0.1, inner_steps=3, beta=0.8),
    "per_fedavg_fo": fix(personal.per_fedavg, **TRAINING, alpha=0.1),
    "per_fedavg_hf": fix(personal.per_fedavg, **TRAINING, alpha=0.1, delta=0.3),
    "per_fedavg": fix(personal.per_fedavg, **TRAINING, alpha=0.1, exact=True),
    "fedavgm": fix(server.fedavgm, **TRAINING, beta=0.5),
    "fedadam": fix(server.fedadam, **TRAINING, server_eta=0.1),
    "fedyogi": fix(server.fedyogi, **TRAINING, server_eta=0.1),
    "q_fedavg": fix(server.q_fedavg, **TRAINING, q=1.0),
    "scaffold": fix(drift.scaffold, **TRAINING),
    "scaffold_option_1": fix(drift.scaffold, **TRAINING, option=1),
    "feddyn": fix(drift.feddyn, **TRAINING, alpha=0.5),
    "moon": fix(features.moon, **TRAINING, mu=1.0, temperature=0.5),
    "fedproto": fix(features.fedproto, **TRAINING, lam=0.1),
}
SEES_FEATURES = {"moon", "fedproto"}


def problem_of(name: str) -> Problem:
    return representations() if name in SEES_FEATURES else logistic()


def taken(problem: Problem, order: list[int]) -> Problem:
    return problem._replace(
        sizes=problem.sizes[order],
        loss=tuple(problem.loss[k] for k in order),
        gradient=tuple(problem.gradient[k] for k in order),
        hessian=tuple(problem.hessian[k] for k in order) if problem.hessian else (),
        examples=tuple(problem.examples[k] for k in order),
    )


def assert_rows(history: list[Round], rows: list[int], expected: list[Round]) -> None:
    for now, then in zip(history, expected, strict=True):
        for one, other in ((now.clients, then.clients), (now.received, then.received), (now.personal, then.personal)):
            if one is not None:
                np.testing.assert_allclose(one[rows], other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", METHODS)
def test_permuting_clients_permutes_their_models(name: str) -> None:
    order = [2, 0, 3, 1]
    problem, method = problem_of(name), METHODS[name]
    permuted = method(taken(problem, order), 10)
    assert_rows(permuted, list(np.argsort(order)), method(problem, 10))


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"fedproto"}))  # which counts examples and has no sizes
def test_a_client_of_size_0_changes_nobody(name: str) -> None:
    problem, method = problem_of(name), METHODS[name]
    padded = taken(problem, [0, 1, 2, 3, 3])
    padded = padded._replace(sizes=np.append(problem.sizes, 0.0))
    assert_rows(method(padded, 10), [0, 1, 2, 3], method(problem, 10))


@pytest.mark.parametrize("name", METHODS)
def test_ten_rounds_stay_finite_and_move(name: str) -> None:
    problem = problem_of(name)
    history = METHODS[name](problem, 10)
    assert len(history) == 10
    assert all(np.isfinite(moment.clients).all() and np.isfinite(moment.received).all() for moment in history)
    assert all((before.clients != after.clients).any() for before, after in pairwise(history))


def test_no_two_methods_are_the_same() -> None:
    """After ten rounds each pair differs in what clients hold or in their personal models."""
    for group in (sorted(METHODS.keys() - SEES_FEATURES), sorted(SEES_FEATURES)):
        ends = [METHODS[name](problem_of(name), 10)[-1] for name in group]
        shown = [end.clients if end.personal is None else end.personal for end in ends]
        for i, one in enumerate(shown):
            assert all(abs(one - other).max() > 1e-6 for other in shown[:i]), group[i]
