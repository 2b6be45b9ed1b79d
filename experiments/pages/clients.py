"""How much the clients of a federation differ, in words and as a table."""

from collections.abc import Sequence

import pandas as pd

from experiments.pages.tables import number
from experiments.results.clients import MEASURES
from experiments.results.schema import POOLED
from experiments.results.sweeps import TESTED_ON

CHANCE = 0.5
"""Area under the ROC curve of a classifier that tells nothing."""


def sentences(clients: pd.DataFrame | None) -> list[str]:
    """How much clients differ, in a sentence for each federation of a repeat (one, unless its data are swept).

    Args:
        clients: as clients.csv; None where there are no clients.
    """
    if clients is None:
        return []
    pooled, each = clients[clients["client"] == POOLED], clients[clients["client"] != POOLED]
    settings = [name for name in TESTED_ON if name in clients]
    several = clients["fold"].nunique() > 1
    repeats = " (means over repeats)" if clients["repeat"].nunique() > 1 else ""
    by_federation = dict(iter(each.groupby([*settings, "fold"], sort=False)))
    found = []
    for key, own in pooled.groupby([*settings, "fold"], sort=False):
        *values, fold = key
        names = [f"{name} {value}" for name, value in zip(settings, values, strict=True)] + [str(fold)] * several
        found.append(f"Clients differ{_with(names)}{repeats}: {_measures(own, by_federation[key])}.")
    return found


def sheet(clients: pd.DataFrame | None) -> pd.DataFrame | None:
    """The table as text: each client of each repeat."""
    if clients is None:
        return None
    shown = clients.drop(columns="fold") if clients["fold"].nunique() == 1 else clients
    text = shown.assign(**{name: [number(value) for value in shown[name]] for name in MEASURES}).astype(str)
    headings = {name: name.replace("num_", "").replace("_", " ").replace("auc", "AUC") for name in map(str, shown)}
    return text.rename(columns=headings)


def _with(names: Sequence[str]) -> str:
    return f" with {', '.join(names)}" if names else ""


def _measures(pooled: pd.DataFrame, each: pd.DataFrame) -> str:
    largest = each.groupby("repeat")["label_total_variation"].max().mean()
    label, gini, auc = (pooled[name].mean() for name in MEASURES)
    feature = (
        f"AU probabilities tell a client with an AUC of {number(auc)} (chance {number(CHANCE)})"
        if pd.notna(auc)
        else "feature shift is not known"
    )
    return f"label total variation {number(label)} (largest {number(largest)}), size Gini {number(gini)}, {feature}"
