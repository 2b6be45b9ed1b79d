"""Small problems in float64, and the conventions of the references in this folder.

Each ``reference_*.py`` transcribes algorithms from their papers, loop by loop, in plain NumPy on flat vectors w [d].
They share nothing with the package. ``Problem.named`` turns a vector into named arrays (groups of leaves).

**A round.** The project's order: clients start from what they last received (all from ``start`` in round 0, no mixing),
train, and are evaluated; the server's step of round t opens the project's round t + 1. ``Round`` holds

- ``clients`` [K, d]: each client's model after local training (what the project keeps as the clients' weights);
- ``received`` [K, d]: what each client starts the next round from (equal rows where there is one server model);
- ``personal`` [K, d]: the personal models after the round, where a method has two; else None;
- ``memory``: what else a client or the server stores, by name (control variates, duals, moments, prototypes, ...).

**Local training.** ``steps`` exact full-batch gradient steps of length ``eta`` on the client's mean loss (plus its
regulariser): no momentum, no decay, nothing kept between rounds unless the method says so. All clients take part.

**Weights of clients.** Every mean over clients is weighted by n_k / N, also where a paper writes 1/K: then the target
is sum_k n_k f_k / N. ``problem.uniform()`` makes all sizes equal and gives such papers literally (SCAFFOLD, FedDyn,
FedAdam, APFL, pFedMe, FedRep, FedBN, Per-FedAvg). Only SCAFFOLD can weight its control variates apart (``control``).

Where papers leave room, the choice is:

========== ===========================================================================================================
FedProx    mu/2 ||w - w^t||^2 inside each gradient step; P-FedProx anchors at its own mixed start of the round.
FedPer     head and body are trained together. FedRep: ``head_steps`` on the head with the received body, then
           ``steps`` on the body with the new head (the paper takes one; the head starts from the client's last one).
FedBN      the kept group is trained like the rest.
FedALA     weights A start at 1, live in [0, 1], exist only for the adaptive group, persist between rounds; nothing
           happens in round 0; ``first_steps`` updates in round 1, one in each later round; all data, no sampling.
           After each update of A the mixed start is formed anew before the next gradient.
Ditto      the personal model v takes its steps towards w^t, the model received this round (not the trained one); it
           takes as many steps as the global one; v starts at ``start``.
APFL       every local step moves w and v from their old values; mixture m = alpha v + (1 - alpha) w with the current
           w (the received one at the start of a round); v moves by alpha grad f(m) (chain rule). v starts at
           ``start``. Adaptive alpha: also every step, from the old values, clipped to [0, 1]. ``personal`` is m.
pFedMe     R = ``steps`` outer steps; each solves for theta by ``inner_steps`` gradient steps of ``inner_eta`` from the
           current w (``warm``: from the last theta of this round, as released). ``personal`` is the last theta.
FedAvgM    velocity = beta velocity + (w^t - mean), w = w^t - server_eta velocity; no damping, no Nesterov.
FedAdam    no bias correction; m = 0 and v = tau^2 before round 0; tau is added to the root. FedYogi likewise.
SCAFFOLD   all variates start at 0; c of a round is that before its updates; option II divides by steps * eta.
FedDyn     duals start at 0; the local argmin is ``steps`` gradient steps; the dual update is the paper's, with the
           inexact minimiser.
q-FedAvg   L = 1 / eta; F_k(w^t) is the loss at the received model on all data, before training.
Per-FedAvg all three batches are the whole data; ``personal`` is one step of alpha from the new server model.
MOON       no projection head: z = x body, cosine similarities, mean over examples; the gradient goes through z only;
           the previous model is the client's own after its last training (``start`` in round 0: no gradient).
FedProto   no weights are exchanged. Prototypes come from the trained model. The global one is the mean over all
           examples of a class, sum_k n_kj C_kj / sum_k n_kj: eq. 6's further factor 1 / (number of clients) would
           shrink it and is left out. No pull in round 0, nor for a class that a client lacks. ``distance``:
           "squared" is sum_j ||C_kj - C_j||^2; "norm" without the square (the paper says L2); "examples" the released
           mean squared error, the mean over examples and features of (z - C_y)^2. A client that alone has a class is
           at distance 0 from its prototype when a round begins: there the norm pulls with full length in the direction
           of rounding errors, so it can only be compared where two clients have each class.
========== ===========================================================================================================
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
SIZES = (5, 12, 8, 3)


class Examples(NamedTuple):
    """One client's data: ``inputs`` [n, features], ``labels`` [n] (0 or 1; classes in ``representations``)."""

    inputs: Vector
    labels: NDArray[np.int64]


class Problem(NamedTuple):
    """K clients' losses and exact gradients over one flat vector; ``shapes`` names its parts in order.

    ``hessian``: matrices [d, d]; empty for ``representations``.
    """

    sizes: Vector
    shapes: dict[str, tuple[int, ...]]
    start: Vector
    loss: tuple[Callable[[Vector], float], ...]
    gradient: tuple[Callable[[Vector], Vector], ...]
    examples: tuple[Examples, ...] = ()
    hessian: tuple[Callable[[Vector], Vector], ...] = ()

    def clients(self) -> range:
        return range(len(self.sizes))

    def mean(self, vectors: Vector | list[Vector]) -> Vector:
        """The clients' mean, weighted by their sizes."""
        return sum(n / self.sizes.sum() * v for n, v in zip(self.sizes, vectors, strict=True))

    def uniform(self) -> "Problem":
        return self._replace(sizes=np.ones_like(self.sizes))

    def named(self, vector: Vector) -> dict[str, Vector]:
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()])
        parts = np.split(vector, ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def belongs(self, *names: str) -> Vector:
        """1 where a coordinate belongs to one of the named groups, else 0."""
        return np.concatenate(
            [np.full(int(np.prod(shape)), float(name in names)) for name, shape in self.shapes.items()]
        )


class Round(NamedTuple):
    """All models at the end of a round (see the module's docstring)."""

    clients: Vector
    received: Vector
    personal: Vector | None = None
    memory: dict[str, Vector] = {}  # noqa: RUF012  (never written to)


def descend(gradient: Callable[[Vector], Vector], w: Vector, eta: float, steps: int) -> Vector:
    for _ in range(steps):
        w = w - eta * gradient(w)
    return w


def slope(function: Callable[[Vector], float], at: Vector) -> Vector:
    """Central differences."""
    return np.array([(function(at + e) - function(at - e)) / 2e-6 for e in 1e-6 * np.eye(len(at))])


def quadratic(curvatures: list[float], centres: list[float], sizes: list[float], start: float = 0.0) -> Problem:
    """f_k(w) = h_k / 2 (w - c_k)^2 on one number."""
    pairs = list(zip(curvatures, centres, strict=True))
    return Problem(
        np.array(sizes),
        {"w": (1,)},
        np.array([start]),
        tuple(lambda w, h=h, c=c: float(h / 2 * (w[0] - c) ** 2) for h, c in pairs),
        tuple(lambda w, h=h, c=c: h * (w - c) for h, c in pairs),
        hessian=tuple(lambda w, h=h: np.array([[h]]) for h, _ in pairs),
    )


def logistic(ridge: float = 0.1, seed: int = 0) -> Problem:
    """Binary logistic regression, convex: the mean of log(1 + exp(-+x.w)) plus ridge / 2 ||w||^2.

    w = [body (2), head (2), norm (1)], each group multiplying its own columns of x; the last column is 1.
    """
    rng = np.random.default_rng(seed)
    examples = []
    for k, n in enumerate(SIZES):
        inputs = np.hstack([rng.normal(0.5 * (k - 1.5), 1 + 0.3 * k, (n, 4)), np.ones((n, 1))])
        labels = (inputs @ rng.normal(size=5) + rng.normal(size=n) > 0).astype(np.int64)
        examples.append(Examples(inputs, labels))

    def loss(w: Vector, x: Vector, y: Vector) -> float:
        return float(np.mean(np.logaddexp(0, x @ w) - y * (x @ w)) + ridge / 2 * (w @ w))

    def gradient(w: Vector, x: Vector, y: Vector) -> Vector:
        return x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(y) + ridge * w

    def hessian(w: Vector, x: Vector) -> Vector:
        likely = 1 / (1 + np.exp(-x @ w))
        return (x.T * likely * (1 - likely)) @ x / len(x) + ridge * np.eye(5)

    return Problem(
        np.array(SIZES, float),
        {"body": (2,), "head": (2,), "norm": (1,)},
        rng.normal(size=5),
        tuple(lambda w, e=e: loss(w, e.inputs, e.labels) for e in examples),
        tuple(lambda w, e=e: gradient(w, e.inputs, e.labels) for e in examples),
        tuple(examples),
        tuple(lambda w, e=e: hessian(w, e.inputs) for e in examples),
    )


def representations(seed: int = 1) -> Problem:
    """Softmax regression on a linear representation: z = x body [4, 2], logits = z head [2, 3], mean cross-entropy.

    The last client has no example of class 2. Not convex, but smooth; used where a method needs z.
    """
    rng = np.random.default_rng(seed)
    examples = []
    for k, n in enumerate(SIZES):
        labels = np.arange(n) % (2 if k == 3 else 3)
        inputs = rng.normal(size=(n, 4)) + rng.normal(size=(3, 4))[labels]
        examples.append(Examples(inputs, labels))
    return Problem(
        np.array(SIZES, float),
        {"body": (4, 2), "head": (2, 3)},
        rng.normal(size=14),
        tuple(lambda w, e=e: cross_entropy(w, e)[0] for e in examples),
        tuple(lambda w, e=e: cross_entropy(w, e)[1] for e in examples),
        tuple(examples),
    )


def cross_entropy(w: Vector, examples: Examples, dz: Vector | float = 0.0) -> tuple[float, Vector]:
    """Mean cross-entropy, and its gradient by hand; ``dz`` [n, 2] adds another loss's gradient with respect to z."""
    x, y = examples
    body, head = w[:8].reshape(4, 2), w[8:].reshape(2, 3)
    z = x @ body
    logits = z @ head
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    dlogits = np.exp(log_probabilities)
    dlogits[rows, y] -= 1
    dlogits = dlogits / len(y)
    dbody, dhead = x.T @ (dlogits @ head.T + dz), z.T @ dlogits
    return float(-log_probabilities[rows, y].mean()), np.concatenate([dbody.ravel(), dhead.ravel()])
