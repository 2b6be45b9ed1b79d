"""Scores of each client, database or site, in the terminal and on the page."""

from textwrap import wrap

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.pages.tables import UNDEFINED, Cell, interval_text, number, terminal_cell, title
from experiments.results.parts import FILE
from experiments.results.read import FinishedRun
from experiments.results.scores import METRICS

MOST_SHOWN = 6
"""Most parts with a column each in the terminal."""


def show(run: FinishedRun, console: Console) -> None:
    """Print UF1 of each part, and UAR in a cross-validation; where there are many parts, where their scores are."""
    for part, scores in _by_part(run):
        if scores["name"].nunique() > MOST_SHOWN:
            console.print(f"Scores of each {part}: {run.path / FILE}", soft_wrap=True, highlight=False)
            continue
        for metric in ("uf1",) if run.part == "client" else ("uf1", "uar"):
            console.print(_terminal_table(scores, part, metric, run))


def sheets(run: FinishedRun) -> dict[str, pd.DataFrame]:
    """Tables of the page by their headings: a row for each part, a column for each row of the run's table."""
    return {
        f"{heading} of each {part}": _wide(scores, part, metric, run.num_repeats)
        for part, scores in _by_part(run)
        for metric, heading in METRICS.items()
        if scores[metric].notna().any()
    }


def _by_part(run: FinishedRun) -> list[tuple[str, pd.DataFrame]]:
    if run.part_scores is None:
        return []
    return [(str(part), scores) for part, scores in run.part_scores.groupby("part", sort=False)]


def _terminal_table(scores: pd.DataFrame, part: str, metric: str, run: FinishedRun) -> Table:
    table = Table(
        title=title(f"{METRICS[metric]} of each {part}", synthetic=run.synthetic),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,
    )
    table.add_column("algorithm", overflow="fold")
    names = scores["name"].unique()
    for name in names:
        table.add_column("\n".join(wrap(str(name), len("[.000,.000]"))), justify="right", no_wrap=True)
    for kind, style in (("trained", None), ("baseline", "dim")):
        of_kind = scores[scores["kind"] == kind]
        for algorithm, rows in of_kind.groupby("algorithm", sort=False):
            cells = [_cell(row, metric) for _, row in rows.set_index("name").reindex(names).iterrows()]
            table.add_row(str(algorithm), *(terminal_cell(cell, run.num_repeats) for cell in cells), style=style)
        table.add_section()
    return table


def _wide(scores: pd.DataFrame, part: str, metric: str, repeats: int) -> pd.DataFrame:
    cells = [_cell(row, metric) for _, row in scores.iterrows()]
    text = [f"{cell if repeats > 1 else cell.mean} {cell.interval}".strip() for cell in cells]
    by_name = (
        scores.assign(text=text).set_index(["name", "algorithm"])["text"].unstack(sort=False, fill_value=UNDEFINED)
    )
    sizes = scores.groupby("name", sort=False)["num_test"].agg(
        lambda own: " or ".join(map("{:g}".format, own.unique()))
    )
    by_name.insert(0, "examples", sizes.reindex(by_name.index))
    return by_name.reset_index(names=part)


def _cell(row: pd.Series, metric: str) -> Cell:
    low, high = (row.get(f"{metric}{end}", float("nan")) for end in ("_low", "_high"))
    return Cell(number(row[metric]), number(row[f"{metric}_sd"]), interval_text(low, high))
