"""Scores of a cross-validation with bootstrap intervals by subject: pooled, of each class, and of each action unit."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from experiments.results import scores as results
from experiments.results.intervals import SEED, Interval, score_intervals
from experiments.results.measures import ACTION_UNITS, CLASSES, EMOTIONS, of_class

CLASS_SCORES = ("f1", "recall")
Intervals = dict[str, dict[str, Interval]]
"""By algorithm and metric."""


class Scored(NamedTuple):
    """``pooled``: of ``results.METRICS``; ``classes`` and ``aus``: content of class_scores.csv and au_scores.csv."""

    pooled: Intervals
    classes: pd.DataFrame
    aus: pd.DataFrame


def scored(emotions: pd.DataFrame, aus: pd.DataFrame) -> Scored:
    """Score each algorithm.

    Args:
      emotions: rows of predictions.csv.
      aus: rows of au_predictions.csv, of the same algorithms.
    """
    found: Intervals = {}
    for measure, table in ((EMOTIONS, emotions), (CLASSES, emotions), (ACTION_UNITS, aus)):
        for name, rows in table.groupby("algorithm", sort=False):
            found.setdefault(str(name), {}).update(score_intervals(rows, measure, seed=SEED))
    classes, units = results.score_classes(emotions), results.score_aus(aus)
    for score in CLASS_SCORES:
        classes = _bounded(classes, score, [of_class(score, name) for name in classes["class"]], found)
    pooled = {name: {metric: own[metric] for metric in results.METRICS} for name, own in found.items()}
    return Scored(pooled, classes, _bounded(units, "f1", units["au"].tolist(), found))


def interval_rows(pooled: Intervals) -> pd.DataFrame:
    """Content of intervals.csv: pooled scores with their bounds."""
    return pd.DataFrame(
        [
            {"algorithm": name, "metric": metric, **interval._asdict()}
            for name, by_metric in pooled.items()
            for metric, interval in by_metric.items()
        ]
    )


def _bounded(
    table: pd.DataFrame, score: str, metrics: list[str], found: Mapping[str, Mapping[str, Interval]]
) -> pd.DataFrame:
    """A table of scores with the bounds of one of them; ``metrics``: what it is called in ``found``, row by row."""
    own = [found[name][metric] for name, metric in zip(table["algorithm"], metrics, strict=True)]
    bounds = {f"{score}_low": [one.low for one in own], f"{score}_high": [one.high for one in own]}
    return table.assign(**bounds)
