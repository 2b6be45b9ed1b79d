"""How much the clients of a federation differ: clients.csv."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.inputs.splits import client_names
from experiments.results.schema import POOLED
from fedpsyau_jax.splits import Split, feature_shift, label_total_variation, size_gini
from fedpsyau_jax.types import Float, Int

FILE = "clients.csv"
MEASURES = ("label_total_variation", "size_gini", "feature_auc")


def client_table(
    repeats: Sequence[Sequence[Split]],
    subjects: np.ndarray,
    labels: Int[np.ndarray, "examples"],
    num_classes: int,
    features: Float[np.ndarray, "examples feat"] | None,
) -> pd.DataFrame:
    """Content of clients.csv: each client of each repeat, and a row for all of them together.

    Args:
        repeats: [repeats][splits].
        subjects: [examples] who is seen.
        labels: [examples] class indices.
        num_classes: number of classes.
        features: [examples, feat] probabilities of action units by one frozen detector; None if there is none.

    Returns:
        Columns repeat, fold, client, num_subjects, num_examples, num_train, num_validation, num_test,
        label_total_variation, size_gini and feature_auc. Rows with the client "pooled" have the sums, the means over
        clients, and the Gini coefficient of the numbers of examples.
    """
    rows = []
    for repeat, splits in enumerate(repeats):
        for split in splits:
            clients = _clients(split, subjects, labels, num_classes, features)
            keys = {"repeat": repeat, "fold": split.name}
            rows += [{**keys, **client} for client in [*clients, _together(clients)]]
    return pd.DataFrame(rows)


def _clients(
    split: Split, subjects: np.ndarray, labels: np.ndarray, num_classes: int, features: np.ndarray | None
) -> list[dict[str, Any]]:
    members = [np.concatenate([client.train, client.validation, client.test]) for client in split.clients]
    everybody, owner = np.concatenate(members), np.repeat(np.arange(len(members)), list(map(len, members)))
    counts = np.array([np.bincount(labels[own], minlength=num_classes) for own in members])
    distances = label_total_variation(counts)
    told = np.full(len(members), np.nan)
    if features is not None:
        told = feature_shift(features[everybody], owner, subjects[everybody])
    return [
        {
            **{"client": name, "num_subjects": len(client.subjects), "num_examples": len(own)},
            **{f"num_{part}": len(getattr(client, part)) for part in ("train", "validation", "test")},
            **{"label_total_variation": distance, "size_gini": np.nan, "feature_auc": auc},
        }
        for name, client, own, distance, auc in zip(
            client_names(split), split.clients, members, distances.tolist(), told.tolist(), strict=True
        )
    ]


def _together(clients: Sequence[dict[str, Any]]) -> dict[str, Any]:
    table = pd.DataFrame(clients)
    sums = {name: int(table[name].sum()) for name in map(str, table) if name.startswith("num_")}
    means = {name: float(table[name].mean()) for name in ("label_total_variation", "feature_auc")}
    return {"client": POOLED, **sums, **means, "size_gini": size_gini(table["num_examples"].to_numpy())}
