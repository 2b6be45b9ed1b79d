"""A lower bound of epsilon from how well an attack does: no mechanism with a smaller one lets it do so well."""

from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from fedpsyau_jax.types import Bool, Float, Int

__all__ = ["Trials", "audited_epsilon", "proportion_bounds"]


class Trials(NamedTuple):
    """Guesses about who was trained on.

    ``scores``: larger for those who are taken for members; ``member``: who are.

    >>> Trials(np.array([0.5]), np.array([True])).member.all()
    np.True_
    """

    scores: Float[np.ndarray, "trials"]
    member: Bool[np.ndarray, "trials"]


def proportion_bounds(
    successes: Int[np.ndarray, "*any"] | int, total: int, confidence: float
) -> tuple[Float[np.ndarray, "*any"], Float[np.ndarray, "*any"]]:
    """A lower and an upper bound of a probability, each of which holds with this confidence.

    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits, Biometrika 1934.

    >>> low, high = proportion_bounds(0, 100, 0.95)
    >>> float(low), round(float(high), 4)
    (0.0, 0.0295)
    """
    level, count = 1 - confidence, np.asarray(successes)
    low = np.where(count == 0, 0.0, beta.ppf(level, np.maximum(count, 1), total - count + 1))
    high = np.where(count == total, 1.0, beta.ppf(1 - level, count + 1, np.maximum(total - count, 1)))
    return low, high


def audited_epsilon(choice: Trials, test: Trials, delta: float = 0.0, confidence: float = 0.95) -> float:
    """The largest epsilon that the trials rule out: log((TPR - delta) / FPR), or as well for who is no member.

    (epsilon, delta) differential privacy means TPR <= e^epsilon FPR + delta for every threshold, and
    1 - FPR <= e^epsilon (1 - TPR) + delta. The threshold and the direction are those that do best in ``choice``; their
    rates in ``test`` are bounded from below and above, both together with this confidence. That needs trials in
    ``test`` that are independent of each other and of ``choice``: trials that share a network or a person are not
    quite, and then the confidence is only nominal.

    Args:
        choice: trials to choose the threshold from.
        test: other trials.
        delta: in [0, 1).
        confidence: in (0, 1), of the bound.

    Returns:
        At least 0; NaN if there are no members, or nobody else, in either.

    Source: Jagielski et al., Auditing Differentially Private Machine Learning, NeurIPS 2020, section 3; Nasr et al.,
    Adversary Instantiation, S&P 2021, section III. We choose the threshold from other trials than we bound.

    >>> scores, member = np.arange(200.0), np.arange(200) >= 100
    >>> round(audited_epsilon(Trials(scores, member), Trials(scores, member)), 2)
    3.28
    """
    if any(trials.member.all() or not trials.member.any() for trials in (choice, test)):
        return float("nan")
    thresholds = np.unique(choice.scores)
    bounds = np.stack([_bounds(choice, thresholds, delta, confidence, members=members) for members in (True, False)])
    direction, place = np.unravel_index(bounds.argmax(), bounds.shape)
    chosen = thresholds[place : place + 1]
    return max(float(_bounds(test, chosen, delta, confidence, members=direction == 0)[0]), 0.0)


def _bounds(
    trials: Trials, thresholds: Float[np.ndarray, "thresholds"], delta: float, confidence: float, *, members: bool
) -> Float[np.ndarray, "thresholds"]:
    """The bound at each threshold: who is at or above it is a member, or who is below it is none."""
    each = (1 + confidence) / 2

    def guessed(who: Bool[np.ndarray, "trials"]) -> tuple[Int[np.ndarray, "thresholds"], int]:
        below = np.searchsorted(np.sort(trials.scores[who]), thresholds, side="left")
        return (who.sum() - below if members else below), int(who.sum())

    right, _ = proportion_bounds(*guessed(trials.member == members), each)
    _, wrong = proportion_bounds(*guessed(trials.member != members), each)
    return np.log(np.maximum(right - delta, np.finfo(float).tiny) / wrong)
