"""Methods that change the server's step, line by line: FedAvgM, FedAdam, FedYogi, q-FedAvg and q-FedSGD."""

from collections.abc import Callable

import numpy as np

from tests.papers.paper_problem import Problem, Round, Vector, descend


def fedavgm(
    problem: Problem, rounds: int, *, eta: float, steps: int, beta: float, server_eta: float = 1.0
) -> list[Round]:
    """Hsu et al., Measuring the Effects of Non-Identical Data Distribution, 2019, section 4.3.

    Delta w = sum_k n_k / n (w - w_k); v <- beta v + Delta w; w <- w - v.
    """
    history = []
    server = problem.start
    velocity = np.zeros_like(server)
    for _ in range(rounds):
        clients = [descend(problem.gradient[k], server, eta, steps) for k in problem.clients()]
        velocity = beta * velocity + (server - problem.mean(clients))
        server = server - server_eta * velocity
        memory = {"velocity": velocity}
        history.append(Round(np.array(clients), np.array([server for _ in clients]), memory=memory))
    return history


def fedadam(problem: Problem, rounds: int, **settings: float) -> list[Round]:
    """Reddi et al., Adaptive Federated Optimization, ICLR 2021, algorithm 2: v = beta2 v + (1 - beta2) Delta^2."""
    return _fedopt(problem, rounds, lambda v, square, beta2: beta2 * v + (1 - beta2) * square, **settings)


def fedyogi(problem: Problem, rounds: int, **settings: float) -> list[Round]:
    """Reddi et al., algorithm 2: v = v - (1 - beta2) Delta^2 sign(v - Delta^2)."""
    return _fedopt(problem, rounds, lambda v, square, beta2: v - (1 - beta2) * square * np.sign(v - square), **settings)


def _fedopt(
    problem: Problem,
    rounds: int,
    second_moment: Callable[[Vector, Vector, float], Vector],
    *,
    eta: float,
    steps: int,
    server_eta: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
    tau: float = 1e-3,
) -> list[Round]:
    """Delta = mean of (x_i - x); m = beta1 m + (1 - beta1) Delta; v; x <- x + eta m / (sqrt(v) + tau)."""
    history = []
    x = problem.start
    m, v = np.zeros_like(x), np.full_like(x, tau**2)
    for _ in range(rounds):
        clients = [descend(problem.gradient[k], x, eta, int(steps)) for k in problem.clients()]
        change = problem.mean([y - x for y in clients])
        m = beta1 * m + (1 - beta1) * change
        v = second_moment(v, change**2, beta2)
        x = x + server_eta * m / (np.sqrt(v) + tau)
        history.append(Round(np.array(clients), np.array([x for _ in clients]), memory={"m": m, "v": v}))
    return history


def q_fedavg(problem: Problem, rounds: int, *, eta: float, steps: int, q: float) -> list[Round]:
    """Li et al., Fair Resource Allocation in Federated Learning, ICLR 2020, algorithm 2 (q-FedAvg), L = 1 / eta.

    dw_k = L (w^t - w_k); D_k = F_k^q dw_k; h_k = q F_k^{q-1} ||dw_k||^2 + L F_k^q, with F_k at w^t;
    w^{t+1} = w^t - sum_k D_k / sum_k h_k. Devices are drawn with probability p_k: all of them, weighted by p_k.
    """
    history = []
    server = problem.start
    for _ in range(rounds):
        clients, steps_k, curvatures = [], [], []
        for k in problem.clients():
            w = descend(problem.gradient[k], server, eta, steps)
            loss = problem.loss[k](server)
            change = (server - w) / eta
            clients.append(w)
            steps_k.append(loss**q * change)
            curvatures.append(np.array(q * loss ** (q - 1) * (change @ change) + loss**q / eta))
        server = server - problem.mean(steps_k) / problem.mean(curvatures)
        history.append(Round(np.array(clients), np.array([server for _ in clients])))
    return history


def q_fedsgd(problem: Problem, rounds: int, *, lipschitz: float, q: float) -> list[Vector]:
    """Li et al., algorithm 1 (q-FedSGD): the same with dw_k = grad F_k(w^t). Returns the server's weights a round."""
    history = []
    w = problem.start
    for _ in range(rounds):
        numerator, denominator = np.zeros_like(w), 0.0
        for k in problem.clients():
            share, loss, gradient = problem.sizes[k], problem.loss[k](w), problem.gradient[k](w)
            numerator = numerator + share * loss**q * gradient
            denominator += share * (q * loss ** (q - 1) * (gradient @ gradient) + lipschitz * loss**q)
        w = w - numerator / denominator
        history.append(w)
    return history
