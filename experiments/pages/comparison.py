"""What a comparison shows: the tables in the terminal, the figures, and one HTML page with all of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.pages import figures, forest, page
from experiments.pages.tables import title, with_interval
from experiments.results.schema import POOLED
from experiments.run.folder import RunFolder

NAMES = ("run", "algorithm", "difference", "score", "pair")
NAME_WIDTH = 8
"""Columns that may be folded, and how narrow; scores are never."""
ANY_WIDTH = 10_000


def write(
    folder: RunFolder,
    compared: pd.DataFrame,
    pairs: pd.DataFrame,
    metrics: Mapping[str, pd.DataFrame],
    facts: Mapping[str, Any],
    shown: Mapping[str, str],
    *,
    synthetic: bool,
) -> Path:
    """Draw the figures and write the page.

    Args:
        folder: where to.
        compared: as comparison.csv.
        pairs: as differences.csv.
        metrics: the metrics.csv of each run, by its label.
        facts: as comparison.json.
        shown: metrics, and their headings.
        synthetic: whether some of the data are.

    Returns:
        Path of the page.
    """
    drawn = {"scores": forest.scores(compared, shown, heading=title(scores_of(shown), synthetic=synthetic))}
    if len(pairs):
        heading = title("Paired differences", synthetic=synthetic)
        drawn["differences"] = forest.differences(pairs, shown, heading=heading)
    if lines := curves(compared, metrics):
        baselines = compared[compared["kind"] == "baseline"]
        drawn["curves"] = figures.curves(pd.concat(lines), baselines, synthetic=synthetic)
    text = page.rendered(
        "comparison",
        page.written(folder, drawn),
        title=title("FED-PsyAU: comparison of runs", synthetic=synthetic),
        scores=score_table(compared, shown),
        differences=difference_table(pairs, shown),
        detection=of_detection(shown),
        facts=facts,
        synthetic=synthetic,
    )
    folder.write_text("report.html", text)
    return folder.path / "report.html"


def curves(compared: pd.DataFrame, metrics: Mapping[str, pd.DataFrame]) -> list[pd.DataFrame]:
    """Pooled rows of metrics.csv, named as in the figures; none where there are more lines than colours."""
    trained = compared[compared["kind"] == "trained"]
    names = dict(zip(zip(trained["run"], trained["algorithm"], strict=True), forest.row_names(trained), strict=True))
    if len(names) > len(figures.PALETTE):
        return []
    lines = []
    for label, table in metrics.items():
        if {"round", "client"} <= set(table):
            pooled = table[table["client"] == POOLED]
            lines.append(pooled.assign(algorithm=[names[label, algorithm] for algorithm in pooled["algorithm"]]))
    return lines


def of_detection(shown: Mapping[str, str]) -> bool:
    """Whether action units are scored and not emotions: so many scores that each has a row."""
    return "uf1" not in shown


def scores_of(shown: Mapping[str, str]) -> str:
    """Heading of the scores."""
    return "Validation scores of action units" if of_detection(shown) else "Test scores"


def score_table(compared: pd.DataFrame, shown: Mapping[str, str]) -> pd.DataFrame:
    """The comparison as text."""
    names = pd.DataFrame({"run": compared["run"], "algorithm": compared["algorithm"]})
    return _as_text(compared, shown, names, forest.row_names(compared))


def difference_table(pairs: pd.DataFrame, shown: Mapping[str, str]) -> pd.DataFrame:
    """The differences as text."""
    names = forest.pair_names(pairs)
    return _as_text(pairs, shown, pd.DataFrame({"difference": names}), names)


def show(
    compared: pd.DataFrame,
    pairs: pd.DataFrame,
    facts: Mapping[str, Any],
    shown: Mapping[str, str],
    console: Console,
    *,
    synthetic: bool,
) -> None:
    """Print the tables, and what to keep in mind."""
    print_table(console, score_table(compared, shown), title(scores_of(shown), synthetic=synthetic))
    if len(pairs):
        print_table(console, difference_table(pairs, shown), title("Paired differences", synthetic=synthetic))
    console.print("Pooled scores, mean over repeats [95 % bootstrap interval by subject].", style="dim")
    for phrase in facts["differing"]:
        console.print(f"Warning: {phrase}.", style="yellow", highlight=False, soft_wrap=True)
    for sentence in facts["unpaired"]:
        console.print(sentence, style="yellow", highlight=False, soft_wrap=True)


def print_table(console: Console, text: pd.DataFrame, heading: str) -> None:
    """Print a table; one wider than the terminal has its intervals below the scores, and is never cut off."""
    anything = console.options.update_width(ANY_WIDTH)
    table = _terminal_table(text, heading)
    if console.measure(table, options=anything).maximum > console.width:
        table = _terminal_table(text.map(lambda cell: cell.replace(" [", "\n[")), heading)
    least = console.measure(table, options=anything).minimum
    console.print(table, width=max(console.width, least), crop=False)


def _as_text(
    table: pd.DataFrame, shown: Mapping[str, str], names: pd.DataFrame, whole_names: Sequence[str]
) -> pd.DataFrame:
    """Scores with their intervals: a column each, or a row each where they are many."""
    text = {heading: _with_interval(table, metric) for metric, heading in shown.items()}
    if of_detection(shown):
        return pd.DataFrame(text, index=list(whole_names)).T.rename_axis("score").reset_index()
    return names.assign(**text)


def _terminal_table(text: pd.DataFrame, heading: str) -> Table:
    table = Table(title=heading, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in text.columns:
        named = column in NAMES
        width = max(len(line) for cell in [*text[column], ""] for line in str(cell).splitlines() or [""])
        least = NAME_WIDTH if named else width
        table.add_column(str(column), overflow="fold", justify="left" if named else "right", min_width=least)
    for row in text.itertuples(index=False):
        table.add_row(*row)
    return table


def _with_interval(table: pd.DataFrame, metric: str) -> list[str]:
    """Values of a metric with their intervals."""
    columns = table[[metric, f"{metric}_low", f"{metric}_high"]]
    return [with_interval(*values) for values in columns.itertuples(index=False)]
