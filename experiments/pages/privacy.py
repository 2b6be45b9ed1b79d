"""Differential privacy on a page: what is protected, against whom, what is not, and when a number means nothing."""

from collections.abc import Sequence

import pandas as pd

from experiments.results.privacy import LARGE, OF_TABLE, SERVER, epsilon_of_rows

NONE = "none"
"""What stands for an infinite epsilon."""


def text_of(epsilon: float) -> str:
    """An epsilon with three digits, rounded up.

    >>> text_of(7.9981), text_of(46.211), text_of(968.4), text_of(float("inf"))
    ('8.00', '46.3', '969', 'none')
    """
    if epsilon == float("inf"):
        return NONE
    decimals = 2 if epsilon < 10 else 1 if epsilon < 100 else 0
    step = 10.0**-decimals
    up = -(-round(epsilon / step, 3) // 1) * step
    return f"{up:.{decimals}f}"


def epsilons(privacy: pd.DataFrame | None) -> dict[str, str]:
    """The column of the table of scores: epsilon of each row against another site; empty where nothing is private."""
    return {row: text_of(value) for row, value in epsilon_of_rows(privacy).items()}


def sentences(privacy: pd.DataFrame | None) -> list[str]:
    """What the epsilons of a table protect, against whom, what they leave out, and which of them mean nothing.

    Args:
        privacy: as privacy.csv; None where nothing is private.
    """
    if privacy is None:
        return []
    first = privacy.iloc[0]
    left_out = dict.fromkeys(part for text in privacy["not_covered"] for part in str(text).split("; "))
    found = [
        f"ε at δ = {first['delta']:g} protects {first['covered']}, {_against(privacy)}. Repeats, rows and other runs "
        "on the same people add up, and so does what was chosen by their scores.",
        f"Not protected: {'; '.join(left_out)}.",
    ]
    return [*found, *_too_large(privacy)]


def sheet(privacy: pd.DataFrame | None) -> pd.DataFrame | None:
    """The table as text: each row against each observer."""
    if privacy is None:
        return None
    text = privacy.drop(columns=["covered", "not_covered"]).rename(columns={"tested_model": "tested model"})
    for column in ("epsilon", "epsilon_rdp"):
        text[column] = [text_of(float(value)) for value in text[column]]
    text["noise"] = [f"{value:.3g}" for value in text["noise"]]
    headings = {"epsilon": "ε", "epsilon_rdp": "ε by RDP", "delta": "δ", "noise": "noise multiplier"}
    return text.rename(columns=headings).astype(str)


def _against(privacy: pd.DataFrame) -> str:
    """Against whom: everybody alike, or others and the server apart."""
    by_row = privacy.pivot_table("epsilon", "algorithm", "against", sort=False)
    if (by_row.nunique(axis=1) <= 1).all():
        return "against the server, the other sites and everybody who sees the published models alike"
    server = privacy[privacy["against"] == SERVER]["epsilon"].replace(float("inf"), float("nan"))
    largest = f" (up to {text_of(float(server.max()))})" if server.notna().any() else ""
    return (
        f"against {OF_TABLE} alone, and against everybody who sees the published models; the "
        f"server sees what each client sends, with its share of the noise only{largest}, unless secure aggregation "
        "hides that"
    )


def _too_large(privacy: pd.DataFrame) -> Sequence[str]:
    own = epsilon_of_rows(privacy)
    bare = [row for row, value in own.items() if value == float("inf")]
    large = [row for row, value in own.items() if LARGE < value < float("inf")]
    said = []
    if bare:
        said.append(f"No noise, so no guarantee at all: {'; '.join(bare)}.")
    if large:
        said.append(
            f"An ε above {LARGE:g} is too large to mean anything by itself: it lets the odds that somebody took part "
            f"grow by a factor of e^{LARGE:g} (22,000) and more. So it is in {'; '.join(large)}."
        )
    return said
