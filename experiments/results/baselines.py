"""What a score must beat: the majority class of the training split, and chance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.results import scores as results
from fedpsyau_jax import metrics
from fedpsyau_jax.types import Examples

MAJORITY = "majority class"
CHANCE = "chance"
AU_SET_ORACLE = "AU-set oracle (in sample)"
NUM_DRAWS = 2000
CLASS_SCORES = {"uf1": metrics.uf1, "uar": metrics.uar, "accuracy": metrics.accuracy}


def majority(
    predictions: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    part: str = "client",
    trained_on: Sequence[str] = ("repeat",),
) -> pd.DataFrame:
    """Scores of always predicting the most frequent class of the training split.

    Args:
        predictions: as predictions.csv; only which examples were tested, and their labels, matter.
        splits: as clients.csv; the first of equally frequent classes is taken.
        part: the column that is pooled over.
        trained_on: the columns that tell training splits apart: a repeat's clients count together, so
            ("repeat",) for federations, ("repeat", "fold") for cross-validation.

    Returns:
        As ``results.score_repeats``; AU F1 is undefined.
    """
    keys = list(trained_on)
    columns = {f"train_{name}": name for name in results.class_names(predictions)}
    train_counts = splits.rename(columns=columns).groupby(keys)[list(columns.values())].sum()
    most_frequent = train_counts.idxmax(axis=1)
    tested = _tested_once(predictions)
    guessed = tested.drop(columns="predicted").join(most_frequent.rename("predicted"), on=keys)
    return results.score_repeats(guessed.assign(algorithm=MAJORITY), part=part, kind="baseline")


def chance(
    predictions: pd.DataFrame, au_predictions: pd.DataFrame | None = None, *, part: str = "client"
) -> pd.DataFrame:
    """Expected scores of a uniformly random class for each example and a fair coin for each action unit.

    The expectation is the mean over ``NUM_DRAWS`` random confusion matrices of a fixed seed: row c is
    multinomial with N_c examples. So UF1, UAR and the worst client are defined as everywhere else.

    Returns:
        As ``results.score_repeats``.
    """
    rows = []
    aus = None if au_predictions is None else _tested_once(au_predictions)
    for repeat, tested in _tested_once(predictions).groupby("repeat", sort=False):
        counts = results.count(tested, None if aus is None else aus[aus["repeat"] == repeat], part)
        expected = results.views(_random_guesses(counts, np.random.default_rng(0)), part)
        rows += [
            {
                "repeat": repeat,
                "view": view,
                **{metric: float(metrics.mean_over_defined(draws)) for metric, draws in values.items()},
            }
            for view, values in expected.items()
        ]
    return pd.DataFrame(rows).assign(algorithm=CHANCE, kind="baseline")


def au_set_oracle(examples: Examples, class_names: Sequence[str]) -> pd.DataFrame:
    """Pooled scores of the most frequent class of each set of annotated action units.

    The sets' classes are counted on the very examples that are scored: no classifier that sees the action units alone
    can have a higher accuracy on them, so it is a bound and not a competitor.

    Args:
        examples: of the database; those without an emotion are left out. An unlabelled action unit is a third value
            beside present and absent.
        class_names: [classes] in the order of the indices; the first of equally frequent ones is taken.

    Returns:
        As ``results.reference``.
    """
    labels = np.asarray(examples.emotion)
    known = labels >= 0
    au_set = np.where(np.asarray(examples.au_mask) != 0, np.asarray(examples.au), -1)[known]
    _, group = np.unique(au_set, axis=0, return_inverse=True)
    counts = np.zeros((group.max() + 1, len(class_names)), np.int64)
    np.add.at(counts, (group.ravel(), labels[known]), 1)
    confusion = metrics.confusion_counts(labels[known], counts.argmax(axis=1)[group.ravel()], len(class_names))
    scores = {name: float(score(confusion)) for name, score in CLASS_SCORES.items()}
    return results.reference(AU_SET_ORACLE, scores)


def _tested_once(predictions: pd.DataFrame) -> pd.DataFrame:
    """All algorithms are tested on the same examples: those of the first one."""
    return predictions[predictions["algorithm"] == predictions["algorithm"].iloc[0]]


def _random_guesses(counts: results.Counts, generator: np.random.Generator) -> results.Counts:
    num_classes = counts.confusion.shape[-1]
    num_labelled = counts.confusion.sum(axis=-1)
    confusion = generator.multinomial(
        num_labelled, np.full(num_classes, 1 / num_classes), size=(NUM_DRAWS, *num_labelled.shape)
    )
    present = counts.detections.hits + counts.detections.misses
    absent = counts.detections.false_alarms + counts.detections.correct_rejections
    detected, imagined = (generator.binomial(n, 0.5, size=(NUM_DRAWS, *n.shape)) for n in (present, absent))
    detections = metrics.Detections(detected, present - detected, imagined, absent - imagined)
    return results.Counts(confusion, detections)
