"""Local training, FedAvg, FedProx and P-FedProx, line by line."""

import numpy as np

from tests.papers.paper_problem import Problem, Round, descend


def local(problem: Problem, rounds: int, *, eta: float, steps: int) -> list[Round]:
    """Every client trains alone."""
    history = []
    w = [problem.start for _ in problem.clients()]
    for _ in range(rounds):
        w = [descend(problem.gradient[k], w[k], eta, steps) for k in problem.clients()]
        history.append(Round(np.array(w), np.array(w)))
    return history


def fedavg(problem: Problem, rounds: int, *, eta: float, steps: int) -> list[Round]:
    """McMahan et al., Communication-Efficient Learning of Deep Networks, AISTATS 2017, algorithm 1.

    ClientUpdate: w <- w - eta grad f_k(w), E times; server: w_{t+1} <- sum_k n_k / n w_{t+1}^k.
    """
    history = []
    server = problem.start
    for _ in range(rounds):
        clients = [descend(problem.gradient[k], server, eta, steps) for k in problem.clients()]
        server = problem.mean(clients)
        history.append(Round(np.array(clients), np.array([server for _ in clients])))
    return history


def fedprox(problem: Problem, rounds: int, *, eta: float, steps: int, mu: float) -> list[Round]:
    """Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020, algorithm 2.

    w_k^{t+1} minimises h_k(w; w^t) = F_k(w) + mu / 2 ||w - w^t||^2 (inexactly: gradient steps); the server averages.
    """
    history = []
    server = problem.start
    for _ in range(rounds):
        clients = []
        for k in problem.clients():
            w = server
            for _ in range(steps):
                w = w - eta * (problem.gradient[k](w) + mu * (w - server))
            clients.append(w)
        server = problem.mean(clients)
        history.append(Round(np.array(clients), np.array([server for _ in clients])))
    return history


def p_fedprox(problem: Problem, rounds: int, *, eta: float, steps: int, mu: float, self_weight: float) -> list[Round]:
    """FED-PsyAU, ICCV 2025: lambda w_k + (1 - lambda) sum_{j != k} n_j w_j / sum_{j != k} n_j, then FedProx's steps."""
    history = []
    received = [problem.start for _ in problem.clients()]
    for _ in range(rounds):
        clients = []
        for k in problem.clients():
            w = received[k]
            for _ in range(steps):
                w = w - eta * (problem.gradient[k](w) + mu * (w - received[k]))
            clients.append(w)
        received = []
        for k in problem.clients():
            others = [j for j in problem.clients() if j != k]
            total = sum(problem.sizes[j] for j in others)
            mean = sum(problem.sizes[j] / total * clients[j] for j in others)
            received.append(self_weight * clients[k] + (1 - self_weight) * mean)
        history.append(Round(np.array(clients), np.array(received)))
    return history
