"""Scores of anybody's predictions: overall, of each class, database and subject, with intervals by subject."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.inputs.predictions.values import ClipPredictions
from experiments.results.intervals import Interval, score_intervals
from experiments.results.measures import EMOTIONS, SCORES
from experiments.results.scores import confusion
from fedpsyau_jax import metrics

ALL_DATABASES = "all"
MAJORITY = "majority class"
METRICS = {"uf1": "UF1", "uar": "UAR", "accuracy": "Accuracy", "macro_precision": "Macro precision"}
CLASS_METRICS = {"f1": "F1", "recall": "Recall", "precision": "Precision"}
_SCORES = {**SCORES, "macro_precision": metrics.macro_precision}
_OF_CLASSES = {
    "f1": metrics.f1_per_class,
    "recall": metrics.recall_per_class,
    "precision": metrics.precision_per_class,
}


class ClipScores(NamedTuple):
    """Tables of scores; a metric has its interval in ``<metric>_low`` and ``<metric>_high``, empty if there is none.

    Attributes:
        databases: columns algorithm, database (``ALL_DATABASES``: pooled), num_clips, num_subjects, num_repeats and
            ``METRICS``; the last row is the majority class of the pooled clips.
        classes: algorithm, class, num_true, num_predicted and ``CLASS_METRICS``.
        subjects: algorithm, database, subject, num_clips, num_correct and ``METRICS``; all repeats together.
        confusion: algorithm, true, and the number of clips predicted as each class; all repeats together.
    """

    databases: pd.DataFrame
    classes: pd.DataFrame
    subjects: pd.DataFrame
    confusion: pd.DataFrame


def score(predictions: ClipPredictions) -> ClipScores:
    """Score each algorithm of a file, pooled over clips and the mean over repeats."""
    table = _identified(predictions.table)
    groups = list(table.groupby("algorithm", sort=False))
    names = list(predictions.class_names)
    pooled = [_pooled(str(algorithm), rows, names) for algorithm, rows in groups]
    return ClipScores(
        databases=pd.DataFrame([row for databases, _ in pooled for row in databases] + [_majority(groups[0][1])]),
        classes=pd.DataFrame([row for _, classes in pooled for row in classes]),
        subjects=pd.DataFrame([row for algorithm, rows in groups for row in _subjects(str(algorithm), rows)]),
        confusion=pd.concat([_confusion(str(algorithm), rows, names) for algorithm, rows in groups], ignore_index=True),
    )


def _identified(table: pd.DataFrame) -> pd.DataFrame:
    """Subjects and clips by names that no two databases share; one subject for all where they are not known."""
    person = table["database"] + "/" + table["subject"]
    known = bool((table["subject"] != "").all())
    return table.assign(person=table["subject"], subject=person if known else "", clip=person + "/" + table["clip"])


def _pooled(algorithm: str, rows: pd.DataFrame, names: Sequence[str]) -> tuple[list[dict], list[dict]]:
    """Rows of ``databases`` and of ``classes`` of one algorithm."""
    intervals = _intervals(rows)
    databases = [_database_row(algorithm, ALL_DATABASES, rows, intervals)]
    parts = list(rows.groupby("database", sort=False))
    if len(parts) > 1:
        databases += [_database_row(algorithm, str(name), part, _intervals(part)) for name, part in parts]
    true, predicted = (rows[column].value_counts() for column in ("label", "predicted"))
    classes = [
        {
            **{"algorithm": algorithm, "class": name},
            **{"num_true": int(true.get(name, 0)), "num_predicted": int(predicted.get(name, 0))},
            **_bounded({metric: intervals[f"{metric} of {name}"] for metric in CLASS_METRICS}),
        }
        for name in names
    ]
    return databases, classes


def _intervals(rows: pd.DataFrame) -> dict[str, Interval]:
    return score_intervals(rows, EMOTIONS._replace(scores=_all_scores))


def _all_scores(counts: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Metrics and those of each class, from confusion matrices."""
    overall = {metric: np.asarray(score(counts)) for metric, score in _SCORES.items()}
    of_classes = {metric: np.asarray(score(counts)) for metric, score in _OF_CLASSES.items()}
    return overall | {
        f"{metric} of {name}": values[..., place]
        for metric, values in of_classes.items()
        for place, name in enumerate(names)
    }


def _bounded(intervals: dict[str, Interval]) -> dict[str, float]:
    return {
        name: value
        for metric, bounds in intervals.items()
        for name, value in ((metric, bounds.estimate), (f"{metric}_low", bounds.low), (f"{metric}_high", bounds.high))
    }


def _database_row(algorithm: str, database: str, rows: pd.DataFrame, intervals: dict[str, Interval]) -> dict[str, Any]:
    return {
        **{"algorithm": algorithm, "kind": "predicted", "database": database},
        **{"num_clips": rows["clip"].nunique(), "num_subjects": _num_subjects(rows)},
        "num_repeats": rows["repeat"].nunique(),
        **_bounded({metric: intervals[metric] for metric in METRICS}),
    }


def _num_subjects(rows: pd.DataFrame) -> int:
    """How many subjects are known."""
    return int(rows.loc[rows["person"] != "", "subject"].nunique())


def _majority(rows: pd.DataFrame) -> dict[str, Any]:
    """Scores of predicting the most frequent class for every clip; without intervals."""
    clips = rows.drop_duplicates("clip")
    guessed = clips.assign(predicted=clips["label"].mode().iloc[0])
    values = {metric: float(value(confusion(guessed))) for metric, value in _SCORES.items()}
    known = {"algorithm": MAJORITY, "kind": "baseline", "database": ALL_DATABASES}
    counts = {"num_clips": len(clips), "num_subjects": _num_subjects(clips), "num_repeats": 1}
    return known | counts | _bounded({metric: Interval(value, np.nan, np.nan) for metric, value in values.items()})


def _subjects(algorithm: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    subjects = []
    for (database, person), own in rows.groupby(["database", "person"], sort=False):
        counts = confusion(own)
        subjects.append(
            {
                **{"algorithm": algorithm, "database": database, "subject": person, "num_clips": own["clip"].nunique()},
                "num_correct": int(np.trace(counts)),
                **{metric: float(value(counts)) for metric, value in _SCORES.items()},
            }
        )
    return subjects


def _confusion(algorithm: str, rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(confusion(rows), columns=list(names))
    table.insert(0, "true", list(names))
    table.insert(0, "algorithm", algorithm)
    return table
