"""What predictions are scored by: counts of each subject, and the scores that follow from counts.

Counts can be added over subjects, scores cannot: so intervals by subject (``intervals``) start here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.results.scores import au_names, class_names, outcomes, positions
from fedpsyau_jax import metrics
from fedpsyau_jax.metrics import AnyArray
from fedpsyau_jax.types import Float, Int

SCORES: Mapping[str, Callable[[AnyArray], AnyArray]] = {
    "uf1": metrics.uf1,
    "uar": metrics.uar,
    "accuracy": metrics.accuracy,
}
MEAN_AU_F1 = "au_f1"


class Measure(NamedTuple):
    """What is counted of each subject, and the scores that follow from counts.

    ``what``: a word for ``names``; ``names``: what is scored (classes, AUs); ``columns``: what a table says of an
    example, whoever predicts it; ``counts``: of rows and subjects, [subjects, repeats, ...], zero where a subject was
    not tested; ``scores``: of counts [draws, repeats, ...] and names, each [draws, repeats].
    """

    what: str
    names: Callable[[pd.DataFrame], list[str]]
    columns: Callable[[Sequence[str]], list[str]]
    counts: Callable[[pd.DataFrame, np.ndarray], Int[np.ndarray, "subjects repeats *counts"]]
    scores: Callable[[np.ndarray, Sequence[str]], dict[str, Float[np.ndarray, "draws repeats"]]]


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
    names = class_names(predictions)
    rows = _subject_and_repeat(predictions, subjects)
    cells = tuple(positions(predictions[column], names) for column in ("label", "predicted"))
    counts = np.zeros((len(subjects), predictions["repeat"].nunique(), len(names), len(names)), np.int64)
    np.add.at(counts, (*rows, *cells), 1)
    return counts


def subject_detections(
    predictions: pd.DataFrame, subjects: np.ndarray
) -> Int[np.ndarray, "subjects repeats aus outcomes=4"]:
    """Hits, misses, false alarms and correct rejections of each subject, each repeat and each labelled AU.

    Args:
        predictions: rows of au_predictions.csv of one algorithm.
        subjects: names, in the order of the first axis.

    Raises:
        ValueError: a clip was predicted twice in a repeat.
    """
    shape = len(subjects), predictions["repeat"].nunique(), len(au_names(predictions))
    counts = np.zeros((*shape, 4), np.int64)
    np.add.at(counts, _subject_and_repeat(predictions, subjects), np.stack(outcomes(predictions), axis=-1))
    return counts


def class_score_name(score: str, name: str) -> str:
    """Key of a score of one class.

    >>> class_score_name("f1", "fear")
    'f1 of fear'
    """
    return f"{score} of {name}"


def _subject_and_repeat(predictions: pd.DataFrame, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of each row's subject and repeat."""
    if predictions.duplicated(["repeat", "clip"]).any():
        raise ValueError("a clip was predicted twice in a repeat: give the rows of one algorithm")
    repeats = np.unique(predictions["repeat"])
    return positions(predictions["subject"], subjects), positions(predictions["repeat"], repeats)


def _emotion_scores(confusion: np.ndarray, _: Sequence[str]) -> dict[str, np.ndarray]:
    return {metric: np.asarray(score(confusion)) for metric, score in SCORES.items()}


def _class_scores(confusion: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    by_score = {"f1": metrics.f1_per_class(confusion), "recall": metrics.recall_per_class(confusion)}
    return {
        class_score_name(score, name): np.asarray(values[..., index])
        for score, values in by_score.items()
        for index, name in enumerate(names)
    }


def _detection_scores(outcomes: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    f1 = np.asarray(metrics.detection_f1(metrics.Detections(*np.moveaxis(outcomes, -1, 0))))
    each = {name: f1[..., index] for index, name in enumerate(names)}
    return {MEAN_AU_F1: np.asarray(metrics.mean_over_defined(f1))} | each


EMOTIONS = Measure("classes", class_names, lambda _: ["label"], subject_confusions, _emotion_scores)
"""UF1, UAR and accuracy of predictions.csv."""
CLASSES = EMOTIONS._replace(scores=_class_scores)
"""F1 and recall of each class of predictions.csv, under the names that ``class_score_name`` gives."""
ACTION_UNITS = Measure(
    "action units",
    au_names,
    lambda names: [f"{column}_{name}" for name in names for column in ("mask", "label")],
    subject_detections,
    _detection_scores,
)
"""F1 of each AU, by its name, and their mean, of au_predictions.csv."""
