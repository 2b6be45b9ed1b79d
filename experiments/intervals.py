"""Bootstrap confidence intervals of pooled scores, by subject: clips of one person are no independent evidence.

A draw takes as many subjects as there are, with replacement, each with all its clips in all repeats. Scores of a draw
need only how often each subject was taken and each subject's confusion matrix: so all draws are one matrix product, and
exactly what scoring the drawn rows would give.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments import results
from fedpsyau_jax import metrics
from fedpsyau_jax.metrics import AnyArray
from fedpsyau_jax.types import Float, Int

SCORES: Mapping[str, Callable[[AnyArray], AnyArray]] = {
    "uf1": metrics.uf1,
    "uar": metrics.uar,
    "accuracy": metrics.accuracy,
}
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
    predictions: pd.DataFrame, *, seed: int, num_draws: int = NUM_DRAWS, level: float = LEVEL
) -> dict[str, Interval]:
    """Intervals of the pooled UF1, UAR and accuracy of one model, the mean over its repeats.

    They say how far the score depends on who was tested; that training again would end elsewhere shows in the spread
    over repeats, which is another number.

    Args:
        predictions: rows of predictions.csv of one algorithm, any number of repeats.
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
    counts = subject_confusions(predictions, np.unique(predictions["subject"]))
    everybody, drawn = scores(counts), scores(counts, draws(len(counts), seed, num_draws))
    return {metric: interval(everybody[metric][0], drawn[metric], level) for metric in SCORES}


def difference_intervals(
    first: pd.DataFrame, second: pd.DataFrame, *, seed: int, num_draws: int = NUM_DRAWS, level: float = LEVEL
) -> dict[str, Interval]:
    """Intervals of score(first) - score(second), paired: each draw takes the same subjects for both.

    Args:
        first: rows of predictions.csv of one algorithm.
        second: those of another, on the same clips in the same repeats.
        seed: of the draws.
        num_draws: bootstrap draws.
        level: of confidence, in (0, 1).

    Returns:
        By metric; an interval without 0 is a difference at this level.

    Raises:
        ValueError: the clips, their subjects or their labels differ, or a clip was predicted twice in a repeat.
    """
    check_pairs(first, second)
    subjects = np.unique(first["subject"])
    drawn = draws(len(subjects), seed, num_draws)
    counts = [subject_confusions(table, subjects) for table in (first, second)]
    everybody, of_draws = ([scores(table, taken) for table in counts] for taken in (None, drawn))
    return {
        metric: interval(
            everybody[0][metric][0] - everybody[1][metric][0], of_draws[0][metric] - of_draws[1][metric], level
        )
        for metric in SCORES
    }


def check_pairs(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """See that two tables are about the same clips.

    Raises:
        ValueError: what differs.
    """
    keys = ["repeat", "clip"]
    known = [table.set_index(keys)[["subject", "label"]].sort_index() for table in (first, second)]
    if results.class_names(first) != results.class_names(second):
        raise ValueError("the classes differ")
    if not known[0].index.equals(known[1].index):
        num_missing = len(known[0].index.symmetric_difference(known[1].index))
        raise ValueError(f"{num_missing} tested clips are in one of the two only")
    for column in ("subject", "label"):
        if num_other := int((known[0][column] != known[1][column]).sum()):
            raise ValueError(f"the {column} of {num_other} clips differs")


def subject_confusions(
    predictions: pd.DataFrame, subjects: np.ndarray
) -> Int[np.ndarray, "subjects repeats classes classes"]:
    """Confusion matrix of each subject in each repeat, zero where they were not tested.

    Args:
        predictions: rows of predictions.csv of one algorithm.
        subjects: names, in the order of the first axis.

    Raises:
        ValueError: a clip was predicted twice in a repeat, or a label or prediction is no class.
    """
    if predictions.duplicated(["repeat", "clip"]).any():
        raise ValueError("a clip was predicted twice in a repeat: give the rows of one algorithm")
    names = results.class_names(predictions)
    repeats = np.unique(predictions["repeat"])
    order: dict[str, Any] = {"subject": subjects, "repeat": repeats, "label": names, "predicted": names}
    places = tuple(_places(predictions[column], values) for column, values in order.items())
    counts = np.zeros((len(subjects), len(repeats), len(names), len(names)), np.int64)
    np.add.at(counts, places, 1)
    return counts


def draws(num_subjects: int, seed: int, num_draws: int) -> Int[np.ndarray, "draws subjects"]:
    """How often each subject is taken in each draw: rows sum to their number. A single subject cannot be drawn from."""
    generator = np.random.default_rng(seed)
    size = num_draws if num_subjects > 1 else 0
    return generator.multinomial(num_subjects, np.full(num_subjects, 1 / num_subjects), size)


def scores(
    counts: Int[np.ndarray, "subjects repeats classes classes"], drawn: Int[np.ndarray, "draws subjects"] | None = None
) -> dict[str, Float[np.ndarray, "draws"]]:
    """The metrics of each draw, pooled over subjects, the mean over repeats; without draws, of everybody once."""
    taken = np.ones((1, len(counts))) if drawn is None else drawn.astype(float)
    pooled = (taken @ counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:])
    return {metric: np.asarray(metrics.mean_over_defined(score(pooled))) for metric, score in SCORES.items()}


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


def _places(column: pd.Series, values: Sequence[Any] | np.ndarray) -> Int[np.ndarray, "rows"]:
    places = pd.Index(values).get_indexer(pd.Index(column))
    if np.any(places < 0):
        stranger = column.iloc[int(np.argmin(places))]
        raise ValueError(f"'{stranger}' in column '{column.name}' is none of {', '.join(map(str, values))}")
    return places
