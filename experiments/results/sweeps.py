"""Runs that vary settings: sweep.csv, and which of its rows is the best."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.results.schema import POOLED
from experiments.results.scores import METRICS

ROW = ("algorithm", "name", "prior", "variant")
"""Columns of rows.csv that every run has; each further one is a swept setting."""
VALIDATION = "validation_uf1"
LAB_SHIFT = "lab-shift"
TESTED_ON = {
    LAB_SHIFT: ("lab shifts", "shift"),
    "classes": ("numbers of classes", "number of classes"),
    "clients": ("numbers of clients", "number of clients"),
}
"""The swept settings that change which examples are tested, or their classes: what several and one value are called."""
SCORES = (*(f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high", "_sd")), VALIDATION)
"""Columns that sweep.csv may have beside those of rows.csv."""


class Best(NamedTuple):
    """The best row of a sweep, and whether it was found by validation scores, not by the test scores themselves."""

    algorithm: str
    by_validation: bool
    score: float


class TestedRows(NamedTuple):
    """Rows of the table that were tested on the same examples in the same classes.

    ``values``: of the swept settings of ``TESTED_ON``; ``algorithms``: titles of the rows.
    """

    values: Mapping[str, Any]
    algorithms: list[str]

    @property
    def ending(self) -> str:
        """What their baselines are called by: ``, classes 3``; nothing where all rows were tested on the same."""
        texts = {name: f"{value:g}" if isinstance(value, float) else value for name, value in self.values.items()}
        return "".join(f", {setting} {text}" for setting, text in texts.items())

    def predictions(self, table: pd.DataFrame) -> pd.DataFrame:
        """Their rows of predictions.csv or au_predictions.csv."""
        return table[table["algorithm"].isin(self.algorithms)]

    def splits(self, splits: pd.DataFrame) -> pd.DataFrame:
        """Their rows of splits.csv, which names the values unless they have splits of other names."""
        own = [splits[setting] == value for setting, value in self.values.items() if setting in splits]
        return splits[np.all(own, axis=0)] if own else splits


def tested_rows(rows: pd.DataFrame) -> list[TestedRows]:
    """The rows of a run by what they were tested on.

    Args:
        rows: as rows.csv.

    >>> [one.ending for one in tested_rows(pd.DataFrame({"algorithm": ["a", "b"], "classes": [3, 7]}))]
    [', classes 3', ', classes 7']
    """
    settings = [setting for setting in TESTED_ON if setting in rows]
    if not settings:
        return [TestedRows({}, rows["algorithm"].tolist())]
    return [
        TestedRows(dict(zip(settings, values, strict=True)), own["algorithm"].tolist())
        for values, own in rows.groupby(settings, sort=False, dropna=False)
    ]


def swept_settings(rows: pd.DataFrame) -> list[str]:
    """Names of the settings that a run varies, in the order of the columns (``mu``, ``self-weight``, ...).

    Args:
        rows: as rows.csv or sweep.csv. The network's variant is swept if rows of one name have several.

    >>> swept_settings(pd.DataFrame(columns=["algorithm", "name", "prior", "variant", "mu"]))
    ['mu']
    """
    variants = rows.groupby("name")["variant"].nunique()
    swept = [*ROW[:-1], *SCORES] if (variants > 1).any() else [*ROW, *SCORES]
    return [str(column) for column in rows if column not in swept]


def family_name(title: str, settings: Sequence[str]) -> str:
    """The title of a row without the parts that name a swept setting.

    Args:
        title: of the row.
        settings: names of the swept settings.

    >>> family_name("Ditto (global), mu 0.1, published prior", ["mu"])
    'Ditto (global), published prior'
    """
    return ", ".join(part for part in title.split(", ") if part.partition(" ")[0] not in settings)


def sweep_table(
    rows: pd.DataFrame, summary: pd.DataFrame, intervals: pd.DataFrame, metrics: pd.DataFrame, *, select: bool
) -> pd.DataFrame:
    """Content of sweep.csv: what each row is, its pooled scores with their intervals, and its validation UF1.

    Args:
        rows: as rows.csv.
        summary: as summary.csv.
        intervals: as intervals.csv.
        metrics: as metrics.csv.
        select: whether each training keeps its round with the best validation UF1, instead of the last one.

    Returns:
        The columns of rows.csv; ``<metric>``, ``<metric>_low``, ``<metric>_high`` and ``<metric>_sd``; if rounds were
        scored by validation, ``validation_uf1``, the mean over repeats of the pooled UF1 of the round that is kept.
    """
    wide = rows.set_index("algorithm")
    by_metric = dict(iter(intervals.groupby("metric")))
    means = summary[summary["kind"] == "trained"].set_index("algorithm")
    for metric in METRICS:
        if metric in by_metric:
            bounds = by_metric[metric].set_index("algorithm")
            wide[metric] = bounds["estimate"]
            wide[f"{metric}_low"], wide[f"{metric}_high"] = bounds["low"], bounds["high"]
            wide[f"{metric}_sd"] = means[f"{metric}_sd"]
    if (metrics["scored"] == "validation").any():
        wide[VALIDATION] = validation_uf1(metrics, select=select)
    return wide.reset_index()


def validation_uf1(metrics: pd.DataFrame, *, select: bool) -> "pd.Series[float]":
    """Pooled validation UF1 of the best round (``select``) or the last one, the mean over repeats, by algorithm."""
    pooled = metrics[(metrics["fold"] == POOLED) & (metrics["scored"] == "validation")]
    by_repeat = pooled.sort_values("round").groupby(["algorithm", "repeat"])["uf1"]
    return (by_repeat.max() if select else by_repeat.last()).groupby(level="algorithm").mean()


def best_row(sweep: pd.DataFrame) -> Best | None:
    """The row with the highest validation UF1 if there is validation, else with the highest test UF1.

    Args:
        sweep: as sweep.csv.

    Returns:
        The first of equally good rows; None where no row has a score, as where only action units are detected.
    """
    by_validation = VALIDATION in sweep
    column = VALIDATION if by_validation else "uf1"
    values = sweep[column].to_numpy(float) if column in sweep else np.array([])
    if not np.isfinite(values).any():
        return None
    best = int(np.nanargmax(values))
    return Best(str(sweep["algorithm"].iloc[best]), by_validation, float(values[best]))
