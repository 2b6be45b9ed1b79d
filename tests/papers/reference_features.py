"""Methods that look at representations z = x body, line by line: MOON and FedProto (on ``representations()``)."""

import numpy as np

from tests.papers.paper_problem import Examples, Problem, Round, Vector, cross_entropy


def moon(problem: Problem, rounds: int, *, eta: float, steps: int, mu: float, temperature: float) -> list[Round]:
    """Li et al., Model-Contrastive Federated Learning, CVPR 2021, algorithm 1 and eq. 3.

    l = l_sup + mu l_con, l_con = -log(e^{s_g / tau} / (e^{s_g / tau} + e^{s_p / tau})), s_g = cos(z, z_glob),
    s_p = cos(z, z_prev); z_glob of the received model, z_prev of the client's own last one. Server: mean by size.
    """
    history = []
    server = problem.start
    previous = [problem.start for _ in problem.clients()]
    for _ in range(rounds):
        clients = []
        for k in problem.clients():
            w = server
            for _ in range(steps):
                dz = mu * contrast(w, server, previous[k], problem.examples[k].inputs, temperature)[1]
                w = w - eta * cross_entropy(w, problem.examples[k], dz)[1]
            clients.append(w)
        previous = clients
        server = problem.mean(clients)
        history.append(Round(np.array(clients), np.array([server for _ in clients])))
    return history


def contrast(w: Vector, server: Vector, previous: Vector, x: Vector, temperature: float) -> tuple[float, Vector]:
    """The mean of l_con over examples, and its gradient with respect to z [n, 2]."""
    z, z_glob, z_prev = (x @ model[:8].reshape(4, 2) for model in (w, server, previous))
    total, dz = 0.0, np.zeros_like(z)
    for i in range(len(z)):
        s_g, ds_g = _cosine(z[i], z_glob[i])
        s_p, ds_p = _cosine(z[i], z_prev[i])
        total += np.log(1 + np.exp((s_p - s_g) / temperature))
        share = 1 / (1 + np.exp((s_g - s_p) / temperature))  # d l_con / d (s_p - s_g), times the temperature
        dz[i] = share * (ds_p - ds_g) / temperature
    return total / len(z), dz / len(z)


def _cosine(a: Vector, b: Vector) -> tuple[float, Vector]:
    """cos(a, b) and its gradient with respect to a."""
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    cosine = float(a @ b / norms)
    return cosine, b / norms - cosine * a / (a @ a)


def fedproto(
    problem: Problem, rounds: int, *, eta: float, steps: int, lam: float, distance: str = "squared"
) -> list[Round]:
    """Tan et al., FedProto: Federated Prototype Learning across Heterogeneous Clients, AAAI 2022, algorithm 1.

    Eq. 3: C_kj = mean of z over client k's examples of class j; eq. 7: L = L_S + lambda sum_j d(C_kj, C_j); eq. 6:
    C_j = sum_k n_kj C_kj / sum_k n_kj. ``memory``: ``prototypes`` [3, 2] after the round.
    """
    history = []
    w = [problem.start for _ in problem.clients()]
    prototypes: dict[int, Vector] = {}
    for _ in range(rounds):
        for k in problem.clients():
            for _ in range(steps):
                dz = lam * pull(w[k], problem.examples[k], prototypes, distance)[1]
                w[k] = w[k] - eta * cross_entropy(w[k], problem.examples[k], dz)[1]
        for j in range(3):
            total, count = np.zeros(2), 0
            for k in problem.clients():
                x, y = problem.examples[k]
                total = total + (x[y == j] @ w[k][:8].reshape(4, 2)).sum(axis=0)
                count += int((y == j).sum())
            prototypes[j] = total / count
        memory = {"prototypes": np.array([prototypes[j] for j in range(3)])}
        history.append(Round(np.array(w), np.array(w), memory=memory))
    return history


def pull(w: Vector, examples: Examples, prototypes: dict[int, Vector], distance: str) -> tuple[float, Vector]:
    """L_R and its gradient with respect to z [n, 2]; 0 without prototypes."""
    x, y = examples
    z = x @ w[:8].reshape(4, 2)
    total, dz = 0.0, np.zeros_like(z)
    for j, prototype in prototypes.items():
        of_class = y == j
        count = of_class.sum()
        if count == 0:
            continue
        if distance == "examples":
            total += ((z[of_class] - prototype) ** 2).sum() / z.size
            dz[of_class] = 2 * (z[of_class] - prototype) / z.size
            continue
        gap = z[of_class].mean(axis=0) - prototype
        if distance == "squared":
            total += gap @ gap
            dz[of_class] = 2 * gap / count
        else:
            length = float(np.linalg.norm(gap))
            total += length
            dz[of_class] = gap / length / count
    return float(total), dz
