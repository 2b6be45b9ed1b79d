"""Tables to read: the scores of a run in the terminal and, cell for cell the same, in HTML."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.results.intervals import LEVEL
from experiments.results.scores import METRICS

UNDEFINED = "-"
EPSILON = "ε"
WIDEST_HEADING = 11
NAMES = ("run", "algorithm", "difference", "score", "pair", "clips of", "class", "true / predicted")
NAME_WIDTH = 8
"""Columns that may be folded, and how narrow; scores are never."""
ANY_WIDTH = 10_000
INTERVAL = f"{100 * LEVEL:g} % bootstrap interval by subject"


class Cell(NamedTuple):
    """A mean, its standard deviation over repeats and its interval as text, "-" and "" where there is none."""

    mean: str
    sd: str
    interval: str = ""

    def __str__(self) -> str:
        """``.512±.031``, or a single "-" where nothing is defined."""
        return f"{self.mean}±{self.sd}" if self.sd and self.mean != UNDEFINED else self.mean


class Row(NamedTuple):
    """One algorithm or baseline of a table."""

    name: str
    kind: Literal["trained", "baseline"]
    cells: list[Cell]


class Sheet(NamedTuple):
    """A table as text: column headings (without the first, the name) and rows."""

    headings: list[str]
    rows: list[Row]


def title(what: str, *, synthetic: bool) -> str:
    """Title of a table, figure or page: says so where the data are synthetic.

    >>> title("Results", synthetic=True)
    'Results (synthetic data)'
    """
    return f"{what} (synthetic data)" if synthetic else what


def number(value: float, decimals: int = 3) -> str:
    """So many decimals without the leading zero; "-" for NaN.

    >>> number(0.51234), number(1.0), number(-0.25), number(float("nan")), number(0.51234, 4)
    ('.512', '1.000', '-.250', '-', '.5123')
    """
    if np.isnan(value):
        return UNDEFINED
    digits = f"{abs(value):.{decimals}f}".removeprefix("0")
    return f"-{digits}" if value < 0 and digits.strip(".0") else digits


def with_interval(estimate: float, low: float, high: float, decimals: int = 3) -> str:
    """A score with so many decimals and its interval; the score alone where there is none.

    >>> with_interval(0.5123, 0.43, 0.59), with_interval(-0.02, float("nan"), float("nan"))
    ('.512 [.430, .590]', '-.020')
    """
    bounds = interval_text(low, high)
    return f"{number(estimate, decimals)} {bounds}" if bounds else number(estimate, decimals)


def interval_text(low: float, high: float) -> str:
    """An interval; nothing where there is none.

    >>> interval_text(0.43, 0.59), interval_text(float("nan"), float("nan"))
    ('[.430, .590]', '')
    """
    return "" if np.isnan(low) or np.isnan(high) else f"[{number(low)}, {number(high)}]"


def summary_sheet(summary: pd.DataFrame, intervals: pd.DataFrame, epsilons: Mapping[str, str] | None = None) -> Sheet:
    """The columns of a summary that are shown: every metric pooled, and UF1 of the other views.

    Args:
      summary: as summary.csv.
      intervals: as intervals.csv.
      epsilons: of the rows that are private, by title; none if no row is.
    """
    headings = {metric: label for metric, label in METRICS.items() if summary[metric].notna().any()}
    headings |= {
        column: f"{METRICS['uf1']} {column.removeprefix('uf1_').replace('_', ' ')}"
        for column in summary.columns
        if column.startswith("uf1_") and not column.endswith("sd") and summary[column].notna().any()
    }
    bounds = intervals.set_index(["algorithm", "metric"])[["low", "high"]]
    texts = {key: interval_text(low, high) for key, low, high in bounds.itertuples()}
    rows = [
        Row(row["algorithm"], row["kind"], [_cell(row, column, texts) for column in headings])
        for _, row in summary.iterrows()
    ]
    if not epsilons:
        return Sheet(list(headings.values()), rows)
    private = [row._replace(cells=[Cell(epsilons.get(row.name, UNDEFINED), ""), *row.cells]) for row in rows]
    return Sheet([EPSILON, *headings.values()], private)


def terminal_table(
    summary: pd.DataFrame,
    intervals: pd.DataFrame,
    part: str,
    *,
    synthetic: bool,
    epsilons: Mapping[str, str] | None = None,
) -> Table:
    """The summary for the terminal: scores with their intervals below them, baselines below a line.

    Args:
      summary: as summary.csv.
      intervals: as intervals.csv.
      part: what scores are pooled over: "client" or "fold".
      synthetic: whether the data are.
      epsilons: of the rows that are private, by title.
    """
    sheet = summary_sheet(summary, intervals, epsilons)
    repeats = int(summary["num_repeats"].max())
    spread = f"mean±sd over {repeats} repeats" if repeats > 1 else "one repeat"
    table = Table(
        title=title("Test scores", synthetic=synthetic),
        caption=f"pooled over {part}s unless the column says otherwise; {spread}; [{INTERVAL}]",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,
    )
    table.add_column("algorithm", overflow="fold")
    for heading in sheet.headings:
        table.add_column("\n".join(wrap(heading, len(".000±.000"))), justify="right", no_wrap=True)
    for kind, style in (("trained", None), ("baseline", "dim")):
        for row in sheet.rows:
            if row.kind == kind:
                table.add_row(row.name, *(terminal_cell(cell, repeats) for cell in row.cells), style=style)
        table.add_section()
    return table


def terminal_cell(cell: Cell, repeats: int) -> str:
    """A score, its sd if there are several repeats, and its interval on a line of its own.

    >>> terminal_cell(Cell(".512", ".031", "[.430, .590]"), 5), terminal_cell(Cell(".512", "-"), 1)
    ('.512±.031\\n[.430,.590]', '.512')
    """
    score = str(cell) if repeats > 1 else cell.mean
    return f"{score}\n{cell.interval.replace(', ', ',')}" if cell.interval else score


def au_sheet(summary: pd.DataFrame, au_scores: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """F1 of each action unit, below their mean, as text with sd and interval: a column for each algorithm.

    Args:
      summary: as summary.csv.
      au_scores: as au_scores.csv.
      intervals: as intervals.csv.
    """
    bounds = intervals[intervals["metric"] == "au_f1"].set_index("algorithm")[["low", "high"]]
    means = summary.set_index("algorithm").join(bounds)[["au_f1", "au_f1_sd", "low", "high"]]
    repeats = int(summary["num_repeats"].max())
    columns = {}
    for algorithm, scores in au_scores.groupby("algorithm", sort=False):
        rows = np.vstack([means.loc[[algorithm]], scores[["f1", "f1_sd", "f1_low", "f1_high"]]]).astype(float)
        columns[str(algorithm)] = [_text(*row, repeats=repeats) for row in rows.tolist()]
    return pd.DataFrame({"score": ["mean", *au_scores["au"].unique()], **columns})


def text_table(text: pd.DataFrame, heading: str, num_names: int) -> Table:
    """A table of text for a terminal, 80 columns of which are enough: names fold, values stay whole.

    Args:
      text: of short values; their headings are broken at spaces.
      heading: title.
      num_names: columns that hold names, before those that hold values.
    """
    table = Table(title=heading, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in text.columns[:num_names]:
        table.add_column(column, overflow="fold")
    for column in text.columns[num_names:]:
        table.add_column("\n".join(wrap(column, WIDEST_HEADING)), justify="right", no_wrap=True)
    for row in text.itertuples(index=False):
        table.add_row(*row)
    return table


def print_table(console: Console, text: pd.DataFrame, heading: str) -> None:
    """Print a table; one wider than the terminal has its intervals below the scores, and is never cut off."""
    anything = console.options.update_width(ANY_WIDTH)
    table = _fitting_table(text, heading)
    if console.measure(table, options=anything).maximum > console.width:
        table = _fitting_table(text.map(lambda cell: cell.replace(" [", "\n[")), heading)
    least = console.measure(table, options=anything).minimum
    console.print(table, width=max(console.width, least), crop=False)


def interval_columns(table: pd.DataFrame, headings: Mapping[str, str], decimals: int = 3) -> dict[str, list[str]]:
    """Metrics with their intervals as text, by their headings.

    Args:
      table: with the columns ``<metric>``, ``<metric>_low`` and ``<metric>_high``.
      headings: of the metrics.
      decimals: of the metrics; their intervals have three.
    """
    ends = ("", "_low", "_high")
    return {
        heading: [
            with_interval(estimate, low, high, decimals)
            for estimate, low, high in zip(*(table[f"{metric}{end}"] for end in ends), strict=True)
        ]
        for metric, heading in headings.items()
    }


def wide(scores: pd.DataFrame, score: str, rows: Sequence[str]) -> pd.DataFrame:
    """One column per algorithm, in the order of appearance; scores as text, with their intervals if they have them."""
    bounds = [scores.get(f"{score}{end}", scores[score] * np.nan) for end in ("_low", "_high")]
    text = [with_interval(*values) for values in zip(scores[score], *bounds, strict=True)]
    by_algorithm = scores.assign(text=text).set_index([*rows, "algorithm"])["text"]
    return by_algorithm.unstack(sort=False, fill_value=UNDEFINED).reset_index()


def _fitting_table(text: pd.DataFrame, heading: str) -> Table:
    table = Table(title=heading, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in text.columns:
        named = column in NAMES
        width = max(len(line) for cell in [*text[column], ""] for line in str(cell).splitlines() or [""])
        least = NAME_WIDTH if named else width
        table.add_column(str(column), overflow="fold", justify="left" if named else "right", min_width=least)
    for row in text.itertuples(index=False):
        table.add_row(*row)
    return table


def _cell(row: pd.Series, column: str, intervals: Mapping[tuple[str, str], str]) -> Cell:
    return Cell(number(row[column]), number(row[f"{column}_sd"]), intervals.get((row["algorithm"], column), ""))


def _text(mean: float, sd: float, low: float, high: float, *, repeats: int) -> str:
    cell = Cell(number(mean), number(sd), interval_text(low, high))
    return f"{str(cell) if repeats > 1 else cell.mean} {cell.interval}".strip()
