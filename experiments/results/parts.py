"""Scores of each client, database or site of a run: part_scores.csv.

Where everybody is in the same part in all repeats, as in databases and in clients that are databases, scores have
intervals by subject. Clients that are dealt anew in each repeat have a spread over repeats only.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.results import baselines
from experiments.results.differences import BOUNDS
from experiments.results.intervals import NUM_DRAWS, score_intervals
from experiments.results.scores import METRICS, score_parts

FILE = "part_scores.csv"
GROUPS = ("database", "site")
"""Columns of predictions.csv that say where an example is from, of which a table has one at most."""
KEYS = ("algorithm", "kind", "part", "name")


def parts_of(predictions: pd.DataFrame, part: str) -> list[str]:
    """The columns of predictions whose values have scores of their own.

    Args:
        predictions: as predictions.csv.
        part: what is pooled over: "client" or "fold"; folds are too many, and too small, for scores of their own.

    >>> table = pd.DataFrame({"client": ["0", "1"], "database": ["samm", "samm"]})
    >>> parts_of(table, "client"), parts_of(table, "fold"), parts_of(table.assign(database=["samm", "dfme"]), "fold")
    (['client'], [], ['database'])
    """
    several = [column for column in ("client", *GROUPS) if column in predictions and predictions[column].nunique() > 1]
    clients, groups = "client" in several and part == "client", [column for column in several if column in GROUPS]
    same = [column for column in groups if clients and _same_partition(predictions, "client", column)]
    return [*(["client"] if clients else []), *(column for column in groups if column not in same)]


def part_table(
    predictions: pd.DataFrame,
    au_predictions: pd.DataFrame,
    splits: pd.DataFrame,
    parts: Sequence[str],
    num_draws: int = NUM_DRAWS,
) -> pd.DataFrame:
    """Content of part_scores.csv: each row of the table, and the majority class, in each part.

    Args:
        predictions: as predictions.csv.
        au_predictions: as au_predictions.csv, on the same examples.
        splits: as splits.csv.
        parts: columns, see ``parts_of``.
        num_draws: bootstrap draws of the intervals.

    Returns:
        Columns algorithm, kind, part (the column), name (its value), num_test (examples, the mean over repeats), and
        ``<metric>``, ``<metric>_sd``, and for UF1, UAR and accuracy ``<metric>_low`` and ``<metric>_high``.
    """
    guessed = baselines.majority_predictions(predictions, splits)
    tables = []
    for part in parts:
        trained = _mean_and_sd(score_parts(predictions, au_predictions, part=part), part, "trained")
        tables.append(_with_intervals(trained, predictions, part, num_draws))
        tables.append(_mean_and_sd(score_parts(guessed, part=part), part, "baseline"))
    return pd.concat(tables, ignore_index=True)


def _mean_and_sd(scores: pd.DataFrame, part: str, kind: str) -> pd.DataFrame:
    names = scores[part].astype(str)
    groups = scores.assign(name=names).groupby(["algorithm", "name"], sort=False)
    columns = {"num_test": groups["num_test"].mean()}
    for metric in METRICS:
        columns |= {metric: groups[metric].mean(), f"{metric}_sd": groups[metric].std()}
    table = pd.DataFrame(columns).reset_index()
    table.insert(1, "kind", kind)
    table.insert(2, "part", part)
    return table


def _with_intervals(table: pd.DataFrame, predictions: pd.DataFrame, part: str, num_draws: int) -> pd.DataFrame:
    """With bounds, if nobody is in several parts."""
    if (predictions.groupby("subject")[part].nunique() > 1).any():
        return table
    rows = {
        (algorithm, str(name)): own for (algorithm, name), own in predictions.groupby(["algorithm", part], sort=False)
    }
    found = [
        score_intervals(rows[key], num_draws=num_draws) for key in zip(table["algorithm"], table["name"], strict=True)
    ]
    bounds = {
        f"{metric}{bound}": [getattr(one[metric], bound.removeprefix("_")) for one in found]
        for metric in found[0]
        for bound in BOUNDS[1:]
    }
    return table.assign(**bounds)


def _same_partition(predictions: pd.DataFrame, one: str, other: str) -> bool:
    pairs = predictions[[one, other]].drop_duplicates()
    return bool(np.all(pairs.nunique() == len(pairs)))
