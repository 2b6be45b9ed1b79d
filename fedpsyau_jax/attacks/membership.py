"""Membership inference with shadow networks: was this example, or this person, trained on?

Shadows are networks that were trained as the target was, on other people drawn from the same pool, so that for each
example some have seen it and some have not.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from fedpsyau_jax.types import Bool, Float, Int

__all__ = ["Attack", "by_subject", "leave_pair_out", "lira", "log_odds", "rmia"]

FEW_SHADOWS = 64
"""Below it all examples share one variance (Carlini et al. 2022, section VI-C)."""
LEAST_SPREAD = 1e-6
"""Of a normal distribution: networks that all say the same are taken to differ by so much."""
GAMMA = 2.0

Attack: TypeAlias = Callable[
    [Float[np.ndarray, "*given examples"], Float[np.ndarray, "shadows *given examples"], np.ndarray],
    Float[np.ndarray, "examples"],
]
"""``(of the target, of its shadows, whether a shadow was trained on an example) -> scores``; larger: a member."""


def log_odds(
    logits: Float[np.ndarray, "*networks examples classes"], labels: Int[np.ndarray, "examples"]
) -> Float[np.ndarray, "*networks examples"]:
    """log(p / (1 - p)) of the probability p that a network gives to the true class, without rounding p to 1.

    Over networks that differ by chance it is nearly normal, which p is not.

    Source: Carlini et al., Membership Inference Attacks From First Principles, S&P 2022 (arXiv 2112.03570), section
    V-B.

    >>> log_odds(np.array([[0.0, 0.0], [80.0, 0.0]]), np.array([0, 1])).tolist()
    [0.0, -80.0]
    """
    given = np.asarray(logits, np.float64)
    of_label = np.broadcast_to(np.asarray(labels)[:, None], (*given.shape[:-1], 1))
    own = np.take_along_axis(given, of_label, axis=-1)[..., 0]
    others = np.where(np.arange(given.shape[-1]) == of_label, -np.inf, given)
    most = others.max(axis=-1)
    return own - most - np.log(np.exp(others - most[..., None]).sum(axis=-1))


def lira(
    target: Float[np.ndarray, "examples"],
    shadows: Float[np.ndarray, "shadows examples"],
    member: Bool[np.ndarray, "shadows examples"],
) -> Float[np.ndarray, "examples"]:
    """The online likelihood-ratio attack: log N(x; mu_in, s_in^2) - log N(x; mu_out, s_out^2).

    The normal distributions are those of the shadows that were trained on an example, and of the others. With fewer
    than ``FEW_SHADOWS`` shadows all examples share both variances, with as many degrees of freedom as there are
    shadows less one mean each.

    Args:
        target: ``log_odds`` of the target.
        shadows: of its shadows.
        member: whether a shadow was trained on an example.

    Returns:
        NaN for an example that all shadows were trained on, or none.

    Source: Carlini et al. 2022 (arXiv 2112.03570), algorithm 1.

    >>> shadows = np.array([[3.0], [5.0], [-1.0], [1.0]])
    >>> lira(np.array([4.0]), shadows, np.array([[True], [True], [False], [False]])).round(3).tolist()
    [4.0]
    """
    share = len(shadows) < FEW_SHADOWS
    inside, outside = (_log_normal(target, shadows, who, share_spread=share) for who in (member, ~member))
    return inside - outside


def _log_normal(
    value: Float[np.ndarray, "examples"],
    shadows: Float[np.ndarray, "shadows examples"],
    chosen: Bool[np.ndarray, "shadows examples"],
    *,
    share_spread: bool,
) -> Float[np.ndarray, "examples"]:
    """Log density of a normal distribution with the moments of the chosen shadows of each example."""
    counts = chosen.sum(axis=0)
    means = np.where(chosen, shadows, 0).sum(axis=0) / np.where(counts, counts, np.nan)
    squares = np.where(chosen, (shadows - means) ** 2, 0).sum(axis=0)
    freedom = np.maximum(counts - 1, 0)
    spread = np.nansum(squares) / max(freedom.sum(), 1) if share_spread else squares / np.maximum(freedom, 1)
    variance = np.maximum(spread, LEAST_SPREAD**2)
    return -((value - means) ** 2) / (2 * variance) - np.log(variance) / 2


def rmia(
    target: Float[np.ndarray, "examples"],
    shadows: Float[np.ndarray, "shadows examples"],
    member: Bool[np.ndarray, "shadows examples"],
    *,
    target_others: Float[np.ndarray, "population"],
    shadow_others: Float[np.ndarray, "shadows population"],
    gamma: float = GAMMA,
) -> Float[np.ndarray, "examples"]:
    """The robust attack: share of a population z with (p(x) / E p(x)) / (p(z) / E p(z)) >= gamma.

    E p(x): the mean of the shadows with the example and of those without, half each. E p(z): the mean of all shadows.

    Args:
        target: ``log_odds`` of the target; p is their logistic function, a probability of the true class.
        shadows, member: as of ``lira``.
        target_others, shadow_others: log odds of examples that neither target nor shadows were trained on.
        gamma: > 0.

    Returns:
        In [0, 1]; NaN for an example that all shadows were trained on, or none, and where there is no population.

    Source: Zarifzadeh et al., Low-Cost High-Power Membership Inference Attacks, ICML 2024 (arXiv 2312.03262),
    equation 3 and algorithm 1, online.

    >>> sure, unsure = 9.0, 0.0
    >>> shadows, member = np.array([[sure], [unsure]]), np.array([[True], [False]])
    >>> given = {"target_others": np.zeros(4), "shadow_others": np.zeros((2, 4)), "gamma": 1.2}
    >>> [rmia(np.array([one]), shadows, member, **given).tolist() for one in (sure, unsure)]
    [[1.0], [0.0]]
    """
    if not len(target_others):
        return np.full(target.shape, np.nan)
    usual = (_mean_probability(shadows, member) + _mean_probability(shadows, ~member)) / 2
    own = np.log(_probability(target)) - np.log(usual)
    everybody = np.ones(shadow_others.shape, bool)
    others = np.log(_probability(target_others)) - np.log(_mean_probability(shadow_others, everybody))
    above = own[:, None] - others >= np.log(gamma)
    return np.where(np.isnan(own), np.nan, above.mean(axis=1))


def _probability(odds: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """The logistic function, above 0."""
    return np.exp(-np.logaddexp(0.0, -odds)) + np.finfo(np.float64).tiny


def _mean_probability(
    shadows: Float[np.ndarray, "shadows examples"], chosen: Bool[np.ndarray, "shadows examples"]
) -> Float[np.ndarray, "examples"]:
    counts = chosen.sum(axis=0)
    return np.where(chosen, _probability(shadows), 0).sum(axis=0) / np.where(counts, counts, np.nan)


def leave_pair_out(num_shadows: int) -> list[tuple[int, Int[np.ndarray, "others"]]]:
    """Each shadow in turn as the target, with its shadows: all but itself and its complement.

    Shadows come in pairs, 0 and 1, 2 and 3, ..., that divide the same people between them. Without the complement a
    target that was trained on somebody has as many shadows with and without that person as one that was not: else the
    number of shadows alone would tell members apart.

    >>> [(target, others.tolist()) for target, others in leave_pair_out(4)]
    [(0, [2, 3]), (1, [2, 3]), (2, [0, 1]), (3, [0, 1])]
    """
    everybody = np.arange(num_shadows)
    return [(target, everybody[everybody // 2 != target // 2]) for target in range(num_shadows)]


def by_subject(
    scores: Float[np.ndarray, "examples"], subject: Int[np.ndarray, "examples"], *, mean: bool
) -> Float[np.ndarray, "subjects"]:
    """Scores of subjects 0, 1, ...: the mean or the sum over their examples.

    The sum of ``lira`` is the log likelihood ratio of all examples of a subject, as if they were independent of each
    other; ``rmia`` is a share, and its mean stays one.

    >>> by_subject(np.array([1.0, 2.0, 5.0]), np.array([0, 0, 1]), mean=False).tolist()
    [3.0, 5.0]
    """
    sums = np.bincount(subject, weights=scores)
    return sums / np.bincount(subject) if mean else sums
