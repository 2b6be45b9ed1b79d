"""gains.csv: UF1 of each row minus that of local-only training and of FedAvg with the same settings, by lab shift."""

from typing import Any

import pandas as pd

from experiments.results.differences import BOUNDS, against
from experiments.results.sweeps import LAB_SHIFT, family_name, swept_settings

FILE = "gains.csv"
REFERENCES = ("local", "fedavg")
"""Algorithms that a gain is over: no exchange, and one model for all."""
NO_GAIN = (*REFERENCES, "centralised")
OVER = "over"
"""The column that names the reference."""


def gains(rows: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """UF1 of each row minus that of local-only and of FedAvg, on the same clips and with the same settings.

    Args:
        rows: as rows.csv.
        differences: as differences.csv.

    Returns:
        The columns of rows.csv of the row; ``over``, the title of the reference; ``uf1``, ``uf1_low`` and ``uf1_high``
        of the paired difference. Empty where lab shifts are not swept.
    """
    settings, scores = swept_settings(rows), [f"uf1{bound}" for bound in BOUNDS]
    references = rows.loc[rows["name"].isin(REFERENCES), "algorithm"].tolist() if LAB_SHIFT in settings else []
    by_title = rows.set_index("algorithm", drop=False)
    table: list[dict[str, Any]] = []
    for pair in against(differences, references).to_dict("records"):
        one, other = (by_title.loc[pair[end]] for end in ("algorithm", "other_algorithm"))
        if one["name"] not in NO_GAIN and _alike(one, other):
            over = {OVER: family_name(other["algorithm"], settings)}
            table.append({**one.to_dict(), **over, **{score: pair[score] for score in scores}})
    return pd.DataFrame(table, columns=[*rows, OVER, *scores])


def _alike(one: "pd.Series[Any]", other: "pd.Series[Any]") -> bool:
    """Whether two rows have the same settings, as far as both depend on them."""
    settings = [name for name in one.index if name not in ("algorithm", "name")]
    return all(pd.isna(one[name]) or pd.isna(other[name]) or one[name] == other[name] for name in settings)
