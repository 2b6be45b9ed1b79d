"""Scores to beat: the majority class, chance, and what action units alone can tell. No baseline is trained."""

import numpy as np
import pandas as pd

from experiments.results.scores import Counts, au_names, class_names, count, score_repeats, views
from fedpsyau_jax import metrics

MAJORITY = "majority class"
CHANCE = "chance"
AU_SET_ORACLE = "AU-set oracle (in sample)"
ALL_PRESENT = "all AUs everywhere"
NUM_DRAWS = 2000


def majority(predictions: pd.DataFrame, splits: pd.DataFrame, *, part: str = "client") -> pd.DataFrame:
    """Scores of ``majority_predictions``, as ``scores.score_repeats`` has them; AU F1 is undefined.

    Args:
        predictions, splits: see there.
        part: the column that is pooled over.
    """
    return score_repeats(majority_predictions(predictions, splits), part=part, kind="baseline")


def majority_predictions(predictions: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Rows as of predictions.csv that always predict the most frequent class of the training examples.

    Args:
        predictions: as predictions.csv; only which examples were tested, and their labels, matter.
        splits: as splits.csv. The clients of a fold are counted together; the first of equally frequent classes wins.
    """
    keys = ["repeat", "fold"]
    columns = {f"train_{name}": name for name in class_names(predictions)}
    train_counts = splits.rename(columns=columns).groupby(keys)[list(columns.values())].sum()
    most_frequent = train_counts.idxmax(axis=1).rename("predicted")
    guessed = _of_first_algorithm(predictions).drop(columns="predicted").join(most_frequent, on=keys)
    return guessed.assign(algorithm=MAJORITY)


def chance(
    predictions: pd.DataFrame, au_predictions: pd.DataFrame | None = None, *, part: str = "client"
) -> pd.DataFrame:
    """Expected scores of a uniformly random class for each example and a fair coin for each action unit.

    The expectation is the mean over ``NUM_DRAWS`` random confusion matrices of a fixed seed: row c is
    multinomial with N_c examples. So UF1, UAR and the worst client are defined as everywhere else.

    Returns:
        As ``scores.score_repeats``.
    """
    rows = []
    aus = None if au_predictions is None else _of_first_algorithm(au_predictions)
    for repeat, tested in _of_first_algorithm(predictions).groupby("repeat", sort=False):
        counts = count(tested, None if aus is None else aus[aus["repeat"] == repeat], part)
        expected = views(_random_guesses(counts, np.random.default_rng(0)), part)
        rows += [
            {
                "repeat": repeat,
                "view": view,
                **{metric: float(metrics.mean_over_defined(draws)) for metric, draws in values.items()},
            }
            for view, values in expected.items()
        ]
    return pd.DataFrame(rows).assign(algorithm=CHANCE, kind="baseline")


def au_set_oracle(predictions: pd.DataFrame, au_predictions: pd.DataFrame, *, part: str = "client") -> pd.DataFrame:
    """Scores of the most frequent class of each set of annotated action units.

    The classes of the sets are counted on the tested examples of a repeat, the very ones that are scored: no classifier
    that sees the annotated action units alone can have a higher accuracy on them, so it is a bound and no competitor.

    Args:
        predictions: as predictions.csv; only which examples were tested, and their labels, matter.
        au_predictions: as au_predictions.csv, on the same examples. An unlabelled action unit is a third value beside
            present and absent.
        part: the column that is pooled over.

    Returns:
        As ``scores.score_repeats``; AU F1 is undefined. The first of equally frequent classes wins.
    """
    names, keys = class_names(predictions), ["repeat", "clip"]
    labels, mask = (_au_columns(au_predictions, kind) for kind in ("label", "mask"))
    au_sets = pd.DataFrame(np.where(mask != 0, labels, -1), index=pd.MultiIndex.from_frame(au_predictions[keys]))
    au_set = au_sets[~au_sets.index.duplicated()].apply(tuple, axis=1).rename("au_set")
    tested = _of_first_algorithm(predictions).join(au_set, on=keys)
    counts = tested.groupby(["repeat", "au_set", "label"]).size().unstack(fill_value=0)
    most_frequent = counts.reindex(columns=names, fill_value=0).idxmax(axis=1).rename("predicted")
    guessed = tested.drop(columns="predicted").join(most_frequent, on=["repeat", "au_set"]).drop(columns="au_set")
    return score_repeats(guessed.assign(algorithm=AU_SET_ORACLE), part=part, kind="baseline")


def any_au_annotated(au_predictions: pd.DataFrame) -> bool:
    """Whether an action unit of any tested example is annotated; without, the AU-set oracle knows nothing.

    Args:
        au_predictions: as au_predictions.csv.
    """
    return bool((_au_columns(au_predictions, "mask") != 0).any())


def all_present(au_predictions: pd.DataFrame) -> pd.DataFrame:
    """Rows as of au_predictions.csv that say of every action unit, everywhere, that it is there."""
    certain = {f"probability_{name}": 1.0 for name in au_names(au_predictions)}
    return _of_first_algorithm(au_predictions).assign(algorithm=ALL_PRESENT, **certain)


def _au_columns(au_predictions: pd.DataFrame, kind: str) -> np.ndarray:
    return au_predictions[[f"{kind}_{name}" for name in au_names(au_predictions)]].to_numpy()


def _of_first_algorithm(predictions: pd.DataFrame) -> pd.DataFrame:
    """All algorithms are tested on the same examples: the rows of the first one."""
    return predictions[predictions["algorithm"] == predictions["algorithm"].iloc[0]]


def _random_guesses(counts: Counts, generator: np.random.Generator) -> Counts:
    num_classes = counts.confusion.shape[-1]
    num_labelled = counts.confusion.sum(axis=-1)
    confusion = generator.multinomial(
        num_labelled, np.full(num_classes, 1 / num_classes), size=(NUM_DRAWS, *num_labelled.shape)
    )
    present = counts.detections.hits + counts.detections.misses
    absent = counts.detections.false_alarms + counts.detections.correct_rejections
    detected, imagined = (generator.binomial(n, 0.5, size=(NUM_DRAWS, *n.shape)) for n in (present, absent))
    detections = metrics.Detections(detected, present - detected, imagined, absent - imagined)
    return Counts(confusion, detections)
