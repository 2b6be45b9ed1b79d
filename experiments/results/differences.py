"""Paired differences between the rows of one run: which rows are compared, and differences.csv."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from experiments.results.intervals import BootstrapScores, Interval, intervals, paired_differences
from experiments.results.sweeps import tested_rows

TITLES = ("algorithm",)
"""Columns of rows.csv that name a row; all others say what it is."""
BOUNDS = ("", "_low", "_high")


def comparable_pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of rows that differ in one thing, and every row with the first of those that were tested on the same data.

    Args:
        rows: as rows.csv. Two rows differ in one thing if they have different values in at most one of the columns
            (name, prior, variant and what was swept). An empty cell, on which the row does not depend, equals all; of
            two equal columns (an ablation names its rows by variant) one counts.

    Returns:
        Pairs of titles, in the order of the rows.

    >>> columns = {"algorithm": ["FedAvg", "FedProx, mu 0.1", "FedProx, mu 1"], "mu": [np.nan, 0.1, 1.0]}
    >>> comparable_pairs(pd.DataFrame(columns | {"name": ["fedavg", "fedprox", "fedprox"]}).iloc[1:])
    [('FedProx, mu 0.1', 'FedProx, mu 1')]
    """
    titles = rows["algorithm"].tolist()
    with_first = {(own.algorithms[0], other) for own in tested_rows(rows) for other in own.algorithms}
    values = rows.drop(columns=list(TITLES)).astype(object)
    values = values.loc[:, ~values.T.duplicated()]
    cells, defined = values.to_numpy(), values.notna().to_numpy()
    return [
        (titles[one], titles[other])
        for one, other in combinations(range(len(titles)), 2)
        if (titles[one], titles[other]) in with_first
        or np.sum((cells[one] != cells[other]) & defined[one] & defined[other]) <= 1
    ]


def difference_table(
    pairs: Sequence[tuple[str, str]], models: Mapping[str, Sequence[BootstrapScores]], metrics: Sequence[str]
) -> pd.DataFrame:
    """Content of differences.csv: the score of the first row less that of the other, with its interval.

    Args:
        pairs: titles of the rows.
        models: by title, what the row was scored by.
        metrics: to compare.

    Returns:
        Columns algorithm, other_algorithm, and for each metric ``<metric>``, ``<metric>_low`` and ``<metric>_high``.
        Rows that were not tested on the same clips, as in an interrupted run, are left out.
    """
    table = []
    for one, other in pairs:
        with suppress(ValueError):
            cells = interval_cells(differences_of(models[one], models[other]), metrics)
            table.append({"algorithm": one, "other_algorithm": other} | cells)
    columns = [f"{metric}{bound}" for metric in metrics for bound in BOUNDS]
    return pd.DataFrame(table, columns=["algorithm", "other_algorithm", *columns])


def against(differences: pd.DataFrame, references: Collection[str]) -> pd.DataFrame:
    """The differences from some reference rows, always of the other row less the reference.

    Args:
        differences: as differences.csv.
        references: titles of the references. Pairs without one are left out; those of two stay as they are.

    >>> titles, values = ("algorithm", "other_algorithm"), ("uf1", "uf1_low", "uf1_high")
    >>> pair = pd.DataFrame([("FedAvg", "FedBN", 0.1, 0.0, 0.3)], columns=[*titles, *values])
    >>> against(pair, ["FedAvg"]).to_dict("records")
    [{'algorithm': 'FedBN', 'other_algorithm': 'FedAvg', 'uf1': -0.1, 'uf1_low': -0.3, 'uf1_high': -0.0}]
    """
    first, second = (differences[name].isin(references) for name in ("algorithm", "other_algorithm"))
    metrics = [column.removesuffix("_low") for column in differences.columns if column.endswith("_low")]
    turned = {"algorithm": "other_algorithm", "other_algorithm": "algorithm"}
    turned |= {f"{metric}_low": f"{metric}_high" for metric in metrics}
    turned |= {f"{metric}_high": f"{metric}_low" for metric in metrics}
    swapped = differences[first & ~second].rename(columns=turned)[[*differences]]
    values = [column for column in differences if column not in ("algorithm", "other_algorithm")]
    return pd.concat([differences[second], swapped.assign(**-swapped[values])]).sort_index()


def differences_of(first: Sequence[BootstrapScores], second: Sequence[BootstrapScores]) -> dict[str, Interval]:
    """Paired differences of everything that both models are scored by, by metric.

    Raises:
        ValueError: they were not tested on the same clips.
    """
    both = zip(first, second, strict=False)
    return {metric: difference for one, other in both for metric, difference in paired_differences(one, other).items()}


def intervals_of(model: Sequence[BootstrapScores]) -> dict[str, Interval]:
    """Intervals of everything that a model is scored by, by metric."""
    return {metric: interval for one in model for metric, interval in intervals(one).items()}


def interval_cells(by_metric: Mapping[str, Interval], metrics: Sequence[str]) -> dict[str, Any]:
    """Intervals as cells of a table: ``<metric>``, ``<metric>_low`` and ``<metric>_high`` of those that there are."""
    return {
        f"{metric}{bound}": value
        for metric in metrics
        if metric in by_metric
        for bound, value in zip(BOUNDS, by_metric[metric], strict=True)
    }
