"""Tables of experiments.explain: attention for each link and emotion, and scores at each prior ratio."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.results import scores
from fedpsyau_jax.types import Float, Int

KINDS = ("learned", "prior", "mixed")
Predictions = tuple[pd.DataFrame, pd.DataFrame]
"""Rows of predictions.csv and of au_predictions.csv."""


def sensitivity(predicted: Mapping[float, Predictions], own_ratio: float, part: str) -> pd.DataFrame:
    """Scores pooled over the tested clients or folds of each repeat.

    Args:
      predicted: by prior ratio, of the same networks on the same examples in the same order.
      own_ratio: of the run, among them.
      part: what is pooled over: "client" or "fold".

    Returns:
      Columns ratio, algorithm, repeat, one for each metric, and ``changed``: the share of predicted classes that are
      others than at the ratio of the run.
    """
    usual, _ = predicted[own_ratio]
    tables = []
    for ratio, (emotions, aus) in predicted.items():
        found = scores.score_repeats(emotions, aus, part=part)
        pooled = found.loc[found["view"] == "pooled", ["algorithm", "repeat", *scores.METRICS]]
        other = (emotions["predicted"] != usual["predicted"]).groupby([emotions["algorithm"], emotions["repeat"]])
        pooled = pooled.merge(other.mean().rename("changed").reset_index(), on=["algorithm", "repeat"])
        tables.append(pooled.assign(ratio=ratio)[["ratio", *pooled.columns]])
    return pd.concat(tables, ignore_index=True)


def attention_rows(
    keys: Mapping[str, Any],
    sums: Mapping[str, Float[np.ndarray, "parts classes aus aus"]],
    counts: Int[np.ndarray, "parts classes"],
    class_names: Sequence[str],
    au_names: Sequence[str],
) -> pd.DataFrame:
    """Rows of attention.csv of one graph and layer: the means of each emotion over all its examples.

    Args:
      keys: algorithm, graph and layer.
      sums: of each of ``KINDS``, over the examples of each part (client, fold or network) and class.
      counts: how many these are.
      class_names: [classes].
      au_names: [aus] of the graph.

    Returns:
      The keys, emotion, num_examples, receiver, sender, learned, prior, mixed, and learned_sd (standard deviation of
      the means of single parts); a row for each link that carries anything.
    """
    total = counts.sum(axis=0)
    tested = np.flatnonzero(total)
    values = {kind: own.sum(axis=0)[tested] / total[tested, None, None] for kind, own in sums.items()}
    values["learned_sd"] = spread(sums["learned"], counts)[tested]
    emotion, receiver, sender = np.nonzero((values["learned"] > 0) | (values["prior"] > 0))
    columns = {
        **keys,
        "emotion": np.array(class_names, object)[tested[emotion]],
        "num_examples": total[tested[emotion]],
        "receiver": np.array(au_names, object)[receiver],
        "sender": np.array(au_names, object)[sender],
    }
    return pd.DataFrame(columns | {kind: own[emotion, receiver, sender] for kind, own in values.items()})


def spread(
    sums: Float[np.ndarray, "parts classes aus aus"], counts: Int[np.ndarray, "parts classes"]
) -> Float[np.ndarray, "classes aus aus"]:
    """Standard deviation of the means of those parts that have examples of a class.

    Args:
      sums: over the examples of each part and class.
      counts: how many these are.

    Returns:
      NaN where fewer than two parts have any.

    >>> spread(np.array([2.0, 3.0, 0.0]).reshape(3, 1, 1, 1), np.array([[2], [1], [0]])).round(3).item()
    1.414
    """
    weights = counts[..., None, None]
    number = (weights > 0).sum(axis=0)
    means = sums / np.maximum(weights, 1)
    deviations = np.where(weights > 0, means - means.sum(axis=0) / np.maximum(number, 1), 0)
    variance = (deviations**2).sum(axis=0) / np.maximum(number - 1, 1)
    return np.where(number > 1, np.sqrt(variance), np.nan)
