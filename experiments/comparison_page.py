"""What a comparison shows: the tables in the terminal, the figures, and one HTML page with all of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from experiments import figures, forest, page
from experiments.intervals import SCORES
from experiments.records import POOLED
from experiments.results import METRICS
from experiments.runfolder import RunFolder
from experiments.tables import number, text_table, title, with_interval

SHOWN = {metric: METRICS[metric] for metric in SCORES}


def write(
    folder: RunFolder,
    compared: pd.DataFrame,
    pairs: pd.DataFrame,
    metrics: Mapping[str, pd.DataFrame],
    facts: Mapping[str, Any],
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
        synthetic: whether some of the data are.

    Returns:
        Path of the page.
    """
    drawn = {"scores": forest.scores(compared, SHOWN, heading=title("Test scores", synthetic=synthetic))}
    if len(pairs):
        heading = title("Paired differences", synthetic=synthetic)
        drawn["differences"] = forest.differences(pairs, SHOWN, heading=heading)
    if lines := curves(compared, metrics):
        baselines = compared[compared["kind"] == "baseline"]
        drawn["curves"] = figures.curves(pd.concat(lines), baselines, synthetic=synthetic)
    text = page.rendered(
        "comparison",
        page.written(folder, drawn),
        title=title("FED-PsyAU: comparison of runs", synthetic=synthetic),
        scores=score_table(compared),
        differences=difference_table(pairs),
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


def score_table(compared: pd.DataFrame) -> pd.DataFrame:
    """The comparison as text."""
    text = pd.DataFrame({"run": compared["run"], "algorithm": compared["algorithm"]})
    for metric, label in SHOWN.items():
        text[label] = _with_interval(compared, metric)
    text[METRICS["au_f1"]] = compared["au_f1"].map(number)
    return text


def difference_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """The differences as text."""
    text = pd.DataFrame({"difference": forest.pair_names(pairs)})
    for metric, label in SHOWN.items():
        text[label] = _with_interval(pairs, metric)
    return text


def show(
    compared: pd.DataFrame, pairs: pd.DataFrame, facts: Mapping[str, Any], console: Console, *, synthetic: bool
) -> None:
    """Print the tables, and what to keep in mind."""
    console.print(text_table(score_table(compared), title("Test scores", synthetic=synthetic), num_names=2))
    if len(pairs):
        heading = title("Paired differences", synthetic=synthetic)
        console.print(text_table(difference_table(pairs), heading, num_names=1))
    console.print("Pooled scores, mean over repeats [95 % bootstrap interval by subject].", style="dim")
    for phrase in facts["differing"]:
        console.print(f"Warning: {phrase}.", style="yellow", highlight=False, soft_wrap=True)
    for sentence in facts["unpaired"]:
        console.print(sentence, style="yellow", highlight=False, soft_wrap=True)


def _with_interval(table: pd.DataFrame, metric: str) -> list[str]:
    """Values of a metric with their intervals."""
    columns = table[[metric, f"{metric}_low", f"{metric}_high"]]
    return [with_interval(*values) for values in columns.itertuples(index=False)]
