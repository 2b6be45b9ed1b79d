"""Co-occurrence counts of action units, and the row-stochastic statistics computed from them."""

import csv
from collections.abc import Sequence
from importlib import resources

import numpy as np
from jaxtyping import Real

from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.types import Float, Int

Counts = Int[np.ndarray, "aus aus"]
Weights = Real[np.ndarray, "nodes nodes"]


def published_counts() -> Counts:
    """Co-occurrence counts behind the published priors, AUs in the order of ``ACTION_UNITS``.

    Returns:
        symmetric counts of samples in which both AUs occur; the diagonal counts the occurrences of one AU.

    Source: integers recovered from the 4-digit matrices of the released FED-PsyAU (ICCV 2025).

    >>> counts = published_counts()
    >>> int(counts[0, 0]), int(counts[0, 1])  # AU1; AU1 with AU2
    (1420, 1170)
    """
    text = resources.files("fedpsyau_jax.priors").joinpath("au_cooccurrence.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    order = [header.index(str(au)) for au in ACTION_UNITS]
    by_au = {int(row[0]): [int(row[column]) for column in order] for row in rows}
    return np.array([by_au[au] for au in ACTION_UNITS])


def block(counts: Counts, aus: Sequence[int], order: Sequence[int] = ACTION_UNITS) -> Int[np.ndarray, "chosen chosen"]:
    """The counts of some AUs only.

    Args:
        counts: [aus, aus] co-occurrence counts.
        aus: AU numbers to keep, in the order of the result.
        order: AU numbers of the rows of ``counts``.

    Raises:
        ValueError: if an AU is not among ``order``.

    >>> block(published_counts(), (1, 4)).tolist()
    [[1420, 62], [62, 3443]]
    """
    missing = [au for au in aus if au not in order]
    if missing:
        raise ValueError(f"no counts for AU {missing}: the counts hold AU {list(order)}")
    rows = [list(order).index(au) for au in aus]
    return counts[np.ix_(rows, rows)]


def row_stochastic(counts: Weights) -> Float[np.ndarray, "nodes nodes"]:
    """P[i, j] = counts[i, j] / sum_j counts[i, j]: given AU i, the share of AU j in what occurs with it.

    Args:
        counts: co-occurrence counts, or rates, >= 0.

    Returns:
        rows that sum to 1, in [0, 1]. An AU that never occurs gets a uniform row: no evidence, no preference.

    Raises:
        ValueError: if ``counts`` is not a square matrix of non-negative numbers.

    >>> row_stochastic(np.array([[3, 1], [0, 0]])).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"co-occurrence counts have shape {counts.shape}: give a square matrix")
    if not np.all(np.isfinite(counts)) or np.any(counts < 0):
        raise ValueError("co-occurrence counts hold a negative or missing number: give counts of samples")
    never = counts.sum(axis=1, keepdims=True) == 0
    evidence = np.where(never, 1, counts)
    return evidence / evidence.sum(axis=1, keepdims=True)
