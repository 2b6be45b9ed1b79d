"""Bootstrap confidence intervals of pooled scores, by subject: clips of one person are no independent evidence.

A draw takes as many subjects as there are, with replacement, each with all its clips in all repeats. Scores of a draw
need only how often each subject was taken and each subject's counts (a confusion matrix, outcomes of detection): so all
draws are one matrix product, and exactly what scoring the drawn rows would give.
"""

from collections.abc import Sequence
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


def score_intervals(
    predictions: pd.DataFrame,
    measure: Measure = EMOTIONS,
    *,
    seed: int,
    num_draws: int = NUM_DRAWS,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Intervals of the pooled scores of one model, the mean over its repeats.

    They say how far the score depends on who was tested; that training again would end elsewhere shows in the spread
    over repeats, which is another number.

    Args:
        predictions: rows of predictions.csv (or au_predictions.csv) of one algorithm, any number of repeats.
        measure: ``EMOTIONS``, the default, or ``ACTION_UNITS`` for rows of au_predictions.csv.
        seed: of the draws.
        num_draws: bootstrap draws.
        level: of confidence, in (0, 1).

    Returns:
        By metric. NaN for low and high where there is one subject only.

    Raises:
        ValueError: a clip was predicted twice in a repeat.

    Source: cluster bootstrap with percentile intervals (Davison & Hinkley, "Bootstrap Methods and their Application",
    1997, chapters 3.8 and 5.3).
    """
    names = measure.names(predictions)
    counts = measure.counts(predictions, np.unique(predictions["subject"]))
    drawn = draws(len(counts), seed, num_draws)
    everybody, of_draws = (scores(counts, measure, names, taken) for taken in (None, drawn))
    return {metric: interval(everybody[metric][0], of_draws[metric], level) for metric in everybody}


def difference_intervals(
    first: pd.DataFrame,
    second: pd.DataFrame,
    measure: Measure = EMOTIONS,
    *,
    seed: int,
    num_draws: int = NUM_DRAWS,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Intervals of score(first) - score(second), paired: each draw takes the same subjects for both.

    Args:
        first: rows of predictions.csv (or au_predictions.csv) of one algorithm.
        second: those of another, on the same clips in the same repeats.
        measure: as in ``score_intervals``.
        seed: of the draws.
        num_draws: bootstrap draws.
        level: of confidence, in (0, 1).

    Returns:
        By metric; an interval without 0 is a difference at this level.

    Raises:
        ValueError: the clips, their subjects or their labels differ, or a clip was predicted twice in a repeat.
    """
    check_pairs(first, second, measure)
    subjects, names = np.unique(first["subject"]), measure.names(first)
    drawn = draws(len(subjects), seed, num_draws)
    counts = [measure.counts(table, subjects) for table in (first, second)]
    everybody, of_draws = ([scores(table, measure, names, taken) for table in counts] for taken in (None, drawn))
    return {
        metric: interval(
            everybody[0][metric][0] - everybody[1][metric][0], of_draws[0][metric] - of_draws[1][metric], level
        )
        for metric in everybody[0]
    }


def check_pairs(first: pd.DataFrame, second: pd.DataFrame, measure: Measure = EMOTIONS) -> None:
    """See that two tables are about the same clips.

    Raises:
        ValueError: what differs.
    """
    names = measure.names(first)
    if names != measure.names(second):
        raise ValueError(f"the {measure.what} differ")
    columns = ["subject", *measure.columns(names)]
    known = [table.set_index(["repeat", "clip"])[columns].sort_index() for table in (first, second)]
    if not known[0].index.equals(known[1].index):
        num_missing = len(known[0].index.symmetric_difference(known[1].index))
        raise ValueError(f"{num_missing} tested clips are in one of the two only")
    for column in columns:
        if num_other := int((known[0][column] != known[1][column]).sum()):
            raise ValueError(f"the {column} of {num_other} clips differs")


def draws(num_subjects: int, seed: int, num_draws: int) -> Int[np.ndarray, "draws subjects"]:
    """How often each subject is taken in each draw: rows sum to their number. A single subject cannot be drawn from."""
    generator = np.random.default_rng(seed)
    size = num_draws if num_subjects > 1 else 0
    return generator.multinomial(num_subjects, np.full(num_subjects, 1 / num_subjects), size)


def scores(
    counts: Int[np.ndarray, "subjects repeats *counts"],
    measure: Measure,
    names: Sequence[str],
    drawn: Int[np.ndarray, "draws subjects"] | None = None,
) -> dict[str, Float[np.ndarray, "draws"]]:
    """The metrics of each draw, pooled over subjects, the mean over repeats; without draws, of everybody once."""
    taken = np.ones((1, len(counts))) if drawn is None else drawn.astype(float)
    pooled = (taken @ counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:])
    found = measure.scores(pooled, names)
    return {metric: np.asarray(metrics.mean_over_defined(score)) for metric, score in found.items()}


def interval(estimate: float, drawn: Float[np.ndarray, "draws"], level: float) -> Interval:
    """The percentiles of the draws that have a score; NaN where draws cannot differ.

    >>> interval(2.5, np.arange(5.0), level=0.5)
    Interval(estimate=2.5, low=1.0, high=3.0)
    """
    if not 0 < level < 1:
        raise ValueError(f"a confidence level of {level}: it must be between 0 and 1, both excluded")
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return Interval(float(estimate), np.nan, np.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(float(estimate), low, high)
