"""Tables to read: the summary in the terminal and, cell for cell the same, in HTML."""

from textwrap import wrap
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from experiments.results.scores import METRICS

UNDEFINED = "-"
WIDEST_HEADING = 11


class Cell(NamedTuple):
    """A mean and its standard deviation over repeats as text, "-" where there is none."""

    mean: str
    sd: str

    def __str__(self) -> str:
        """``.512±.031``, or a single "-" where nothing is defined."""
        return self.mean if self.mean == UNDEFINED else f"{self.mean}±{self.sd}"


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


def number(value: float) -> str:
    """Three decimals without the leading zero; "-" for NaN.

    >>> number(0.51234), number(1.0), number(float("nan"))
    ('.512', '1.000', '-')
    """
    return UNDEFINED if np.isnan(value) else f"{value:.3f}".removeprefix("0")


def with_interval(estimate: float, low: float, high: float) -> str:
    """A score and its interval; the score alone where there is none.

    >>> with_interval(0.5123, 0.43, 0.59), with_interval(-0.02, float("nan"), float("nan"))
    ('.512 [.430, .590]', '-.020')
    """
    value, *bounds = (f"-{number(-v)}" if v < 0 else number(v) for v in (estimate, low, high))
    return value if UNDEFINED in bounds else f"{value} [{', '.join(bounds)}]"


def summary_sheet(summary: pd.DataFrame) -> Sheet:
    """The columns of a summary that are shown: every metric pooled, and UF1 of the other views."""
    shown = {metric: label for metric, label in METRICS.items() if summary[metric].notna().any()}
    shown |= {
        column: f"{METRICS['uf1']} {column.removeprefix('uf1_').replace('_', ' ')}"
        for column in summary.columns
        if column.startswith("uf1_") and not column.endswith("sd")
    }
    rows = [
        Row(row["algorithm"], row["kind"], [_cell(row, column) for column in shown]) for _, row in summary.iterrows()
    ]
    return Sheet(list(shown.values()), rows)


def terminal_table(summary: pd.DataFrame, *, synthetic: bool) -> Table:
    """The summary for the terminal: mean±sd over repeats, baselines below a line."""
    sheet = summary_sheet(summary)
    repeats = int(summary["num_repeats"].max())
    part = "fold" if "uf1_mean_over_folds" in summary else "client"
    table = Table(
        title=title("Test scores", synthetic=synthetic),
        caption=f"pooled over {part}s unless the column says otherwise; mean±sd over repeats ({repeats})",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("algorithm", overflow="fold")
    for heading in sheet.headings:
        table.add_column("\n".join(wrap(heading, len(".000±.000"))), justify="right", no_wrap=True)
    for kind, style in (("trained", None), ("baseline", "dim")):
        for row in sheet.rows:
            if row.kind == kind:
                table.add_row(row.name, *map(str, row.cells), style=style)
        table.add_section()
    return table


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


def _cell(row: pd.Series, column: str) -> Cell:
    return Cell(number(row[column]), number(row[f"{column}_sd"]))
