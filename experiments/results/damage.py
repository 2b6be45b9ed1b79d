"""Tables of a run that somebody cut, edited or mixed up: each damage in one sentence, before anything is computed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from experiments.results.intervals import Interval
from experiments.run.folder import RunFolder

KEYS = ("algorithm", "repeat", "fold", "client", "clip", "subject")
CLASSES = ("label", "predicted")
AU_KINDS = ("label_", "mask_", "probability_")
NUMBERS = ("repeat", "p_", *AU_KINDS)
MEND = "restore it, or run again"
COLUMNS = {
    "rows": ("algorithm", "name", "prior", "variant"),
    "splits": ("repeat", "fold", "client", "subjects", "num_train", "num_validation", "num_test"),
    "metrics": ("round", "algorithm", "repeat", "fold", "client", "train_loss", "scored", "num_scored", "loss", "uf1"),
    "summary": ("algorithm", "kind"),
    "intervals": ("algorithm", "metric", "estimate", "low", "high"),
    "differences": ("algorithm", "other_algorithm"),
    "class_scores": ("algorithm", "class", "f1", "recall", "f1_low", "f1_high", "recall_low", "recall_high"),
    "part_scores": ("algorithm", "kind", "part", "name", "num_test", "uf1", "uf1_sd"),
    "clients": ("repeat", "fold", "client", "num_examples", "label_total_variation", "size_gini", "feature_auc"),
    "privacy": (
        *("algorithm", "unit", "against", "epsilon", "epsilon_rdp", "delta", "noise", "clip", "sampling", "steps"),
        *("covered", "not_covered", "tested_model"),
    ),
    "au_scores": ("algorithm", "au", "f1", "f1_sd", "f1_low", "f1_high"),
}
"""Columns that the tables of a run must have, whatever others they have."""


def check_columns(folder: RunFolder, tables: Mapping[str, pd.DataFrame | None]) -> None:
    """See that the tables of a run have the columns of their names.

    Args:
      folder: of the run.
      tables: by the names of their files, without ``.csv``; None where the run has no such table.

    Raises:
      ValueError: the first column that one lacks.
    """
    for name, table in tables.items():
        for column in COLUMNS.get(name, ()):
            if table is not None and column not in table:
                raise ValueError(f"{folder.path / name}.csv has no column {column}; {MEND}")


def check_predictions(
    folder: RunFolder, name: str, table: pd.DataFrame, classes: Sequence[str] = (), *, own_classes: bool = False
) -> None:
    """See that predictions have their columns, no empty cell, numbers where there must be, and each clip once.

    Args:
      folder: of the run.
      name: of the file.
      table: its content.
      classes: names of the emotions, where these are predicted.
      own_classes: whether an algorithm may have some of them only; the probabilities of the others are empty.

    Raises:
      ValueError: what is wrong, and where.
    """
    place = folder.path / name
    if missing := [column for column in (*KEYS, *(CLASSES if classes else _of_each_au(table))) if column not in table]:
        raise ValueError(f"{place} has no column {missing[0]}; {MEND}")
    if not len(table):
        raise ValueError(f"{place} has no rows; {MEND}")
    for column in map(str, table):
        needed = _has(table, column) if own_classes and column.startswith("p_") else True
        if (empty := np.flatnonzero(table[column].isna() & needed)).size:
            raise ValueError(f"{place}, line {empty[0] + 2}: column {column} is empty; {MEND}")
        if column.startswith(NUMBERS) and not is_numeric_dtype(table[column]):
            raise ValueError(f"{place}: column {column} is not all numbers; {MEND}")
    for column in CLASSES if classes else ():
        known = pd.concat([(table[column] == one) & _has(table, f"p_{one}") for one in classes], axis=1).any(axis=1)
        if (strange := np.flatnonzero(~known)).size:
            message = f"'{table[column].iloc[strange[0]]}' in column {column} is none of {', '.join(classes)}"
            raise ValueError(f"{place}, line {strange[0] + 2}: {message}; {MEND}")
    if (twice := np.flatnonzero(table.duplicated(["algorithm", "repeat", "clip"]))).size:
        raise ValueError(f"{place}, line {twice[0] + 2}: a clip that was predicted before in this repeat; {MEND}")


def _has(table: pd.DataFrame, column: str) -> "pd.Series[bool]":
    """Whether the algorithm of each row has a value of a column."""
    return table[column].notna().groupby(table["algorithm"]).transform("any")


def _of_each_au(table: pd.DataFrame) -> list[str]:
    """Columns that a table must have, as it has one of each action unit."""
    names = dict.fromkeys(column.partition("_")[2] for column in map(str, table) if column.startswith(AU_KINDS))
    return [f"{kind}{name}" for name in names for kind in AU_KINDS]


def check_summary(folder: RunFolder, summary: pd.DataFrame, algorithms: Sequence[str], metrics: Sequence[str]) -> None:
    """See that a summary has a row for everything that was trained, and its scores.

    Raises:
      ValueError: what it lacks.
    """
    columns = [name for metric in metrics for name in (metric, f"{metric}_sd")]
    if missing := [name for name in ("algorithm", "kind", *columns) if name not in summary]:
        raise ValueError(f"{folder.path} has no {missing[0]} in its summary; {MEND}")
    trained = summary.loc[summary["kind"] == "trained", "algorithm"].tolist()
    if sorted(trained) != sorted(algorithms):
        raise ValueError(
            f"{folder.path}: summary.csv is about {', '.join(trained) or 'nothing that was trained'}, but predictions "
            f"are of {', '.join(algorithms) or 'nothing'}; {MEND}"
        )


def check_scores(path: object, summary: pd.Series, intervals: Mapping[str, Interval]) -> None:
    """See that predictions give the scores of the summary.

    Args:
      path: folder of the run.
      summary: a row of it.
      intervals: scores of the same predictions.

    Raises:
      ValueError: they do not.
    """
    for metric, (estimate, _, _) in intervals.items():
        if metric in summary and not np.isclose(estimate, summary[metric], rtol=0, atol=1e-6, equal_nan=True):
            raise ValueError(
                f"{path}: the predictions of {summary['algorithm']} do not give the scores of summary.csv ({metric} "
                f"{estimate:.3f}, not {summary[metric]:.3f}): rows were lost or changed; restore them, or run again"
            )
