"""What a comparison shows: the tables in the terminal, the figures, and one HTML page with all of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from experiments.pages import figures, page
from experiments.pages.interval_plots import difference_names, difference_plot, pair_names, row_names, score_plot
from experiments.pages.sentences import differing_rows
from experiments.pages.tables import interval_columns, print_table, title
from experiments.results.comparison import metric_headings
from experiments.results.read import FinishedRun
from experiments.results.schema import POOLED
from experiments.run.folder import RunFolder


def write(
    folder: RunFolder,
    runs: Sequence[FinishedRun],
    scores: pd.DataFrame,
    differences: pd.DataFrame,
    facts: Mapping[str, Any],
) -> Path:
    """Write the tables, draw the figures and write the page.

    Args:
        folder: where to.
        runs: that are compared.
        scores: as comparison.csv.
        differences: as differences.csv.
        facts: as comparison.json.

    Returns:
        Path of the page.
    """
    folder.write_json("comparison.json", facts)
    folder.write_table("comparison.csv", scores)
    folder.write_table("differences.csv", differences)
    synthetic = any(run.synthetic for run in runs)
    text = page.render(
        "comparison",
        page.write_figures(folder, draw(runs, scores, differences, synthetic=synthetic)),
        title=title("FED-PsyAU: comparison of runs", synthetic=synthetic),
        scores=score_sheet(runs, scores),
        differences=difference_sheet(runs, differences),
        verdict=verdict(runs, differences),
        detection=is_detection(runs),
        facts=facts,
        synthetic=synthetic,
    )
    folder.write_text("report.html", text)
    return folder.path / "report.html"


def show(
    runs: Sequence[FinishedRun],
    scores: pd.DataFrame,
    differences: pd.DataFrame,
    facts: Mapping[str, Any],
    console: Console,
) -> None:
    """Print the tables, which rows differ, and what to keep in mind; arguments as of ``write``."""
    synthetic = any(run.synthetic for run in runs)
    print_table(console, score_sheet(runs, scores), title(heading_of(runs), synthetic=synthetic))
    if len(differences):
        heading = title("Paired differences", synthetic=synthetic)
        print_table(console, difference_sheet(runs, differences), heading)
    console.print("Pooled scores, mean over repeats [95 % bootstrap interval by subject].", style="dim")
    for sentence in [*facts["identical"], verdict(runs, differences)]:
        if sentence:
            console.print(sentence, highlight=False, soft_wrap=True)
    for phrase in facts["differing"]:
        console.print(f"Warning: {phrase}.", style="yellow", highlight=False, soft_wrap=True)
    for sentence in facts["unpaired"]:
        console.print(sentence, style="yellow", highlight=False, soft_wrap=True)


def draw(
    runs: Sequence[FinishedRun], scores: pd.DataFrame, differences: pd.DataFrame, *, synthetic: bool
) -> dict[str, Figure]:
    """The figures by file name without ending; no curves where there are more rows than colours."""
    metrics = shown_metrics(runs, scores)
    plots = {"scores": score_plot(scores, metrics, heading=title(heading_of(runs), synthetic=synthetic))}
    if len(differences):
        heading = title("Paired differences", synthetic=synthetic)
        plots["differences"] = difference_plot(differences, metrics, heading=heading)
    if lines := curves(runs, scores):
        baselines = scores[scores["kind"] == "baseline"]
        part, unit = (
            " or ".join(dict.fromkeys(words)) for words in zip(*((r.part, r.unit) for r in runs), strict=True)
        )
        plots["curves"] = figures.curves(pd.concat(lines), baselines, part, unit, synthetic=synthetic)
    return plots


def curves(runs: Sequence[FinishedRun], scores: pd.DataFrame) -> list[pd.DataFrame]:
    """Pooled rows of metrics.csv, named as in the figures; none where there are more lines than colours."""
    trained = scores[scores["kind"] == "trained"]
    names = dict(zip(zip(trained["run"], trained["algorithm"], strict=True), row_names(trained), strict=True))
    if len(names) > len(figures.PALETTE):
        return []
    lines = []
    for run in runs:
        pooled = run.metrics[run.metrics["fold"] == POOLED]
        lines.append(pooled.assign(algorithm=[names[run.label, algorithm] for algorithm in pooled["algorithm"]]))
    return lines


def is_detection(runs: Sequence[FinishedRun]) -> bool:
    """Whether action units are scored and not emotions: so many scores that each has a row."""
    return all(run.predictions is None for run in runs)


def heading_of(runs: Sequence[FinishedRun]) -> str:
    """Heading of the scores."""
    return "Validation scores of action units" if is_detection(runs) else "Test scores"


def shown_metrics(runs: Sequence[FinishedRun], scores: pd.DataFrame) -> dict[str, str]:
    """Metrics that any row has, and their headings; the first one is what rows are told apart by."""
    return {metric: heading for metric, heading in metric_headings(runs).items() if scores[metric].notna().any()}


def score_sheet(runs: Sequence[FinishedRun], scores: pd.DataFrame) -> pd.DataFrame:
    """The scores as text."""
    names = pd.DataFrame({"run": scores["run"], "algorithm": scores["algorithm"]})
    return _sheet(runs, scores, shown_metrics(runs, scores), names, row_names(scores))


def difference_sheet(runs: Sequence[FinishedRun], differences: pd.DataFrame) -> pd.DataFrame:
    """The differences as text."""
    names = difference_names(differences)
    metrics = {
        metric: heading for metric, heading in metric_headings(runs).items() if differences[metric].notna().any()
    }
    return _sheet(runs, differences, metrics, pd.DataFrame({"difference": names}), names)


def verdict(runs: Sequence[FinishedRun], differences: pd.DataFrame) -> str:
    """Which rows differ beyond the intervals of their differences."""
    metric, heading = next(iter(metric_headings(runs).items()))
    return differing_rows(differences, pair_names(differences), metric, heading)


def _sheet(
    runs: Sequence[FinishedRun],
    table: pd.DataFrame,
    metrics: Mapping[str, str],
    names: pd.DataFrame,
    whole_names: Sequence[str],
) -> pd.DataFrame:
    """Scores with their intervals: a column each, or a row each where they are many."""
    text = interval_columns(table, metrics)
    if is_detection(runs):
        return pd.DataFrame(text, index=list(whole_names)).T.rename_axis("score").reset_index()
    return names.assign(**text)
