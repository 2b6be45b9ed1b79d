"""2 x 2 tables of pairs of action units for each stratum of clips, and measures of their association."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Real
from scipy.stats import contingency, hypergeom

from fedpsyau_jax.types import Float, Int

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054  # of (1 + CONFIDENCE) / 2

Cells = Int[np.ndarray, "*groups pairs 4"]


class OddsRatio(NamedTuple):
    """An odds ratio of each pair and its 95 % confidence interval; NaN where the tables do not determine it."""

    estimate: Float[np.ndarray, "pairs"]
    low: Float[np.ndarray, "pairs"]
    high: Float[np.ndarray, "pairs"]


def pairs_of(num_aus: int) -> tuple[Int[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]:
    """Indices of the first and the second AU of every pair, each pair once.

    >>> [places.tolist() for places in pairs_of(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    first, second = np.triu_indices(num_aus, k=1)
    return first, second


def strata_of(subject: np.ndarray, mask: Real[np.ndarray, "clips aus"]) -> Int[np.ndarray, "clips"]:
    """Index of each clip's stratum: a stratum is the clips of one subject with the same AUs labelled.

    >>> strata_of(np.array(["a", "b", "a"]), np.array([[1, 1], [1, 1], [1, 0]])).tolist()
    [1, 2, 0]
    """
    number = np.unique(subject, return_inverse=True)[1]
    return np.unique(np.column_stack([number, mask]), axis=0, return_inverse=True)[1].ravel()


def tables(
    aus: Real[np.ndarray, "clips aus"], mask: Real[np.ndarray, "clips aus"], strata: Int[np.ndarray, "clips"]
) -> Int[np.ndarray, "strata pairs 4"]:
    """Count clips with both AUs, only the first, only the second, neither, among those in which both are labelled.

    >>> tables(np.array([[1, 1], [1, 0], [0, 0]]), np.ones((3, 2)), np.array([0, 0, 1])).tolist()
    [[[1, 1, 0, 0]], [[0, 0, 0, 1]]]
    """
    first, second = pairs_of(aus.shape[1])
    present, absent = (aus * mask).astype(np.int32), ((1 - aus) * mask).astype(np.int32)
    cells = [one[:, first] * other[:, second] for one in (present, absent) for other in (present, absent)]
    order = np.argsort(strata, kind="stable")
    starts = np.flatnonzero(np.diff(strata[order], prepend=-1))
    return np.add.reduceat(np.stack(cells, axis=-1)[order], starts, axis=0)


def margins(cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips, clips with the first AU, clips with the second AU, each [..., pairs]."""
    both, first, second, _ = np.moveaxis(cells, -1, 0)
    return cells.sum(axis=-1), both + first, both + second


def expected_together(cells: Cells) -> Float[np.ndarray, "pairs"]:
    """Expected number of clips with both AUs if they were independent within each stratum."""
    total, first, second = margins(cells)
    return (first * second / np.maximum(total, 1)).sum(axis=0)


def smallest_p(cells: Cells) -> Float[np.ndarray, "pairs"]:
    """The smallest p that a test within strata could reach, given how often each AU occurs.

    It is the probability of the most extreme tables: every stratum has as many (or as few) clips with both AUs as
    its margins allow. Source: Tarone, Biometrics 46 (1990).

    >>> float(smallest_p(np.array([[[1, 0, 0, 3]]]))[0].round(6))  # 2 occurrences in 4 clips: they meet in 1 of 4
    0.25
    """
    total, first, second = margins(cells)
    most, fewest = np.minimum(first, second), np.maximum(first + second - total, 0)
    logs = [hypergeom.logpmf(extreme, total, first, second) for extreme in (most, fewest)]
    return np.exp(np.minimum(*(np.where(total > 0, log, 0).sum(axis=0) for log in logs)))


def phi(cells: Int[np.ndarray, "pairs 4"]) -> Float[np.ndarray, "pairs"]:
    """Correlation between the presence of two AUs, in [-1, 1]; NaN if one of them is always or never present.

    >>> phi(np.array([[2, 0, 0, 2], [1, 1, 1, 1]])).tolist()
    [1.0, 0.0]
    """
    both, first, second, neither = np.moveaxis(cells.astype(float), -1, 0)
    spread = (both + first) * (second + neither) * (both + second) * (first + neither)
    return np.divide(
        both * neither - first * second, np.sqrt(spread), out=np.full(len(cells), np.nan), where=spread > 0
    )


def odds_ratio(cells: Int[np.ndarray, "pairs 4"]) -> OddsRatio:
    """Conditional maximum likelihood with the exact interval, as if clips were independent (SciPy).

    Clips of one subject are not independent: if subjects differ in how often they show both AUs, the estimate is
    biased away from 1 and the interval is too narrow. ``odds_ratio_within`` compares each subject with itself.
    """
    rows = []
    for table in cells.reshape(-1, 2, 2):
        result = contingency.odds_ratio(table)
        rows.append((result.statistic, *result.confidence_interval(CONFIDENCE)))
    return OddsRatio(*np.array(rows, float).reshape(-1, 3).T)


def odds_ratio_within(cells: Int[np.ndarray, "strata pairs 4"]) -> OddsRatio:
    """Mantel-Haenszel's odds ratio over strata, with the interval of Robins, Breslow and Greenland.

    With a, b, c, d the cells of a stratum and n their sum: R = ad/n, S = bc/n, P = (a + d)/n, Q = (b + c)/n;
    OR = sum R / sum S; var log OR = sum PR / 2 (sum R)^2 + sum (PS + QR) / 2 sum R sum S + sum QS / 2 (sum S)^2.

    Source: Mantel & Haenszel (1959); Robins, Breslow & Greenland, Biometrics 42 (1986).

    >>> [float(end[0].round(2)) for end in odds_ratio_within(np.array([[[10, 5, 4, 12]], [[6, 2, 3, 9]]]))]
    [6.95, 2.01, 24.08]
    """
    both, first, second, neither = np.moveaxis(cells.astype(float), -1, 0)
    total = np.maximum(cells.sum(axis=-1), 1)
    r, s = both * neither / total, first * second / total
    p, q = (both + neither) / total, (first + second) / total
    sum_r, sum_s = r.sum(axis=0), s.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = sum_r / sum_s
        variance = (
            (p * r).sum(axis=0) / (2 * sum_r**2)
            + (p * s + q * r).sum(axis=0) / (2 * sum_r * sum_s)
            + (q * s).sum(axis=0) / (2 * sum_s**2)
        )
        width = NORMAL_QUANTILE * np.sqrt(variance)
        return OddsRatio(estimate, estimate * np.exp(-width), estimate * np.exp(width))
