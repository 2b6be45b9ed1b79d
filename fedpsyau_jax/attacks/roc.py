"""How well scores tell members from others, where few false accusations are what counts."""

from typing import NamedTuple

import numpy as np

from fedpsyau_jax.types import Bool, Float

__all__ = ["Roc", "auc", "resolvable", "roc", "tpr_at"]


class Roc(NamedTuple):
    """Rates at falling thresholds, from (0, 0) to (1, 1); equal scores share a threshold.

    ``false``: share of those who are no members at or above it; ``true``: of the members. With weights of several
    draws, both have a leading axis [draws].

    >>> Roc(np.array([0.0, 1.0]), np.array([0.0, 1.0])).true.tolist()
    [0.0, 1.0]
    """

    false: Float[np.ndarray, "*draws thresholds"]
    true: Float[np.ndarray, "*draws thresholds"]


def roc(
    scores: Float[np.ndarray, "trials"],
    member: Bool[np.ndarray, "trials"],
    weights: Float[np.ndarray, "*draws trials"] | None = None,
) -> Roc:
    """The receiver operating characteristic.

    Args:
        scores: larger for those who are taken for members.
        member: who are.
        weights: how often each trial counts, once by default; of bootstrap draws, or of none.

    Returns:
        NaN where no weight is left for members, or for others.

    >>> roc(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]))
    Roc(false=array([0., 0., 1.]), true=array([0. , 0.5, 1. ]))
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    given = np.ones(len(scores)) if weights is None else np.asarray(weights, float)

    def rates(who: Bool[np.ndarray, "trials"]) -> Float[np.ndarray, "*draws thresholds"]:
        counts = np.cumsum(np.where(who, given, 0)[..., order], axis=-1)
        total = counts[..., -1:]
        at_ends = counts[..., ends] / np.where(total > 0, total, np.nan)
        return np.concatenate([0 * total, at_ends], axis=-1)

    return Roc(rates(~member), rates(member))


def auc(curve: Roc) -> Float[np.ndarray, "*draws"]:
    """The area under the curve: the probability that a member's score is above another's, ties counted half.

    >>> float(auc(roc(np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False]))))
    0.625
    """
    steps = np.diff(curve.false, axis=-1)
    return np.asarray((steps * (curve.true[..., 1:] + curve.true[..., :-1]) / 2).sum(axis=-1))


def resolvable(false_positives: float, num_others: int) -> bool:
    """Whether so small a share of those who are no members is at least one of them.

    >>> resolvable(0.01, 99), resolvable(0.01, 100)
    (False, True)
    """
    return false_positives * num_others >= 1 - 1e-9


def tpr_at(curve: Roc, false_positives: float) -> Float[np.ndarray, "*draws"]:
    """The largest true positive rate of a threshold with at most this false positive rate.

    It says nothing unless the rate is ``resolvable``.

    >>> curve = roc(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False]))
    >>> float(tpr_at(curve, 0.1)), float(tpr_at(curve, 0.5))
    (0.5, 1.0)
    """
    allowed = np.where(curve.false <= false_positives + 1e-12, curve.true, 0).max(axis=-1)
    undefined = np.isnan(curve.false[..., -1]) | np.isnan(curve.true[..., -1])
    return np.asarray(np.where(undefined, np.nan, allowed))
