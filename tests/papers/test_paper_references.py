"""Facts about the transcriptions that need no other code: closed forms on quadratics, special cases, symmetries."""

import numpy as np
import pytest

from tests.papers import reference_base as base
from tests.papers import reference_drift as drift
from tests.papers import reference_server as server
from tests.papers.closed_forms import SCALAR, TRAINING, C, H, N, assert_same, limit, minimiser
from tests.papers.paper_problem import Problem, logistic, quadratic, representations, slope

CONVEX, DEEP = logistic(), representations()


@pytest.mark.parametrize("problem", [SCALAR, CONVEX, DEEP], ids=["quadratic", "logistic", "representations"])
def test_gradients_are_those_of_the_losses(problem: Problem) -> None:
    for k in problem.clients():
        for w in (problem.start, problem.start + 0.3):
            np.testing.assert_allclose(problem.gradient[k](w), slope(problem.loss[k], w), atol=1e-8)
            for i, hessian in enumerate(problem.hessian[k](w) if problem.hessian else ()):
                row = slope(lambda w, k=k, i=i: problem.gradient[k](w)[i], w)
                np.testing.assert_allclose(hessian, row, atol=1e-7)


def test_named_groups_partition_the_vector() -> None:
    assert {name: part.shape for name, part in DEEP.named(DEEP.start).items()} == {"body": (4, 2), "head": (2, 3)}
    assert CONVEX.belongs("head").tolist() == [0, 0, 1, 1, 0]
    np.testing.assert_array_equal(sum(CONVEX.belongs(name) for name in CONVEX.shapes), np.ones(5))


@pytest.mark.parametrize("steps", [1, 5])
def test_fedavg_settles_at_the_mean_weighted_by_how_far_clients_get(steps: int) -> None:
    """One step's fixed point is the minimiser of the sum, E steps' is biased: factors 1 - (1 - eta h)^E, not eta h."""
    reached = limit(base.fedavg(SCALAR, 200, eta=0.2, steps=steps))
    np.testing.assert_allclose(reached, minimiser(N * (1 - (1 - 0.2 * H) ** steps)), atol=1e-12)
    assert (abs(reached - minimiser(N * H)) > 0.05).all() == (steps > 1)


def test_fedprox_settles_at_its_own_closed_form() -> None:
    mu, eta, steps = 0.7, 0.2, 5
    factors = (1 - (1 - eta * (H + mu)) ** steps) * H / (H + mu)
    reached = limit(base.fedprox(SCALAR, 300, eta=eta, steps=steps, mu=mu))
    np.testing.assert_allclose(reached, minimiser(N * factors), atol=1e-12)
    assert_same(base.fedprox(CONVEX, 5, **TRAINING, mu=0.0), base.fedavg(CONVEX, 5, **TRAINING))


def test_p_fedprox_lies_between_local_and_fedavg() -> None:
    assert_same(
        base.p_fedprox(CONVEX, 5, **TRAINING, mu=0.0, self_weight=1.0),
        base.local(CONVEX, 5, **TRAINING),
    )
    even = CONVEX.uniform()
    assert_same(
        base.p_fedprox(even, 5, **TRAINING, mu=0.4, self_weight=1 / 4), base.fedprox(even, 5, **TRAINING, mu=0.4)
    )


@pytest.mark.parametrize("option", [1, 2])
def test_scaffold_settles_at_the_minimiser_of_the_sum(option: int) -> None:
    def settles(problem: Problem, **more) -> np.ndarray:
        return limit(drift.scaffold(problem, 400, eta=0.1, steps=5, option=option, **more))

    np.testing.assert_allclose(settles(SCALAR), minimiser(N * H), atol=1e-10)
    np.testing.assert_allclose(settles(SCALAR.uniform()), minimiser(H), atol=1e-10)
    # Where only the models are weighted by size, the variates decide.
    np.testing.assert_allclose(settles(SCALAR, control=np.ones(4)), minimiser(H), atol=1e-10)


def test_scaffold_without_drift_is_fedavg_and_its_options_agree_for_one_step() -> None:
    assert_same(drift.scaffold(CONVEX, 1, **TRAINING), base.fedavg(CONVEX, 1, **TRAINING))
    alike = quadratic([2.0] * 3, [1.5] * 3, [1.0, 5.0, 2.0])
    assert_same(drift.scaffold(alike, 6, **TRAINING), base.fedavg(alike, 6, **TRAINING))
    options = [drift.scaffold(CONVEX, 6, eta=0.2, steps=1, option=option) for option in (1, 2)]
    assert_same(*options)
    assert not np.allclose(options[0][-1].received, base.fedavg(CONVEX, 6, **TRAINING)[-1].received)


def test_scaffold_server_variate_stays_the_mean_of_the_clients() -> None:
    for moment in drift.scaffold(CONVEX, 6, **TRAINING):
        np.testing.assert_allclose(moment.memory["c"], CONVEX.mean(moment.memory["c_k"]), atol=1e-13)


def test_feddyn_settles_at_the_minimiser_of_the_sum() -> None:
    history = drift.feddyn(SCALAR, 600, eta=0.1, steps=5, alpha=1.0)
    np.testing.assert_allclose(limit(history), minimiser(N * H), atol=1e-9)
    np.testing.assert_allclose(history[-1].memory["g_k"][:, 0], H * (minimiser(N * H) - C), atol=1e-9)
    even = drift.feddyn(SCALAR.uniform(), 600, eta=0.1, steps=5, alpha=1.0)
    np.testing.assert_allclose(limit(even), minimiser(H), atol=1e-9)
    for moment in history[:5]:
        np.testing.assert_allclose(moment.memory["h"], SCALAR.mean(moment.memory["g_k"]), atol=1e-12)


def test_feddyn_first_goes_twice_as_far_as_fedprox() -> None:
    """Duals are 0 before, and h = -alpha (mean - start) after the first round."""
    one_round = drift.feddyn(CONVEX, 1, **TRAINING, alpha=0.6)[0]
    expected = base.fedprox(CONVEX, 1, **TRAINING, mu=0.6)[0]
    np.testing.assert_allclose(one_round.clients, expected.clients, atol=1e-13)
    np.testing.assert_allclose(one_round.received, 2 * expected.received - CONVEX.start, atol=1e-13)


def test_server_optimisers_that_only_average_are_fedavg() -> None:
    expected = base.fedavg(CONVEX, 6, **TRAINING)
    assert_same(server.fedavgm(CONVEX, 6, **TRAINING, beta=0.0), expected)
    frozen = {"beta1": 0.0, "beta2": 1.0, "tau": 0.3, "server_eta": 0.6}  # sqrt(v) + tau = 2 tau
    assert_same(server.fedadam(CONVEX, 6, **TRAINING, **frozen), expected)
    assert_same(server.fedyogi(CONVEX, 6, **TRAINING, **frozen), expected)


def test_fedavgm_is_a_heavy_ball_on_quadratics() -> None:
    beta, rate = 0.5, float((N * (1 - (1 - 0.2 * H) ** 3)).sum() / N.sum())
    target = minimiser(N * (1 - (1 - 0.2 * H) ** 3))
    history = server.fedavgm(SCALAR, 8, **TRAINING, beta=beta)
    w = [0.0, 0.0, *(moment.received[0, 0] for moment in history)]
    for before, now, after in zip(w, w[1:], w[2:], strict=False):
        assert after == pytest.approx(now - rate * (now - target) + beta * (now - before), abs=1e-13)


def test_fedadam_and_fedyogi_by_hand() -> None:
    """One client, one step of length 1 with curvature 1 from 0 to c = 2: Delta = 2, then 2 - x."""
    one = quadratic([1.0], [2.0], [1.0])
    settings = {"eta": 1.0, "steps": 1, "server_eta": 0.5, "beta1": 0.5, "beta2": 0.75, "tau": 0.1}
    x_adam = 0.5 * 1.0 / (np.sqrt(0.75 * 0.01 + 0.25 * 4) + 0.1)
    adam = server.fedadam(one, 1, **settings)[0]
    np.testing.assert_allclose(adam.received, [[x_adam]])
    x = 0.5 * 1.0 / (np.sqrt(0.01 + 0.25 * 4) + 0.1)
    change, v = 2 - x, 0.01 + 0.25 * 4
    v = v - 0.25 * change**2 * np.sign(v - change**2)
    x = x + 0.5 * (0.5 * 1.0 + 0.5 * change) / (np.sqrt(v) + 0.1)
    np.testing.assert_allclose(server.fedyogi(one, 2, **settings)[1].received, [[x]])


def test_q_fedavg_without_fairness_is_fedavg_and_with_one_step_q_fedsgd() -> None:
    assert_same(server.q_fedavg(CONVEX, 6, **TRAINING, q=0.0), base.fedavg(CONVEX, 6, **TRAINING))
    one_step = server.q_fedavg(CONVEX, 6, eta=0.2, steps=1, q=1.5)
    expected = server.q_fedsgd(CONVEX, 6, lipschitz=5.0, q=1.5)
    for moment, w in zip(one_step, expected, strict=True):
        np.testing.assert_allclose(moment.received, [w] * 4, rtol=1e-12)


def test_q_fedavg_settles_where_the_powered_losses_balance() -> None:
    """Sum_k n_k F_k^q grad F_k = 0; and the worst client's loss falls as q rises."""
    worst = []
    for q in (0.0, 1.0, 4.0):
        w = server.q_fedsgd(SCALAR, 3000, lipschitz=3.0, q=q)[-1]
        loss = np.array([f(w) for f in SCALAR.loss])
        balance = N * loss**q * H * (w - C)
        assert abs(balance.sum()) < 1e-8 * abs(balance).sum()
        worst.append(loss.max())
    assert worst[0] > worst[1] > worst[2]
