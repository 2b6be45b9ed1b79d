"""What predictions are measured by: the counts of each subject, and the scores that follow from counts.

Counts can be added over subjects, scores cannot: so intervals by subject (``intervals``) start here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.results import scores as results
from fedpsyau_jax import metrics
from fedpsyau_jax.metrics import AnyArray
from fedpsyau_jax.types import Int

SCORES: Mapping[str, Callable[[AnyArray], AnyArray]] = {
    "uf1": metrics.uf1,
    "uar": metrics.uar,
    "accuracy": metrics.accuracy,
}
MEAN_AU_F1 = "au_f1"


class Measure(NamedTuple):
    """What is counted of each subject, and the scores that follow from counts.

    ``columns``: what a table says of an example, whoever predicts it; ``names``: what is scored (classes, AUs);
    ``counts``: of rows and subjects, [subjects, repeats, ...], zero where they were not tested; ``scores``: of counts
    [draws, repeats, ...] and names, each [draws, repeats].
    """

    what: str
    names: Callable[[pd.DataFrame], list[str]]
    columns: Callable[[Sequence[str]], list[str]]
    counts: Callable[[pd.DataFrame, np.ndarray], Int[np.ndarray, "subjects repeats *counts"]]
    scores: Callable[[np.ndarray, Sequence[str]], dict[str, np.ndarray]]


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
    names = results.class_names(predictions)
    who = _who(predictions, subjects)
    said = tuple(_places(predictions[column], names) for column in ("label", "predicted"))
    counts = np.zeros((len(subjects), predictions["repeat"].nunique(), len(names), len(names)), np.int64)
    np.add.at(counts, (*who, *said), 1)
    return counts


def subject_detections(
    predictions: pd.DataFrame, subjects: np.ndarray
) -> Int[np.ndarray, "subjects repeats aus outcomes=4"]:
    """Hits, misses, false alarms and correct rejections of each subject, each repeat and each AU that is labelled.

    Args:
        predictions: rows of au_predictions.csv of one algorithm.
        subjects: names, in the order of the first axis.

    Raises:
        ValueError: a clip was predicted twice in a repeat.
    """
    shape = len(subjects), predictions["repeat"].nunique(), len(results.au_names(predictions))
    counts = np.zeros((*shape, 4), np.int64)
    np.add.at(counts, _who(predictions, subjects), np.stack(results.outcomes(predictions), axis=-1))
    return counts


def _places(column: pd.Series, values: Sequence[Any] | np.ndarray) -> Int[np.ndarray, "rows"]:
    places = pd.Index(values).get_indexer(pd.Index(column))
    if np.any(places < 0):
        stranger = column.iloc[int(np.argmin(places))]
        raise ValueError(f"'{stranger}' in column '{column.name}' is none of {', '.join(map(str, values))}")
    return places


def _who(predictions: pd.DataFrame, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of each row's subject and repeat."""
    if predictions.duplicated(["repeat", "clip"]).any():
        raise ValueError("a clip was predicted twice in a repeat: give the rows of one algorithm")
    repeats = np.unique(predictions["repeat"])
    return _places(predictions["subject"], subjects), _places(predictions["repeat"], repeats)


def _emotion_scores(confusion: np.ndarray, _: Sequence[str]) -> dict[str, np.ndarray]:
    return {metric: np.asarray(score(confusion)) for metric, score in SCORES.items()}


def of_class(score: str, name: str) -> str:
    """What a score of one class is called.

    >>> of_class("f1", "fear")
    'f1 of fear'
    """
    return f"{score} of {name}"


def _class_scores(confusion: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    by_score = {"f1": metrics.f1_per_class(confusion), "recall": metrics.recall_per_class(confusion)}
    return {
        of_class(score, name): np.asarray(values[..., place])
        for score, values in by_score.items()
        for place, name in enumerate(names)
    }


def _detection_scores(outcomes: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    f1 = np.asarray(metrics.detection_f1(metrics.Detections(*np.moveaxis(outcomes, -1, 0))))
    each = {name: f1[..., place] for place, name in enumerate(names)}
    return {MEAN_AU_F1: np.asarray(metrics.mean_over_defined(f1))} | each


EMOTIONS = Measure("classes", results.class_names, lambda _: ["label"], subject_confusions, _emotion_scores)
"""UF1, UAR and accuracy of predictions.csv."""
CLASSES = EMOTIONS._replace(scores=_class_scores)
"""F1 and recall of each class, as ``of_class`` names them, of predictions.csv."""
ACTION_UNITS = Measure(
    "action units",
    results.au_names,
    lambda names: [f"{column}_{name}" for name in names for column in ("mask", "label")],
    subject_detections,
    _detection_scores,
)
"""F1 of each AU, by its name, and their mean, of au_predictions.csv."""
