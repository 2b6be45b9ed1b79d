"""Facts about the transcriptions that share a part of the weights or hold a personal model."""

import numpy as np
import pytest

from tests.papers import reference_base as base
from tests.papers import reference_partial as partial
from tests.papers import reference_personal as personal
from tests.papers.closed_forms import SCALAR, TRAINING, C, H, N, assert_same, limit, minimiser
from tests.papers.paper_problem import logistic, quadratic, slope

CONVEX = logistic()
GROUPS = ("body", "head", "norm")


def test_per_fedavg_on_quadratics_and_without_inner_step() -> None:
    expected = base.fedavg(CONVEX, 5, **TRAINING)
    for variant in ({}, {"delta": 1e-3}, {"exact": True}):
        assert_same(personal.per_fedavg(CONVEX, 5, **TRAINING, alpha=0.0, **variant), expected)
    alpha = 0.25
    for variant, power in (({}, 1), ({"delta": 0.1}, 2), ({"exact": True}, 2)):  # differences of lines are exact
        history = personal.per_fedavg(SCALAR, 400, eta=0.2, steps=1, alpha=alpha, **variant)
        reached = limit(history)
        np.testing.assert_allclose(reached, minimiser(N * H * (1 - alpha * H) ** power), atol=1e-9)
        np.testing.assert_allclose(history[-1].personal[:, 0], reached - alpha * H * (reached - C), atol=1e-9)


@pytest.mark.parametrize("variant", [{"delta": 1e-4}, {"exact": True}])
def test_per_fedavg_descends_the_meta_loss(variant: dict[str, float]) -> None:
    gradient, loss, alpha = CONVEX.gradient[0], CONVEX.loss[0], 0.3
    alone = CONVEX._replace(sizes=CONVEX.sizes[:1], loss=CONVEX.loss[:1], gradient=CONVEX.gradient[:1])
    after = personal.per_fedavg(alone, 1, eta=0.1, steps=1, alpha=alpha, **variant)[0].clients[0]
    meta = slope(lambda w: loss(w - alpha * gradient(w)), alone.start)
    np.testing.assert_allclose((alone.start - after) / 0.1, meta, atol=1e-7)


def test_ditto_without_pull_is_local_and_with_it_between() -> None:
    history = personal.ditto(CONVEX, 5, **TRAINING, lam=0.0)
    np.testing.assert_allclose(history[-1].personal, base.local(CONVEX, 5, **TRAINING)[-1].clients, atol=1e-13)
    pulled = personal.ditto(SCALAR, 300, eta=0.2, steps=5, lam=0.7)
    assert_same(pulled, base.fedavg(SCALAR, 300, eta=0.2, steps=5))
    np.testing.assert_allclose(pulled[-1].personal[:, 0], (H * C + 0.7 * limit(pulled)) / (H + 0.7), atol=1e-10)


def test_apfl_is_fedavg_at_0_and_local_at_1() -> None:
    expected = base.fedavg(CONVEX, 5, **TRAINING)
    none, full = (personal.apfl(CONVEX, 5, **TRAINING, alpha=alpha) for alpha in (0.0, 1.0))
    assert_same(none, expected)
    assert_same(full, expected)
    np.testing.assert_allclose(none[-1].personal, expected[-1].clients, atol=1e-13)
    np.testing.assert_allclose(full[-1].personal, base.local(CONVEX, 5, **TRAINING)[-1].clients, atol=1e-13)


def test_apfl_mixture_settles_at_each_clients_optimum() -> None:
    history = personal.apfl(SCALAR, 3000, eta=0.2, steps=1, alpha=0.5)
    mixture = 0.5 * history[-1].memory["v"][:, 0] + 0.5 * limit(history)
    np.testing.assert_allclose(mixture, C, atol=1e-9)


def test_apfl_follows_the_chain_rule() -> None:
    v = personal.apfl(SCALAR, 1, eta=0.2, steps=1, alpha=0.3)[0].memory["v"]
    np.testing.assert_allclose(v[:, 0], 0.2 * 0.3 * H * C)  # from 0


def test_apfl_moves_alpha_down_the_loss() -> None:
    before, after = personal.apfl(CONVEX, 2, eta=0.2, steps=1, alpha=0.4, alpha_eta=0.05)
    for k in CONVEX.clients():
        v, w, alpha = before.memory["v"][k], before.received[k], before.memory["alpha"][k]
        expected = slope(lambda a, k=k, v=v, w=w: CONVEX.loss[k](a * v + (1 - a) * w), np.array([alpha]))[0]
        assert (alpha - after.memory["alpha"][k]) / 0.05 == pytest.approx(expected, abs=1e-7)
        assert abs(expected) > 1e-5
    assert personal.apfl(CONVEX, 9, **TRAINING, alpha=0.4, alpha_eta=99.0)[-1].memory["alpha"].max() <= 1


@pytest.mark.parametrize("warm", [False, True])
def test_pfedme_descends_the_moreau_envelope(warm: bool) -> None:
    """With its inner problem solved, it is FedAvg on curvatures h lambda / (h + lambda)."""
    lam = 2.0
    inner = {"lam": lam, "inner_eta": 0.2, "inner_steps": 200, "warm": warm}
    history = personal.pfedme(SCALAR, 6, **TRAINING, **inner)
    envelopes = quadratic(list(H * lam / (H + lam)), list(C), list(N))
    assert_same(history, base.fedavg(envelopes, 6, **TRAINING))
    last_start = base.fedavg(envelopes, 5, **TRAINING)[-1].received[:, 0]
    before_last = C + (last_start - C) * (1 - 0.2 * H * lam / (H + lam)) ** 2
    np.testing.assert_allclose(history[-1].personal[:, 0], (H * C + lam * before_last) / (H + lam), atol=1e-12)
    half = personal.pfedme(SCALAR, 1, **TRAINING, **inner, beta=0.5)[0]
    np.testing.assert_allclose(half.received, history[0].received / 2, atol=1e-13)  # from 0


def test_pfedme_with_one_inner_step_is_gradient_descent_unless_warm() -> None:
    settings = {"eta": 0.3, "steps": 3, "lam": 2.0, "inner_eta": 0.2, "inner_steps": 1}
    expected = base.fedavg(CONVEX, 4, eta=0.3 * 2.0 * 0.2, steps=3)
    assert_same(personal.pfedme(CONVEX, 4, **settings), expected)
    warm = personal.pfedme(CONVEX, 4, **settings, warm=True)
    assert abs(warm[0].clients - expected[0].clients).max() > 1e-3


def test_shared_parts_reduce_to_fedavg_and_local() -> None:
    fedavg, local = base.fedavg(CONVEX, 5, **TRAINING), base.local(CONVEX, 5, **TRAINING)
    assert_same(partial.fedbn(CONVEX, 5, **TRAINING, norm=()), fedavg)
    assert_same(partial.fedbn(CONVEX, 5, **TRAINING, norm=GROUPS), local)
    assert_same(partial.fedper(CONVEX, 5, **TRAINING, head=()), fedavg)
    assert_same(partial.fedper(CONVEX, 5, **TRAINING, head=GROUPS), local)
    assert_same(partial.fedper(CONVEX, 5, **TRAINING, head=("norm",)), partial.fedbn(CONVEX, 5, **TRAINING))
    assert_same(partial.fedrep(CONVEX, 5, **TRAINING, head_steps=7, head=()), fedavg)
    assert_same(partial.fedrep(CONVEX, 5, eta=0.2, steps=7, head_steps=3, head=GROUPS), local)


def test_fedrep_moves_one_part_at_a_time() -> None:
    only_head = partial.fedrep(CONVEX, 1, eta=0.2, steps=0, head_steps=2)[0].clients
    both = partial.fedrep(CONVEX, 1, eta=0.2, steps=2, head_steps=2)[0].clients
    head = CONVEX.belongs("head") == 1
    np.testing.assert_array_equal(only_head[:, ~head], [CONVEX.start[~head]] * 4)
    np.testing.assert_array_equal(only_head[:, head], both[:, head])
    assert (only_head[:, ~head] != both[:, ~head]).all()


def test_fedala_without_adaptation_is_fedavg() -> None:
    expected = base.fedavg(CONVEX, 5, **TRAINING)
    assert_same(partial.fedala(CONVEX, 5, **TRAINING, weight_eta=0.0, first_steps=9), expected)
    assert_same(partial.fedala(CONVEX, 5, **TRAINING, weight_eta=1.0, first_steps=9, adaptive=()), expected)
    adapted = partial.fedala(CONVEX, 5, **TRAINING, weight_eta=1.0, first_steps=9)[-1].memory["weights"]
    body = CONVEX.belongs("body") == 1
    assert (adapted[:, body] == 1).all()
    assert (adapted[:, ~body] < 1).any()
    assert (adapted >= 0).all()


def test_fedala_starts_at_the_best_point_between_own_and_global() -> None:
    """Optima 0, 4, 10 and a heavy last client: own models 0, 2, 5 after a round, global almost 5."""
    three = quadratic([1.0] * 3, [0.0, 4.0, 10.0], [1.0, 1.0, 1000.0])
    history = partial.fedala(three, 2, eta=0.5, steps=1, weight_eta=0.2, first_steps=500, adaptive=("w",))
    mean = history[0].received[0, 0]
    assert 4.9 < mean < 5
    # The first stays at its optimum, the second stops at its own between, the last keeps its own (beyond the mean).
    np.testing.assert_allclose(history[1].memory["start"][:, 0], [0, 4, 5], atol=1e-9)


def test_fedala_updates_its_weights_once_in_each_later_round() -> None:
    second, third = partial.fedala(CONVEX, 3, **TRAINING, weight_eta=1.0, first_steps=2)[1:]
    gap = second.received - second.clients
    for k in CONVEX.clients():
        mixed = second.clients[k] + second.memory["weights"][k] * gap[k]
        step = CONVEX.gradient[k](mixed) * gap[k] * (1 - CONVEX.belongs("body"))
        expected = np.clip(second.memory["weights"][k] - step, 0, 1)
        np.testing.assert_allclose(third.memory["weights"][k], expected, atol=1e-13)
    assert (third.memory["weights"] != second.memory["weights"]).any()
