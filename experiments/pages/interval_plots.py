"""Scores and differences as points with their intervals, one row a model or a difference (forest plots)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.pages.figures import BASELINE_COLOUR, PALETTE

CLEAR, UNCLEAR = PALETTE[0], BASELINE_COLOUR
MOST_BESIDE = 4


def score_plot(table: pd.DataFrame, metrics: Mapping[str, str], *, heading: str) -> Figure:
    """Scores with their intervals; baselines, which have none, as hollow grey points; one colour a run.

    Args:
        table: as comparison.csv, or ``scores_with_bounds``, which is about one run.
        metrics: its columns to draw, and their names.
        heading: over the figure.
    """
    runs = list(table["run"].unique())
    colours = [
        PALETTE[runs.index(run) % len(PALETTE)] if kind == "trained" else BASELINE_COLOUR
        for run, kind in zip(table["run"], table["kind"], strict=True)
    ]
    figure, panels = _panels(table, row_names(table), metrics, heading)
    for axes, metric in zip(panels, metrics, strict=True):
        _points(axes, table, metric, colours)
    panels[0].set_xlim(left=0)
    return figure


def difference_plot(table: pd.DataFrame, metrics: Mapping[str, str], *, heading: str) -> Figure:
    """Paired differences with their intervals; blue where the interval excludes 0.

    Args:
        table: as differences.csv.
        metrics: its columns to draw, and their names.
        heading: over the figure.
    """
    figure, panels = _panels(table, difference_names(table), metrics, heading)
    for axes, metric in zip(panels, metrics, strict=True):
        clear = (table[f"{metric}_low"] > 0) | (table[f"{metric}_high"] < 0)
        _points(axes, table, metric, np.where(clear, CLEAR, UNCLEAR).tolist())
        axes.axvline(0, color="black", lw=0.8)
    return figure


def scores_with_bounds(summary: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """The scores of one run as comparison.csv has them.

    Args:
        summary: as summary.csv.
        intervals: as intervals.csv.
    """
    table = summary.assign(run="").set_index("algorithm")
    for metric, rows in intervals.groupby("metric"):
        bounds = rows.set_index("algorithm")
        table[f"{metric}_low"], table[f"{metric}_high"] = bounds["low"], bounds["high"]
    return table.reset_index()


def row_names(comparison: pd.DataFrame) -> list[str]:
    """What rows are called: by their algorithm, and by their run if there are several; not shared baselines."""
    several = comparison["run"].nunique() > 1
    prefixed = several & ((comparison["kind"] == "trained") | comparison["algorithm"].duplicated(keep=False))
    return list(np.where(prefixed, comparison["run"] + ": " + comparison["algorithm"], comparison["algorithm"]))


def pair_names(differences: pd.DataFrame) -> list[tuple[str, str]]:
    """What the two rows of each difference are called: by their algorithm, and by their run if there are several."""
    one, other = differences["algorithm"], differences["other_algorithm"]
    if "run" in differences and len({*differences["run"], *differences["other_run"]}) > 1:
        one, other = differences["run"] + ": " + one, differences["other_run"] + ": " + other
    return list(zip(one, other, strict=True))


def difference_names(differences: pd.DataFrame) -> list[str]:
    """What differences are called: by their two rows, of one run by its name once."""
    same_run = differences["run"] == differences["other_run"] if "run" in differences else [False] * len(differences)
    seconds = zip(differences["other_algorithm"], pair_names(differences), same_run, strict=True)
    return [f"{one} minus {algorithm if same else other}" for algorithm, (one, other), same in seconds]


def _panels(
    table: pd.DataFrame, names: Sequence[str], metrics: Mapping[str, str], heading: str
) -> tuple[Figure, list[Axes]]:
    """A panel a metric, at most ``MOST_BESIDE`` beside each other."""
    num_columns = min(len(metrics), MOST_BESIDE)
    num_rows = -(-len(metrics) // num_columns)
    width = 3.0 * num_columns + 0.075 * max(map(len, names))
    figure = Figure(figsize=(width, 0.6 + num_rows * (0.8 + 0.32 * len(table))), layout="constrained")
    figure.suptitle(heading, fontsize=13)
    panels = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, label in zip(panels, metrics.values(), strict=False):
        axes.set_xlabel(label)
        axes.grid(axis="x", color="#e2e5e8")
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
    panels[0].set_yticks(range(len(table)), names)
    panels[0].set_ylim(len(table) - 0.5, -0.5)
    for lowest in panels[: len(metrics)][-num_columns:]:
        lowest.tick_params(labelbottom=True)
    for unused in panels[len(metrics) :]:
        unused.remove()
    return figure, list(panels[: len(metrics)])


def _points(axes: Axes, table: pd.DataFrame, metric: str, colours: Sequence[str]) -> None:
    heights = np.arange(len(table))
    axes.hlines(heights, table[f"{metric}_low"], table[f"{metric}_high"], colors=colours, lw=2)
    hollow = table[f"{metric}_low"].isna()
    faces = ["white" if empty else colour for empty, colour in zip(hollow, colours, strict=True)]
    axes.scatter(table[metric], heights, c=faces, edgecolors=colours, s=36, zorder=3, clip_on=False)
