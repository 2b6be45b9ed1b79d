"""From the arrays of a run to the tables of its folder (``runfolder`` lists them).

``keys`` says which model made the rows, in the order of the columns: ``{"algorithm": "FedAvg", "repeat": 0,
"client": "3"}`` for federations, ``"fold"`` in place of ``"client"`` for cross-validation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedpsyau_jax import metrics
from fedpsyau_jax.types import Float, Int

POOLED = "pooled"
FACTS = ("name", "synthetic", "fingerprint", "num_samples", "num_subjects", "class_counts", "au_names", "drops")
"""What data.json says."""


def class_predictions(
    keys: Mapping[str, Any],
    clips: Sequence[str],
    subjects: Sequence[str],
    labels: Int[np.ndarray, "examples"],
    probabilities: Float[np.ndarray, "examples classes"],
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Rows of predictions.csv: label, predicted class (the most probable) and probabilities of each example.

    Args:
        keys: what made these predictions, first columns of the table.
        clips: [examples] names of the clips.
        subjects: [examples] who is seen.
        labels: [examples] true class indices.
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


def au_predictions(
    keys: Mapping[str, Any],
    clips: Sequence[str],
    subjects: Sequence[str],
    labels: Float[np.ndarray, "examples aus"],
    au_mask: Float[np.ndarray, "examples aus"],
    probabilities: Float[np.ndarray, "examples aus"],
    au_names: Sequence[str],
) -> pd.DataFrame:
    """Rows of au_predictions.csv: per action unit its label, whether it is labelled, and its probability.

    Args:
        keys: what made these predictions, first columns of the table.
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


def round_metrics(
    round_: int,
    algorithms: Sequence[str],
    clients: Sequence[str],
    *,
    train_loss_sum: Float[np.ndarray, "algorithms repeats clients"],
    num_train: Float[np.ndarray, "algorithms repeats clients"],
    test_loss_sum: Float[np.ndarray, "algorithms repeats clients"],
    confusion: Int[np.ndarray, "algorithms repeats clients classes classes"],
) -> pd.DataFrame:
    """Rows of metrics.csv of one round: every client, and all clients pooled as client "pooled".

    Args:
        round_: number of the round, from 1.
        algorithms, clients: names along the first and the third axis.
        train_loss_sum, num_train: sum of losses over the examples of the round, and their number.
        test_loss_sum: sum of the test losses after the round.
        confusion: test counts after the round, row = true class; all zero where the round was not evaluated.

    Returns:
        One row per algorithm, repeat and client (or "pooled"); NaN where nothing was counted.
    """
    train_loss, num_train, test_loss, confusion = map(
        _append_pooled, (train_loss_sum, num_train, test_loss_sum, confusion)
    )
    num_test = confusion.sum((-2, -1))
    keys = pd.MultiIndex.from_product(
        [[round_], algorithms, range(confusion.shape[1]), [*clients, POOLED]],
        names=["round", "algorithm", "repeat", "client"],
    )
    columns = {
        "train_loss": _mean(train_loss, num_train),
        "test_loss": _mean(test_loss, num_test),
        "num_test": num_test,
        "accuracy": metrics.accuracy(confusion),
        "uf1": metrics.uf1(confusion),
        "uar": metrics.uar(confusion),
    }
    return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()}, keys).reset_index()


def client_split(
    keys: Mapping[str, Any],
    subjects: Sequence[str],
    train_labels: Int[np.ndarray, "train_examples"],
    test_labels: Int[np.ndarray, "test_examples"],
    class_names: Sequence[str],
) -> dict[str, Any]:
    """One row of clients.csv: who is in a client and how many examples of each class it trains and tests on.

    Args:
        keys: ``repeat`` and ``client``.
        subjects: the client's subjects.
        train_labels: class indices of its training examples.
        test_labels: class indices of its test examples.
        class_names: [classes] in the order of the indices.
    """
    counts = {
        f"{split}_{name}": int(np.sum(labels == index))
        for split, labels in (("train", train_labels), ("test", test_labels))
        for index, name in enumerate(class_names)
    }
    sizes = {"num_train": len(train_labels), "num_test": len(test_labels)}
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
    """Content of data.json: what the run saw.

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
    keys: Mapping[str, Any], clips: Sequence[str], subjects: Sequence[str], columns: Mapping[str, Any]
) -> pd.DataFrame:
    table = pd.DataFrame({"clip": list(clips), "subject": list(subjects), **columns})
    return pd.concat([pd.DataFrame(keys, index=table.index), table], axis=1)


def _append_pooled(per_client: np.ndarray) -> np.ndarray:
    per_client = np.asarray(per_client)
    return np.concatenate([per_client, per_client.sum(axis=2, keepdims=True)], axis=2)


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
