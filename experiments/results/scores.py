"""From predictions to the table of results.

Three views of one repeat, each under its own name:
``pooled`` scores all test predictions together (UF1 and UAR as defined by MEGC 2019);
``mean_over_clients`` is the mean of each client's own score (another number: small test sets lack classes);
``worst_client`` is the lowest of these. Then mean and standard deviation over repeats.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fedpsyau_jax import metrics
from fedpsyau_jax.types import Float, Int

METRICS = {"uf1": "UF1", "uar": "UAR", "accuracy": "Accuracy", "au_f1": "AU F1"}
DETECTION_THRESHOLD = 0.5


class Counts(NamedTuple):
    """Test counts per client (or fold): scores are computed from these."""

    confusion: Int[np.ndarray, "*draws parts classes classes"]
    detections: metrics.Detections  # each [*draws, parts, aus]; no AUs where none are predicted


def class_names(predictions: pd.DataFrame) -> list[str]:
    """Class names in order, read off the columns ``p_<class>``."""
    return [name.removeprefix("p_") for name in predictions.columns if name.startswith("p_")]


def au_names(au_predictions: pd.DataFrame) -> list[str]:
    """Action unit names in order, read off the columns ``probability_<AU>``."""
    return [name.removeprefix("probability_") for name in au_predictions.columns if name.startswith("probability_")]


def confusion(predictions: pd.DataFrame) -> Int[np.ndarray, "classes classes"]:
    """Confusion counts of these rows, row = true class.

    Raises:
        ValueError: a label or prediction is no class.
    """
    names = class_names(predictions)
    indices = {}
    for column in ("label", "predicted"):
        indices[column] = pd.Index(names).get_indexer(pd.Index(predictions[column]))
        if (indices[column] < 0).any():
            stranger = predictions[column].iloc[int(np.argmin(indices[column]))]
            raise ValueError(f"'{stranger}' in column '{column}' is none of the classes {', '.join(names)}.")
    return np.asarray(metrics.confusion_counts(indices["label"], indices["predicted"], len(names)))


def detections(au_predictions: pd.DataFrame) -> metrics.Detections:
    """Counts per action unit of these rows; detected = probability above 0.5, unlabelled ones left out."""
    return metrics.Detections(*(outcome.sum(axis=0) for outcome in outcomes(au_predictions)))


def outcomes(au_predictions: pd.DataFrame) -> metrics.Detections:
    """The counts of each row alone, each [rows, aus] of 0 and 1."""
    label, mask, probability = (
        au_predictions[[f"{kind}_{name}" for name in au_names(au_predictions)]].to_numpy(float)
        for kind in ("label", "mask", "probability")
    )
    rows = (block.reshape(1, -1) for block in (label, probability > DETECTION_THRESHOLD, mask))
    return metrics.Detections(*(outcome.reshape(label.shape) for outcome in metrics.detection_counts(*rows)))


def count(predictions: pd.DataFrame, au_predictions: pd.DataFrame | None, part: str = "client") -> Counts:
    """Counts per part of the rows of one algorithm and repeat, parts in the order of appearance."""
    parts = predictions[part].unique()
    confusions = np.stack([confusion(predictions[predictions[part] == name]) for name in parts])
    if au_predictions is None:
        none = np.zeros((len(parts), 0), int)
        return Counts(confusions, metrics.Detections(none, none, none, none))
    per_part = [detections(au_predictions[au_predictions[part] == name]) for name in parts]
    return Counts(confusions, metrics.Detections(*map(np.stack, zip(*per_part, strict=True))))


def scores(counts: Counts) -> dict[str, Float[np.ndarray, "*draws parts"]]:
    """The metrics of each part."""
    return {
        "uf1": np.asarray(metrics.uf1(counts.confusion)),
        "uar": np.asarray(metrics.uar(counts.confusion)),
        "accuracy": np.asarray(metrics.accuracy(counts.confusion)),
        "au_f1": np.asarray(metrics.mean_over_defined(metrics.detection_f1(counts.detections))),
    }


def views(counts: Counts, part: str = "client") -> dict[str, dict[str, Float[np.ndarray, "*draws"]]]:
    """The metrics pooled over parts, their mean over parts, and the worst part (NaN parts left out)."""
    pooled = Counts(
        counts.confusion.sum(axis=-3, keepdims=True),
        metrics.Detections(*(field.sum(axis=-2, keepdims=True) for field in counts.detections)),
    )
    by_part = scores(counts)
    return {
        "pooled": {metric: score[..., 0] for metric, score in scores(pooled).items()},
        f"mean_over_{part}s": {
            metric: np.asarray(metrics.mean_over_defined(score)) for metric, score in by_part.items()
        },
        f"worst_{part}": {metric: np.fmin.reduce(score, axis=-1) for metric, score in by_part.items()},
    }


def score_repeats(
    predictions: pd.DataFrame,
    au_predictions: pd.DataFrame | None = None,
    *,
    part: str = "client",
    kind: str = "trained",
) -> pd.DataFrame:
    """Score each repeat of each algorithm in every view.

    Args:
        predictions: as predictions.csv.
        au_predictions: as au_predictions.csv; None leaves AU F1 undefined.
        part: the column that is pooled over: "client" or "fold".
        kind: "trained", or "baseline" for what was not trained.

    Returns:
        Columns algorithm, kind, repeat, view and one per metric.
    """
    rows = []
    for (algorithm, repeat), group in predictions.groupby(["algorithm", "repeat"], sort=False):
        counts = count(group, _rows_of(au_predictions, algorithm, repeat), part)
        rows += [
            {"algorithm": algorithm, "kind": kind, "repeat": repeat, "view": view, **values}
            for view, values in views(counts, part).items()
        ]
    return pd.DataFrame(rows).astype(dict.fromkeys(METRICS, float))


def score_parts(
    predictions: pd.DataFrame, au_predictions: pd.DataFrame | None = None, *, part: str = "client"
) -> pd.DataFrame:
    """Score each client (or fold) alone: columns algorithm, repeat, the part, num_test and the metrics."""
    tables = []
    for (algorithm, repeat), group in predictions.groupby(["algorithm", "repeat"], sort=False):
        counts = count(group, _rows_of(au_predictions, algorithm, repeat), part)
        keys = {"algorithm": algorithm, "repeat": repeat, part: group[part].unique()}
        tables.append(pd.DataFrame({**keys, "num_test": counts.confusion.sum((-2, -1)), **scores(counts)}))
    return pd.concat(tables, ignore_index=True)


def score_classes(predictions: pd.DataFrame) -> pd.DataFrame:
    """F1 and recall of each class, pooled within a repeat, as mean and sd over repeats."""
    names = class_names(predictions)
    tables = []
    for (algorithm, _), group in predictions.groupby(["algorithm", "repeat"], sort=False):
        counts = confusion(group)
        f1, recall = metrics.f1_per_class(counts), metrics.recall_per_class(counts)
        tables.append(pd.DataFrame({"algorithm": algorithm, "class": names, "f1": f1, "recall": recall}))
    return _mean_and_sd(pd.concat(tables), ["algorithm", "class"])


def score_aus(au_predictions: pd.DataFrame) -> pd.DataFrame:
    """F1 of each action unit, pooled within a repeat, as mean and sd over repeats."""
    tables = []
    for (algorithm, _), group in au_predictions.groupby(["algorithm", "repeat"], sort=False):
        f1 = metrics.detection_f1(detections(group))
        tables.append(pd.DataFrame({"algorithm": algorithm, "au": au_names(group), "f1": f1}))
    return _mean_and_sd(pd.concat(tables), ["algorithm", "au"])


def reference(algorithm: str, pooled: Mapping[str, float]) -> pd.DataFrame:
    """A row whose pooled scores are known from elsewhere, such as the AU-set oracle of the synthetic data.

    >>> reference("AU-set oracle", {"uf1": 0.5, "accuracy": 0.6})[["uf1", "uar", "accuracy"]].values.tolist()
    [[0.5, nan, 0.6]]
    """
    row = {"algorithm": algorithm, "kind": "baseline", "repeat": 0, "view": "pooled"}
    return pd.DataFrame([{**row, **dict.fromkeys(METRICS, np.nan), **pooled}])


def summarise(repeats: pd.DataFrame | Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean and standard deviation over repeats: the summary table.

    Args:
        repeats: tables of ``score_repeats``, the baselines and ``reference``, rows in the order to show.

    Returns:
        One row per algorithm: algorithm, kind, num_repeats, then ``<metric>`` (pooled) and
        ``<metric>_<view>``, each with its ``_sd`` (over repeats, n - 1; NaN for a single repeat).
    """
    rows = repeats if isinstance(repeats, pd.DataFrame) else pd.concat(repeats, ignore_index=True)
    summary = []
    for (algorithm, kind), group in rows.groupby(["algorithm", "kind"], sort=False):
        row: dict[str, Any] = {
            "algorithm": algorithm,
            "kind": kind,
            "num_repeats": group["repeat"].nunique(),
        }
        for view in rows["view"].unique():
            shown = group[group["view"] == view]
            for metric in METRICS:
                column = metric if view == "pooled" else f"{metric}_{view}"
                row |= {column: shown[metric].mean(), f"{column}_sd": shown[metric].std()}
        summary.append(row)
    return pd.DataFrame(summary)


def _mean_and_sd(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    groups = table.groupby(keys, sort=False)
    return groups.mean().join(groups.std().add_suffix("_sd")).reset_index()


def _rows_of(table: pd.DataFrame | None, algorithm: Any, repeat: Any) -> pd.DataFrame | None:
    if table is None:
        return None
    return table[(table["algorithm"] == algorithm) & (table["repeat"] == repeat)]
