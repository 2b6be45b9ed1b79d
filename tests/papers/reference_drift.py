"""Methods that correct the clients' drift, line by line: SCAFFOLD and FedDyn."""

import numpy as np

from tests.papers.paper_problem import Problem, Round, Vector


def scaffold(
    problem: Problem,
    rounds: int,
    *,
    eta: float,
    steps: int,
    option: int = 2,
    server_eta: float = 1.0,
    control: Vector | None = None,
) -> list[Round]:
    """Karimireddy et al., SCAFFOLD: Stochastic Controlled Averaging for Federated Learning, ICML 2020, algorithm 1.

    Line 10: y_i <- y_i - eta (g_i(y_i) - c_i + c); line 12: c_i+ <- (i) g_i(x), or (ii) c_i - c + (x - y_i) / (K eta);
    line 16: dx = mean of y_i - x, dc = mean of c_i+ - c_i; line 17: x <- x + eta_g dx, c <- c + dc.
    ``control``: weights of the mean of the variates if they are not those of the models (the paper: 1/N for both).
    ``memory``: ``c_k`` [K, d] and ``c`` [d] after the round.
    """
    history = []
    variates = problem if control is None else problem._replace(sizes=control)
    x = problem.start
    c = np.zeros_like(x)
    c_k = [np.zeros_like(x) for _ in problem.clients()]
    for _ in range(rounds):
        clients, new_c_k = [], []
        for k in problem.clients():
            y = x
            for _ in range(steps):
                y = y - eta * (problem.gradient[k](y) - c_k[k] + c)
            clients.append(y)
            new_c_k.append(problem.gradient[k](x) if option == 1 else c_k[k] - c + (x - y) / (steps * eta))
        x = x + server_eta * problem.mean([y - x for y in clients])
        c = c + variates.mean([new - old for new, old in zip(new_c_k, c_k, strict=True)])
        c_k = new_c_k
        history.append(Round(np.array(clients), np.array([x for _ in clients]), memory={"c_k": np.array(c_k), "c": c}))
    return history


def feddyn(problem: Problem, rounds: int, *, eta: float, steps: int, alpha: float) -> list[Round]:
    """Acar et al., Federated Learning Based on Dynamic Regularization, ICLR 2021, algorithm 1.

    theta_k minimises L_k(theta) - <g_k, theta> + alpha / 2 ||theta - theta^{t-1}||^2 (here by gradient steps);
    g_k <- g_k - alpha (theta_k - theta^{t-1}); h <- h - alpha mean of (theta_k - theta^{t-1});
    theta^t = mean of theta_k - h / alpha. ``memory``: ``g_k`` [K, d] and ``h`` [d] after the round.
    """
    history = []
    server = problem.start
    h = np.zeros_like(server)
    g = [np.zeros_like(server) for _ in problem.clients()]
    for _ in range(rounds):
        clients = []
        for k in problem.clients():
            theta = server
            for _ in range(steps):
                theta = theta - eta * (problem.gradient[k](theta) - g[k] + alpha * (theta - server))
            clients.append(theta)
            g[k] = g[k] - alpha * (theta - server)
        h = h - alpha * problem.mean([theta - server for theta in clients])
        server = problem.mean(clients) - h / alpha
        history.append(
            Round(np.array(clients), np.array([server for _ in clients]), memory={"g_k": np.array(g), "h": h})
        )
    return history
