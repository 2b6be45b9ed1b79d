"""How much clients differ: in their classes, their sizes and their features (on the host)."""

from collections.abc import Iterator

import numpy as np

from fedpsyau_jax.types import Float, Int

NUM_FOLDS = 5
RIDGE = 0.1
"""Of standardised features, whose examples have weights that sum to 1."""


def label_total_variation(counts: Int[np.ndarray, "clients classes"]) -> Float[np.ndarray, "clients"]:
    """Distance of each client's class shares from those of all: ``1/2 sum_c |p_kc - p_c|``.

    Args:
        counts: [clients, classes] examples.

    Returns:
        [clients] in [0, 1): 0 for the same shares, NaN for a client without examples.

    >>> label_total_variation(np.array([[3, 1], [1, 3]])).tolist()
    [0.25, 0.25]
    """
    sizes = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, sizes, out=np.full(counts.shape, np.nan), where=sizes > 0)
    return np.asarray(np.abs(shares - counts.sum(axis=0) / max(counts.sum(), 1)).sum(axis=1) / 2)


def size_gini(sizes: Int[np.ndarray, "clients"]) -> float:
    """Gini coefficient of the clients' sizes: ``sum_kj |n_k - n_j| / (2 K sum n)``.

    Returns:
        0 for equal sizes, up to 1 - 1/K where one client has everything; NaN without examples.

    >>> size_gini(np.array([5, 5])), size_gini(np.array([0, 10]))
    (0.0, 0.5)
    """
    ordered, total = np.sort(sizes), sizes.sum()
    ranks = 2 * np.arange(1, len(sizes) + 1) - len(sizes) - 1
    return float(ranks @ ordered / (len(sizes) * total)) if total else float("nan")


def feature_shift(
    features: Float[np.ndarray, "examples feat"],
    clients: Int[np.ndarray, "examples"],
    subjects: np.ndarray,
    num_folds: int = NUM_FOLDS,
) -> Float[np.ndarray, "clients"]:
    """How well a linear classifier tells a client's examples from those of the others: the area under its ROC curve.

    The classifier is a ridge regression of each client's indicator on the standardised features, clients weighted
    alike. It is cross-validated by subject: each client's subjects are assigned to the folds in turn, so that nobody is
    on both sides. Pairs of examples are compared within a fold.

    Args:
        features: [examples, feat], for example probabilities of action units.
        clients: [examples] index of each example's client, from 0.
        subjects: [examples] who is seen.
        num_folds: of the cross-validation.

    Returns:
        [clients] in [0, 1]: .5 by chance, 1 where a client is always told; NaN for a client of a single subject, or if
        there is only one client.

    >>> draw, clients = np.random.default_rng(0), np.repeat([0, 1], 40)
    >>> features, subjects = draw.normal(size=(80, 3)) + 3 * clients[:, None], np.arange(80) // 4
    >>> feature_shift(features, clients, subjects).round(2).tolist()
    [1.0, 1.0]
    """
    num_clients = int(clients.max(initial=-1)) + 1
    wins, pairs = np.zeros(num_clients), np.zeros(num_clients)
    fold = _folds(clients, subjects, num_folds)
    for train, test in _sides(fold):
        scores = _ridge_scores(features, clients, num_clients, train, test)
        own = clients[test][:, None] == np.arange(num_clients)
        seen = np.isin(np.arange(num_clients), clients[train])
        won, compared = _won_pairs(scores, own)
        wins, pairs = wins + np.where(seen, won, 0), pairs + np.where(seen, compared, 0)
    return np.divide(wins, pairs, out=np.full(num_clients, np.nan), where=pairs > 0)


def _folds(clients: np.ndarray, subjects: np.ndarray, num_folds: int) -> Int[np.ndarray, "examples"]:
    """The fold of each example: the subjects of each client are dealt to the folds in turn."""
    fold = np.empty(len(clients), int)
    for client in np.unique(clients):
        own = clients == client
        _, person = np.unique(subjects[own], return_inverse=True)
        fold[own] = person % num_folds
    return fold


def _sides(fold: Int[np.ndarray, "examples"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for number in np.unique(fold):
        yield fold != number, fold == number


def _ridge_scores(
    features: np.ndarray, clients: np.ndarray, num_clients: int, train: np.ndarray, test: np.ndarray
) -> Float[np.ndarray, "tested clients"]:
    """Scores of the held-out examples for each client."""
    sizes = np.bincount(clients[train], minlength=num_clients)
    weight = 1 / np.maximum(sizes, 1)[clients[train]]
    weight = weight / max(weight.sum(), np.finfo(float).tiny)
    mean = weight @ features[train]
    spread = np.sqrt(weight @ (features[train] - mean) ** 2)
    known, unknown = ((features[side] - mean) / np.where(spread > 0, spread, 1) for side in (train, test))
    targets = (clients[train][:, None] == np.arange(num_clients)).astype(float)
    targets = targets - weight @ targets
    gram = (known * weight[:, None]).T @ known + RIDGE * np.eye(features.shape[1])
    return unknown @ np.linalg.solve(gram, (known * weight[:, None]).T @ targets)


def _won_pairs(
    scores: Float[np.ndarray, "tested clients"], own: np.ndarray
) -> tuple[Float[np.ndarray, "clients"], Float[np.ndarray, "clients"]]:
    """How many pairs of an own and another example have the own one ahead (a tie is a half), and how many there are."""
    from scipy.stats import rankdata

    num_own = own.sum(axis=0)
    ranks = rankdata(scores, axis=0)
    won = (ranks * own).sum(axis=0) - num_own * (num_own + 1) / 2
    return won, num_own * (len(scores) - num_own)
