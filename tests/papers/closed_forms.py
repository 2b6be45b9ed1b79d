"""Four scalar quadratics, their closed forms, and how histories are compared."""

import numpy as np

from tests.papers.paper_problem import Round, Vector, quadratic

H, C, N = np.array([1.0, 2.0, 0.5, 3.0]), np.array([-1.0, 2.0, 4.0, 0.5]), np.array([5.0, 12.0, 8.0, 3.0])
SCALAR = quadratic(list(H), list(C), list(N))
TRAINING = {"eta": 0.2, "steps": 3}


def assert_same(one: list[Round], other: list[Round]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a.clients, b.clients, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(a.received, b.received, rtol=1e-12, atol=1e-13)


def minimiser(weights: Vector) -> float:
    """Of sum_k weights_k (w - c_k)^2."""
    return float((weights * C).sum() / weights.sum())


def limit(history: list[Round]) -> Vector:
    np.testing.assert_allclose(history[-1].received, history[-2].received, atol=1e-12)
    return history[-1].received[:, 0]
