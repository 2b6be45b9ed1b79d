"""Methods that share a part of the weights, line by line: FedBN, FedPer, FedRep, FedALA."""

import numpy as np

from tests.papers.paper_problem import Problem, Round, descend


def fedbn(problem: Problem, rounds: int, *, eta: float, steps: int, norm: tuple[str, ...] = ("norm",)) -> list[Round]:
    """Li et al., FedBN: Federated Learning on Non-IID Features via Local Batch Normalization, ICLR 2021, algorithm 1.

    w_k <- SGD(w_k) on all weights; for each layer l that is no normalisation, w_k^l <- (1/K) sum_j w_j^l;
    normalisation layers are left as they are.
    """
    history = []
    own = problem.belongs(*norm)
    w = [problem.start for _ in problem.clients()]
    for _ in range(rounds):
        trained = [descend(problem.gradient[k], w[k], eta, steps) for k in problem.clients()]
        average = problem.mean(trained)
        w = [own * trained[k] + (1 - own) * average for k in problem.clients()]
        history.append(Round(np.array(trained), np.array(w)))
    return history


def fedper(problem: Problem, rounds: int, *, eta: float, steps: int, head: tuple[str, ...] = ("head",)) -> list[Round]:
    """Arivazhagan et al., Federated Learning with Personalization Layers, 2019, algorithms 1 and 2.

    Client: (W_B, W_Pk) <- SGD of both together. Server: W_B <- sum_k n_k / n W_Bk. W_Pk never leaves the client.
    """
    history = []
    personal = problem.belongs(*head)
    base = problem.start * (1 - personal)
    heads = [problem.start * personal for _ in problem.clients()]
    for _ in range(rounds):
        trained = [descend(problem.gradient[k], base + heads[k], eta, steps) for k in problem.clients()]
        heads = [w * personal for w in trained]
        base = problem.mean(trained) * (1 - personal)
        history.append(Round(np.array(trained), np.array([base + h for h in heads])))
    return history


def fedrep(
    problem: Problem,
    rounds: int,
    *,
    eta: float,
    steps: int,
    head_steps: int,
    head: tuple[str, ...] = ("head",),
) -> list[Round]:
    """Collins et al., Exploiting Shared Representations for Personalized Federated Learning, ICML 2021, algorithm 1.

    Client: for s = 1 .. tau: h_i <- GRD(f_i(h_i, phi^t), h_i); then phi_i <- GRD(f_i(h_i, phi^t), phi^t), which
    ``steps`` repeats. Server: phi^{t+1} <- mean of phi_i. The head h_i starts from the client's last one.
    """
    history = []
    is_head = problem.belongs(*head)
    phi = problem.start
    heads = [problem.start for _ in problem.clients()]
    for _ in range(rounds):
        trained = []
        for k in problem.clients():
            w = is_head * heads[k] + (1 - is_head) * phi
            for _ in range(head_steps):
                w = w - eta * is_head * problem.gradient[k](w)
            for _ in range(steps):
                w = w - eta * (1 - is_head) * problem.gradient[k](w)
            trained.append(w)
        heads = trained
        phi = problem.mean(trained)
        received = [is_head * h + (1 - is_head) * phi for h in heads]
        history.append(Round(np.array(trained), np.array(received)))
    return history


def fedala(
    problem: Problem,
    rounds: int,
    *,
    eta: float,
    steps: int,
    weight_eta: float,
    first_steps: int,
    adaptive: tuple[str, ...] = ("head", "norm"),
) -> list[Round]:
    """Zhang et al., FedALA: Adaptive Local Aggregation for Personalized Federated Learning, AAAI 2023, algorithm 1.

    start_i = own_i + A_i * (global - own_i), with A_i = 1 outside the adaptive (upper) layers; A_i <- A_i - eta
    grad_{A_i} L_i(start_i), clipped to [0, 1], where grad_{A_i} L_i = grad L_i(start_i) * (global - own_i). In the
    first round where global and own differ A_i is trained until it settles (``first_steps``), later once a round.
    Then local training from start_i; the server averages. ``memory``: A [K, d] and this round's ``start`` [K, d].
    """
    history = []
    is_adaptive = problem.belongs(*adaptive)
    server = problem.start
    own = [problem.start for _ in problem.clients()]
    weights = [np.ones_like(problem.start) for _ in problem.clients()]
    for t in range(rounds):
        updates = 0 if t == 0 else first_steps if t == 1 else 1
        starts = []
        for k in problem.clients():
            difference = server - own[k]
            start = own[k] + weights[k] * difference
            for _ in range(updates):
                slope = problem.gradient[k](start) * difference * is_adaptive
                weights[k] = np.clip(weights[k] - weight_eta * slope, 0, 1)
                start = own[k] + weights[k] * difference
            starts.append(start)
        own = [descend(problem.gradient[k], starts[k], eta, steps) for k in problem.clients()]
        server = problem.mean(own)
        memory = {"weights": np.array(weights), "start": np.array(starts)}
        history.append(Round(np.array(own), np.array([server for _ in own]), memory=memory))
    return history
