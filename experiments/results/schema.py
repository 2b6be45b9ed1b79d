"""The tables of a run folder, made from arrays: one schema for every command that trains.

``keys`` say which training made a row: ``{"algorithm": "FedAvg", "repeat": 0, "fold": "all", "client": "3"}``. A
federation has clients and the one fold ``ALL``; a cross-validation has folds and the one client ``ALL``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedpsyau_jax import metrics
from fedpsyau_jax.types import Float, Int

KEYS = ("algorithm", "repeat", "fold", "client")
ALL = "all"
"""Name of the only fold of a federation, and of the only client of a fold."""
POOLED = "pooled"
"""Fold and client of the rows of metrics.csv that are about all parts of a repeat together."""
FACTS = ("name", "synthetic", "fingerprint", "num_samples", "num_subjects", "class_counts", "au_names", "drops")
"""What data.json says about each database."""
RUN_FACTS = ("databases", "part", "unit")
"""What data.json says: the databases; whether scores are averaged over "client" or "fold"; "round" or "epoch"."""


def emotion_rows(
    keys: Mapping[str, Any],
    clips: Sequence[str] | np.ndarray,
    subjects: Sequence[str] | np.ndarray,
    labels: Int[np.ndarray, "examples"],
    probabilities: Float[np.ndarray, "examples classes"],
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Rows of predictions.csv: label, predicted class (the most probable one) and probabilities of each example.

    Args:
        keys: of the training that predicts, the first columns of the table.
        clips: [examples] names of the clips.
        subjects: [examples] who is seen.
        labels: [examples] true class indices in 0..classes - 1.
        probabilities: [examples, classes] in [0, 1], rows sum to 1.
        class_names: [classes] in the order of the indices.

    Raises:
        ValueError: an example has no class (-1).
    """
    if np.any(labels < 0):
        raise ValueError("An example without an emotion cannot be scored; leave it out of the test split.")
    names = np.asarray(class_names, dtype=object)
    scores = {f"p_{name}": probabilities[:, index] for index, name in enumerate(class_names)}
    predicted = names[np.argmax(probabilities, axis=1)]
    return _table(keys, clips, subjects, {"label": names[labels], "predicted": predicted, **scores})


def au_rows(
    keys: Mapping[str, Any],
    clips: Sequence[str] | np.ndarray,
    subjects: Sequence[str] | np.ndarray,
    labels: Float[np.ndarray, "examples aus"],
    au_mask: Float[np.ndarray, "examples aus"],
    probabilities: Float[np.ndarray, "examples aus"],
    au_names: Sequence[str],
) -> pd.DataFrame:
    """Rows of au_predictions.csv: for each action unit its label, whether it is labelled, and its probability.

    Args:
        keys: of the training that predicts, the first columns of the table.
        clips: [examples] names of the clips.
        subjects: [examples] who is seen.
        labels: [examples, aus] in {0, 1}.
        au_mask: [examples, aus] 0 where not labelled.
        probabilities: [examples, aus] in [0, 1].
        au_names: [aus].
    """
    blocks = {"label": labels.astype(int), "mask": au_mask.astype(int), "probability": probabilities}
    columns = {
        f"{block}_{name}": values[:, index] for block, values in blocks.items() for index, name in enumerate(au_names)
    }
    return _table(keys, clips, subjects, columns)


def round_rows(
    round_: int,
    keys: Sequence[Mapping[str, Any]],
    *,
    train_loss_sum: Float[np.ndarray, "trainings"],
    num_train: Int[np.ndarray, "trainings"],
    loss_sum: Float[np.ndarray, "trainings"],
    confusion: Sequence[Int[np.ndarray, "classes classes"]],
    scored: str,
) -> pd.DataFrame:
    """Rows of metrics.csv of one round (or epoch): each training, then all of a repeat pooled.

    Args:
        round_: number of the round, from 1.
        keys: [trainings] algorithm, repeat, fold and client of each.
        train_loss_sum, num_train: sum of the losses over the examples of the round, and their number.
        loss_sum: sum of the losses of the scored examples, after the round.
        confusion: [trainings] counts of the scored examples after the round, row = true class; all zero where none were
            scored. Other algorithms may have other classes.
        scored: which examples these are: "validation", "test", or "" for none.

    Returns:
        One row for each training and, with fold and client "pooled", for each algorithm and repeat; NaN where nothing
        was counted.
    """
    trainings = pd.DataFrame(list(keys), columns=list(KEYS))
    sums = train_loss_sum, num_train, loss_sum, confusion
    tables = []
    for (algorithm, repeat), rows in trainings.groupby(["algorithm", "repeat"], sort=False):
        members = rows.index.to_numpy()
        pooled = pd.DataFrame([dict(zip(KEYS, (algorithm, repeat, POOLED, POOLED), strict=True))])
        counts = [_with_sum(np.stack([values[member] for member in members])) for values in sums]
        tables.append(_round_table(round_, pd.concat([rows, pooled], ignore_index=True), *counts, scored=scored))
    return pd.concat(tables, ignore_index=True)


def merged(names: Iterable[Sequence[str]]) -> list[str]:
    """All names once, in the order of each sequence as far as these agree.

    >>> merged([("negative", "positive", "surprise"), ("anger", "surprise", "others")])
    ['anger', 'negative', 'positive', 'surprise', 'others']
    """
    together: list[str] = []
    for own in names:
        place = 0
        for name in own:
            if name not in together:
                together.insert(place, name)
            place = together.index(name) + 1
    return together


def split_row(
    keys: Mapping[str, Any],
    subjects: Sequence[str],
    train_labels: Int[np.ndarray, "train_examples"],
    validation_labels: Int[np.ndarray, "validation_examples"],
    test_labels: Int[np.ndarray, "test_examples"],
    class_names: Sequence[str],
) -> dict[str, Any]:
    """One row of splits.csv: who is in a client (or tested by a fold), and how many examples of each class.

    Args:
        keys: ``repeat``, ``fold`` and ``client``.
        subjects: the client's subjects; of a fold, those that it tests on.
        train_labels: class indices of its training examples.
        validation_labels: those of its validation examples; only their number is written.
        test_labels: class indices of its test examples.
        class_names: [classes] in the order of the indices; none where only action units are detected.
    """
    sizes = {"num_train": len(train_labels), "num_validation": len(validation_labels), "num_test": len(test_labels)}
    counts = {
        f"{part}_{name}": int(np.sum(labels == index))
        for part, labels in (("train", train_labels), ("test", test_labels))
        for index, name in enumerate(class_names)
    }
    return {**keys, "subjects": " ".join(subjects), **sizes, **counts}


def data_facts(
    name: str,
    subjects: Sequence[str],
    labels: Int[np.ndarray, "examples"],
    class_names: Sequence[str],
    au_names: Sequence[str],
    *,
    synthetic: bool,
    fingerprint: str,
    drops: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What data.json says about one database.

    Args:
        name: of the database.
        subjects: [examples] who is seen.
        labels: [examples] class indices.
        class_names: [classes] in the order of the indices.
        au_names: [aus].
        synthetic: whether the pictures are rendered.
        fingerprint: hash over the contents.
        drops: one mapping per row of the annotation table that was left out, with its "reason".
    """
    return {
        "name": name,
        "synthetic": synthetic,
        "fingerprint": fingerprint,
        "num_samples": len(labels),
        "num_subjects": len(set(subjects)),
        "class_counts": {name: int(np.sum(labels == index)) for index, name in enumerate(class_names)},
        "au_names": list(au_names),
        "drops": [dict(drop) for drop in drops],
    }


def _table(
    keys: Mapping[str, Any],
    clips: Sequence[str] | np.ndarray,
    subjects: Sequence[str] | np.ndarray,
    columns: Mapping[str, Any],
) -> pd.DataFrame:
    table = pd.DataFrame({"clip": list(clips), "subject": list(subjects), **columns})
    return pd.concat([pd.DataFrame(dict(keys), index=table.index), table], axis=1)


def _round_table(
    round_: int,
    keys: pd.DataFrame,
    train_loss_sum: np.ndarray,
    num_train: np.ndarray,
    loss_sum: np.ndarray,
    confusion: np.ndarray,
    *,
    scored: str,
) -> pd.DataFrame:
    num_scored = confusion.sum((-2, -1))
    return pd.concat([pd.DataFrame({"round": round_}, index=keys.index), keys], axis=1).assign(
        train_loss=_mean(train_loss_sum, num_train),
        scored=scored,
        num_scored=num_scored,
        loss=_mean(loss_sum, num_scored),
        accuracy=np.asarray(metrics.accuracy(confusion)),
        uf1=np.asarray(metrics.uf1(confusion)),
        uar=np.asarray(metrics.uar(confusion)),
    )


def _with_sum(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values.sum(axis=0, keepdims=True)])


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
