"""From predictions to scores, and their mean and standard deviation over repeats.

Three views of one repeat, each under its own name:
``pooled`` scores all predictions together (UF1 and UAR as defined by MEGC 2019);
``mean_over_clients`` is the mean of each client's own score (another number: small test sets lack classes);
``worst_client`` is the lowest of these. With folds in place of clients they are named after folds; with a single
client or fold there is only ``pooled``.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fedpsyau_jax import metrics
from fedpsyau_jax.types import Float, Int

METRICS = {"uf1": "UF1", "uar": "UAR", "accuracy": "Accuracy", "au_f1": "AU F1"}
DETECTION_THRESHOLD = 0.5


class Counts(NamedTuple):
    """Counts of each client (or fold), from which scores are computed."""

    confusion: Int[np.ndarray, "*draws parts classes classes"]  # no classes where no emotions are predicted
    detections: metrics.Detections  # each [*draws, parts, aus]; no AUs where none are predicted


def class_names(predictions: pd.DataFrame) -> list[str]:
    """Class names in order, read off the columns ``p_<class>`` that are not empty.

    Rows of a sweep over classes have their own: give those of one algorithm, or of several with the same classes.
    """
    probabilities = [name for name in predictions.columns if name.startswith("p_")]
    return [name.removeprefix("p_") for name in probabilities if not predictions[name].isna().all()]


def au_names(au_predictions: pd.DataFrame) -> list[str]:
    """Action unit names in order, read off the columns ``probability_<AU>``."""
    return [name.removeprefix("probability_") for name in au_predictions.columns if name.startswith("probability_")]


def positions(column: pd.Series, values: Sequence[Any] | np.ndarray) -> Int[np.ndarray, "rows"]:
    """Where each cell of a column stands among some values.

    Raises:
        ValueError: a cell is none of them.
    """
    indices = pd.Index(values).get_indexer(pd.Index(column))
    if np.any(indices < 0):
        unknown = column.iloc[int(np.argmin(indices))]
        raise ValueError(f"'{unknown}' in column '{column.name}' is none of {', '.join(map(str, values))}")
    return np.asarray(indices)


def confusion(predictions: pd.DataFrame) -> Int[np.ndarray, "classes classes"]:
    """Confusion counts of these rows, row = true class.

    Raises:
        ValueError: a label or prediction is no class.
    """
    return _confusions(predictions, np.zeros(len(predictions), int), 1)[0]


def detections(au_predictions: pd.DataFrame) -> metrics.Detections:
    """Counts of each action unit over these rows; detected = probability above 0.5, unlabelled ones left out."""
    return metrics.Detections(*(outcome.sum(axis=0) for outcome in outcomes(au_predictions)))


def outcomes(au_predictions: pd.DataFrame) -> metrics.Detections:
    """The counts of each row alone, each [rows, aus] of 0 and 1."""
    label, mask, probability = (
        au_predictions[[f"{kind}_{name}" for name in au_names(au_predictions)]].to_numpy(float)
        for kind in ("label", "mask", "probability")
    )
    rows = (block.reshape(1, -1) for block in (label, probability > DETECTION_THRESHOLD, mask))
    return metrics.Detections(*(outcome.reshape(label.shape) for outcome in metrics.detection_counts(*rows)))


def count(predictions: pd.DataFrame | None, au_predictions: pd.DataFrame | None, part: str = "client") -> Counts:
    """Counts of each part of the rows of one algorithm and repeat, parts in the order of appearance.

    Args:
        predictions: rows of predictions.csv; None where only action units are detected.
        au_predictions: rows of au_predictions.csv on the same examples; None where none are detected.
        part: the column that is pooled over: "client" or "fold".
    """
    parts = next(table for table in (predictions, au_predictions) if table is not None)[part].unique()
    confusions = np.zeros((len(parts), 0, 0), int)
    by_au = np.zeros((4, len(parts), 0), int)
    if predictions is not None:
        confusions = _confusions(predictions, positions(predictions[part], parts), len(parts))
    if au_predictions is not None:
        by_part = np.zeros((len(parts), 4, len(au_names(au_predictions))), int)
        np.add.at(by_part, positions(au_predictions[part], parts), np.stack(outcomes(au_predictions), axis=1))
        by_au = by_part.swapaxes(0, 1)
    return Counts(confusions, metrics.Detections(*by_au))


def scores(counts: Counts) -> dict[str, Float[np.ndarray, "*draws parts"]]:
    """The metrics of each part, NaN where one is not defined."""
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
    of_pooled = {"pooled": {metric: score[..., 0] for metric, score in scores(pooled).items()}}
    if counts.confusion.shape[-3] == 1:
        return of_pooled
    by_part = scores(counts)
    return of_pooled | {
        f"mean_over_{part}s": {
            metric: np.asarray(metrics.mean_over_defined(score)) for metric, score in by_part.items()
        },
        f"worst_{part}": {metric: np.fmin.reduce(score, axis=-1) for metric, score in by_part.items()},
    }


def score_repeats(
    predictions: pd.DataFrame | None,
    au_predictions: pd.DataFrame | None = None,
    *,
    part: str = "client",
    kind: str = "trained",
) -> pd.DataFrame:
    """Score each repeat of each algorithm in every view.

    Args:
        predictions: as predictions.csv; None leaves all but AU F1 undefined.
        au_predictions: as au_predictions.csv; None leaves AU F1 undefined.
        part: the column that is pooled over: "client" or "fold".
        kind: "trained", or "baseline" for what was not trained.

    Returns:
        Columns algorithm, kind, repeat, view and one per metric.
    """
    rows = []
    for (algorithm, repeat), emotions, aus in _by_repeat(predictions, au_predictions):
        keys = {"algorithm": algorithm, "kind": kind, "repeat": repeat}
        rows += [{**keys, "view": view, **values} for view, values in views(count(emotions, aus, part), part).items()]
    return pd.DataFrame(rows).astype(dict.fromkeys(METRICS, float))


def score_parts(
    predictions: pd.DataFrame, au_predictions: pd.DataFrame | None = None, *, part: str = "client"
) -> pd.DataFrame:
    """Score each client (or fold) alone: columns algorithm, repeat, the part, num_test and the metrics."""
    tables = []
    for (algorithm, repeat), emotions, aus in _by_repeat(predictions, au_predictions):
        counts = count(emotions, aus, part)
        keys = {"algorithm": algorithm, "repeat": repeat, part: emotions[part].unique()}
        tables.append(pd.DataFrame({**keys, "num_test": counts.confusion.sum((-2, -1)), **scores(counts)}))
    return pd.concat(tables, ignore_index=True)


def score_classes(predictions: pd.DataFrame) -> pd.DataFrame:
    """F1 and recall of each class, pooled within a repeat, as mean and sd over repeats."""
    tables = []
    for (algorithm, _), group in predictions.groupby(["algorithm", "repeat"], sort=False):
        names = class_names(group)
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


def summarise(repeats: pd.DataFrame | Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean and standard deviation over repeats: summary.csv.

    Args:
        repeats: tables of ``score_repeats`` and of the baselines, rows in the order to show.

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
            scores_of_view = group[group["view"] == view]
            for metric in METRICS:
                column = metric if view == "pooled" else f"{metric}_{view}"
                row |= {column: scores_of_view[metric].mean(), f"{column}_sd": scores_of_view[metric].std()}
        summary.append(row)
    return pd.DataFrame(summary)


def _confusions(
    predictions: pd.DataFrame, group: Int[np.ndarray, "rows"], num_groups: int
) -> Int[np.ndarray, "groups classes classes"]:
    """Confusion counts of each group of rows."""
    names = class_names(predictions)
    pairs = (positions(predictions[column], names) for column in ("label", "predicted"))
    counts = np.zeros((num_groups, len(names), len(names)), int)
    np.add.at(counts, (group, *pairs), 1)
    return counts


def _mean_and_sd(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    groups = table.groupby(keys, sort=False)
    return groups.mean().join(groups.std().add_suffix("_sd")).reset_index()


def _by_repeat(
    predictions: pd.DataFrame | None, au_predictions: pd.DataFrame | None
) -> Iterator[tuple[tuple[Any, Any], Any, Any]]:
    """Algorithm and repeat, and the rows of each table that are theirs."""
    tables: list[dict[Any, pd.DataFrame]] = [
        {} if table is None else dict(iter(table.groupby(["algorithm", "repeat"], sort=False)))
        for table in (predictions, au_predictions)
    ]
    for key in tables[0] or tables[1]:
        yield key, tables[0].get(key), tables[1].get(key)
