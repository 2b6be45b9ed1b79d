"""Bootstrap confidence intervals of pooled scores, by subject: clips of one person are not independent evidence.

A draw takes as many subjects as there are, with replacement, each with all their clips in all repeats. The scores of a
draw need only how often each subject was taken and each subject's counts (a confusion matrix, outcomes of detection):
so all draws are one matrix product, and exactly what scoring the drawn rows would give.

Draws depend on the seed and the number of subjects alone. So the draws of two models that were tested on the same clips
are of the same subjects, and the differences of their scores, draw by draw, are paired.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.results.measures import EMOTIONS, Measure
from fedpsyau_jax import metrics
from fedpsyau_jax.types import Float, Int

NUM_DRAWS = 10_000
SEED = 0
"""Of the bootstrap draws: written down with the results."""
LEVEL = 0.95


class Interval(NamedTuple):
    """A score of the data as it is, and the percentiles of its bootstrap draws."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval is on one side of 0; never where there is none (NaN).

        >>> Interval(0.1, 0.0, 0.2).excludes_zero, Interval(-0.1, -0.2, -0.05).excludes_zero
        (False, True)
        """
        return self.low > 0 or self.high < 0


class BootstrapScores(NamedTuple):
    """The pooled scores of one model, and those of each bootstrap draw.

    ``what``, ``names``: what is scored; ``tested``: indexed by repeat and clip, what is known of each tested example;
    ``estimates``, ``draws``: by metric, of everybody, and [draws].
    """

    what: str
    names: list[str]
    tested: pd.DataFrame
    estimates: dict[str, float]
    draws: dict[str, Float[np.ndarray, "draws"]]


def bootstrap(
    predictions: pd.DataFrame, measure: Measure = EMOTIONS, *, seed: int = SEED, num_draws: int = NUM_DRAWS
) -> BootstrapScores:
    """Score one model, and each bootstrap draw of its subjects, the mean over its repeats.

    Args:
        predictions: rows of predictions.csv (or au_predictions.csv) of one algorithm, any number of repeats.
        measure: ``EMOTIONS``, the default, or ``ACTION_UNITS`` for rows of au_predictions.csv.
        seed: of the draws.
        num_draws: bootstrap draws; none are made where there is one subject only.

    Raises:
        ValueError: a clip was predicted twice in a repeat, or a label or prediction is no class.
    """
    names, tested = _examples(predictions, measure)
    counts = measure.counts(predictions, np.unique(predictions["subject"]))
    draw_counts = draw_subjects(len(counts), seed, num_draws)
    everybody, of_draws = (scores(counts, measure, names, weights) for weights in (None, draw_counts))
    estimates = {metric: float(value[0]) for metric, value in everybody.items()}
    return BootstrapScores(measure.what, names, tested, estimates, of_draws)


def intervals(model: BootstrapScores, level: float = LEVEL) -> dict[str, Interval]:
    """Intervals of the scores of one model, by metric.

    They say how far the score depends on who was tested; that training again would end elsewhere shows in the spread
    over repeats, which is another number.

    Args:
        model: its scores and those of its draws.
        level: of confidence, in (0, 1).

    Returns:
        NaN for low and high where there is one subject only.

    Source: cluster bootstrap with percentile intervals (Davison & Hinkley, "Bootstrap Methods and their Application",
    1997, chapters 3.8 and 5.3).
    """
    return {metric: interval(estimate, model.draws[metric], level) for metric, estimate in model.estimates.items()}


def paired_differences(first: BootstrapScores, second: BootstrapScores, level: float = LEVEL) -> dict[str, Interval]:
    """Intervals of score(first) - score(second), by metric: each draw takes the same subjects for both.

    Args:
        first, second: scored with the same seed and number of draws.
        level: of confidence, in (0, 1).

    Returns:
        An interval that excludes 0 is a difference at this level.

    Raises:
        ValueError: they were not tested on the same clips, subjects and labels.
    """
    _check_same(first, second)
    return {
        metric: interval(
            first.estimates[metric] - second.estimates[metric], first.draws[metric] - second.draws[metric], level
        )
        for metric in first.estimates
    }


def score_intervals(
    predictions: pd.DataFrame,
    measure: Measure = EMOTIONS,
    *,
    seed: int = SEED,
    num_draws: int = NUM_DRAWS,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Intervals of the scores of the rows of one algorithm: ``intervals`` of ``bootstrap``."""
    return intervals(bootstrap(predictions, measure, seed=seed, num_draws=num_draws), level)


def difference_intervals(
    first: pd.DataFrame,
    second: pd.DataFrame,
    measure: Measure = EMOTIONS,
    *,
    seed: int = SEED,
    num_draws: int = NUM_DRAWS,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Paired intervals of the rows of two algorithms: ``paired_differences`` of ``bootstrap``.

    Raises:
        ValueError: the clips, their subjects or their labels differ, or a clip was predicted twice in a repeat.
    """
    one, other = (BootstrapScores(measure.what, *_examples(table, measure), {}, {}) for table in (first, second))
    _check_same(one, other)
    one, other = (bootstrap(table, measure, seed=seed, num_draws=num_draws) for table in (first, second))
    return paired_differences(one, other, level)


def draw_subjects(num_subjects: int, seed: int, num_draws: int) -> Int[np.ndarray, "draws subjects"]:
    """How often each subject is taken in each draw: rows sum to their number. No draws of a single subject."""
    generator = np.random.default_rng(seed)
    size = num_draws if num_subjects > 1 else 0
    return generator.multinomial(num_subjects, np.full(num_subjects, 1 / num_subjects), size)


def scores(
    counts: Int[np.ndarray, "subjects repeats *counts"],
    measure: Measure,
    names: Sequence[str],
    draw_counts: Int[np.ndarray, "draws subjects"] | None = None,
) -> dict[str, Float[np.ndarray, "draws"]]:
    """The metrics of each draw, pooled over subjects, the mean over repeats; without draws, of everybody once."""
    weights = np.ones((1, len(counts))) if draw_counts is None else draw_counts.astype(float)
    pooled = (weights @ counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:])
    by_repeat: Mapping[str, np.ndarray] = measure.scores(pooled, names)
    return {metric: np.asarray(metrics.mean_over_defined(score)) for metric, score in by_repeat.items()}


def interval(estimate: float, draws: Float[np.ndarray, "draws"], level: float = LEVEL) -> Interval:
    """The percentiles of the draws that have a score; NaN where there are none.

    >>> interval(2.5, np.arange(5.0), level=0.5)
    Interval(estimate=2.5, low=1.0, high=3.0)
    """
    if not 0 < level < 1:
        raise ValueError(f"a confidence level of {level}: it must be between 0 and 1, both excluded")
    defined = draws[~np.isnan(draws)]
    if not len(defined):
        return Interval(float(estimate), np.nan, np.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(float(estimate), low, high)


def _examples(predictions: pd.DataFrame, measure: Measure) -> tuple[list[str], pd.DataFrame]:
    """What is scored, and what is known of each tested example, indexed by repeat and clip, in their order."""
    names = measure.names(predictions)
    columns = ["subject", *measure.columns(names)]
    return names, predictions.set_index(["repeat", "clip"])[columns].sort_index()


def _check_same(first: BootstrapScores, second: BootstrapScores) -> None:
    """Refuse to pair what was not tested on the same examples.

    Raises:
        ValueError: what differs.
    """
    if first.names != second.names:
        raise ValueError(f"the {first.what} differ")
    one, other = first.tested, second.tested
    if not one.index.equals(other.index):
        num_missing = len(one.index.symmetric_difference(other.index))
        raise ValueError(f"{num_missing} tested clips are in one of the two only")
    for column in one:
        if num_different := int((one[column] != other[column]).sum()):
            raise ValueError(f"the {column} of {num_different} clips differs")
