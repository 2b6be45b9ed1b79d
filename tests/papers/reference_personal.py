"""Methods with a personal model beside the global one, line by line: Ditto, APFL, pFedMe, Per-FedAvg."""

import numpy as np

from tests.papers.paper_problem import Problem, Round, descend


def ditto(problem: Problem, rounds: int, *, eta: float, steps: int, lam: float) -> list[Round]:
    """Li et al., Ditto: Fair and Robust Federated Learning Through Personalization, ICML 2021, algorithm 1.

    w_k trains from w^t for the global objective; v_k <- v_k - eta (grad F_k(v_k) + lambda (v_k - w^t)), s times;
    w^{t+1} aggregates the w_k.
    """
    history = []
    server = problem.start
    v = [problem.start for _ in problem.clients()]
    for _ in range(rounds):
        clients = [descend(problem.gradient[k], server, eta, steps) for k in problem.clients()]
        for k in problem.clients():
            for _ in range(steps):
                v[k] = v[k] - eta * (problem.gradient[k](v[k]) + lam * (v[k] - server))
        server = problem.mean(clients)
        history.append(Round(np.array(clients), np.array([server for _ in clients]), np.array(v)))
    return history


def apfl(problem: Problem, rounds: int, *, eta: float, steps: int, alpha: float, alpha_eta: float = 0.0) -> list[Round]:
    """Deng et al., Adaptive Personalized Federated Learning, 2020, algorithm 1, and its rule for an adaptive alpha.

    w_i <- w_i - eta grad f_i(w_i); v_i <- v_i - eta grad_v f_i(m_i), m_i = alpha_i v_i + (1 - alpha_i) w_i, so
    grad_v = alpha_i grad f_i(m_i); alpha_i <- alpha_i - eta_alpha <v_i - w_i, grad f_i(m_i)>. Every tau steps w_i
    becomes the mean of all. ``memory``: v [K, d] and alpha [K].
    """
    history = []
    server = problem.start
    v = [problem.start for _ in problem.clients()]
    alphas = [alpha for _ in problem.clients()]
    for _ in range(rounds):
        clients, mixtures = [], []
        for k in problem.clients():
            w = server
            for _ in range(steps):
                at_mixture = problem.gradient[k](alphas[k] * v[k] + (1 - alphas[k]) * w)
                new_w = w - eta * problem.gradient[k](w)
                new_v = v[k] - eta * alphas[k] * at_mixture
                alphas[k] = float(np.clip(alphas[k] - alpha_eta * ((v[k] - w) @ at_mixture), 0, 1))
                w, v[k] = new_w, new_v
            clients.append(w)
            mixtures.append(alphas[k] * v[k] + (1 - alphas[k]) * w)
        server = problem.mean(clients)
        memory = {"v": np.array(v), "alpha": np.array(alphas)}
        history.append(Round(np.array(clients), np.array([server for _ in clients]), np.array(mixtures), memory))
    return history


def pfedme(
    problem: Problem,
    rounds: int,
    *,
    eta: float,
    steps: int,
    lam: float,
    inner_eta: float,
    inner_steps: int,
    beta: float = 1.0,
    warm: bool = False,
) -> list[Round]:
    """T. Dinh et al., Personalized Federated Learning with Moreau Envelopes, NeurIPS 2020, algorithm 1.

    w_{i,0} = w_t; R times: theta_i minimises f_i(theta) + lambda / 2 ||theta - w_{i,r}||^2 (inexactly), then
    w_{i,r+1} = w_{i,r} - eta lambda (w_{i,r} - theta_i); server: w_{t+1} = (1 - beta) w_t + beta mean of w_{i,R}.
    """
    history = []
    server = problem.start
    for _ in range(rounds):
        clients, personal = [], []
        for k in problem.clients():
            w = theta = server
            for _ in range(steps):
                theta = theta if warm else w
                for _ in range(inner_steps):
                    theta = theta - inner_eta * (problem.gradient[k](theta) + lam * (theta - w))
                w = w - eta * lam * (w - theta)
            clients.append(w)
            personal.append(theta)
        server = (1 - beta) * server + beta * problem.mean(clients)
        history.append(Round(np.array(clients), np.array([server for _ in clients]), np.array(personal)))
    return history


def per_fedavg(
    problem: Problem,
    rounds: int,
    *,
    eta: float,
    steps: int,
    alpha: float,
    delta: float | None = None,
    exact: bool = False,
) -> list[Round]:
    """Fallah et al., Personalized Federated Learning with Theoretical Guarantees (Per-FedAvg), NeurIPS 2020, alg. 1.

    u = w - alpha grad f(w); w <- w - eta (I - alpha hess f(w)) grad f(u); the server averages.
    ``exact``: as written; without it and without ``delta`` the first-order variant FO, which drops the Hessian; with
    ``delta`` HF, where hess f(w) g is (grad f(w + delta g) - grad f(w - delta g)) / (2 delta).
    """
    history = []
    server = problem.start
    for _ in range(rounds):
        clients = []
        for k in problem.clients():
            gradient = problem.gradient[k]
            w = server
            for _ in range(steps):
                g = gradient(w - alpha * gradient(w))
                if exact:
                    g = g - alpha * problem.hessian[k](w) @ g
                elif delta is not None:
                    g = g - alpha * (gradient(w + delta * g) - gradient(w - delta * g)) / (2 * delta)
                w = w - eta * g
            clients.append(w)
        server = problem.mean(clients)
        personal = [server - alpha * problem.gradient[k](server) for k in problem.clients()]
        history.append(Round(np.array(clients), np.array([server for _ in clients]), np.array(personal)))
    return history
