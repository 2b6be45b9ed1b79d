"""Figures of a run. Each function returns a matplotlib Figure and keeps nothing: saving is the caller's.

Colours are Okabe and Ito's eight, which stay apart for colour-blind readers; an algorithm keeps its colour
from figure to figure.
"""

import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.pages.tables import title
from experiments.results.schema import POOLED
from experiments.results.scores import class_names, confusion, score_parts
from fedpsyau_jax.types import Int

Group = TypeVar("Group")
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
BASELINE_DASHES = ("--", ":", "-.", (0, (1, 4)))
BASELINE_COLOUR = "#666666"


def curves(metrics: pd.DataFrame, summary: pd.DataFrame, part: str, unit: str, *, synthetic: bool) -> Figure:
    """Training loss and pooled UF1 by round or epoch: mean over repeats, band of one sd.

    UF1 is that of the validation or test examples, whichever are scored while training; beside test scores the
    baselines are dashed; where nothing is scored, the loss is alone.

    Args:
        metrics: as metrics.csv, with its "pooled" rows.
        summary: as summary.csv; its baselines are drawn.
        part: what is pooled over: "client" or "fold".
        unit: "round" or "epoch".
        synthetic: whether the data are.
    """
    figure = titled_figure(11, 4.2, title("Training", synthetic=synthetic))
    pooled = metrics[metrics["fold"] == POOLED]
    scored = " or ".join(sorted(pooled["scored"].dropna().unique()))
    several = metrics.loc[metrics["fold"] != POOLED, ["fold", "client"]].drop_duplicates().shape[0] > 1
    where = f" (all {part}s together)" if several else ""
    labels = {"train_loss": f"training loss{where}", "uf1": f"{scored} UF1{where}"}
    labels = {column: label for column, label in labels.items() if pooled[column].notna().any()}
    panels = dict(zip(labels, figure.subplots(1, len(labels), squeeze=False)[0], strict=True))
    for column, axes in panels.items():
        for colour, (algorithm, rows) in coloured(pooled.groupby("algorithm", sort=False)):
            line_with_band(axes, rows.dropna(subset=[column]).groupby("round")[column], str(algorithm), colour)
        axes.set_xlabel(unit)
        axes.set_ylabel(labels[column])
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "uf1" in panels and scored == "test":
        _draw_baselines(panels["uf1"].axhline, summary, "uf1")
    *_, last = panels.values()
    last.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    return figure


def confusion_matrices(predictions: pd.DataFrame, *, synthetic: bool) -> Figure:
    """One confusion matrix per algorithm, summed over clients and repeats: counts, coloured by row share.

    Args:
        predictions: as predictions.csv.
        synthetic: whether the data are.
    """
    groups = list(predictions.groupby("algorithm", sort=False))
    num_rows = 1 if len(groups) <= 3 else 2
    num_columns = -(-len(groups) // num_rows)
    names = {algorithm: class_names(rows) for algorithm, rows in groups}
    side = 1.4 + 0.35 * max(map(len, names.values()))
    figure = titled_figure(num_columns * side, num_rows * side + 0.4, title("Confusion", synthetic=synthetic))
    panels = figure.subplots(num_rows, num_columns, squeeze=False, gridspec_kw={"hspace": 0.06}).ravel()
    for axes, (algorithm, rows) in zip(panels, groups, strict=False):
        _confusion_matrix(axes, confusion(rows), names[algorithm])
        axes.set_title(algorithm, fontsize=11)
    for unused in panels[len(groups) :]:
        unused.remove()
    return figure


def part_scores(predictions: pd.DataFrame, summary: pd.DataFrame, part: str, *, synthetic: bool) -> Figure:
    """UF1 of each client (or fold) alone, one dot per client and repeat, with their mean.

    Args:
        predictions: as predictions.csv.
        summary: as summary.csv; its baselines are drawn where they have a mean over clients.
        part: "client" or "fold".
        synthetic: whether the data are.
    """
    groups = list(score_parts(predictions, part=part).groupby("algorithm", sort=False))
    figure = titled_figure(9, 1.6 + 0.55 * len(groups), title(f"UF1 of each {part}", synthetic=synthetic))
    axes = figure.subplots()
    for row, (colour, (_, scores)) in enumerate(coloured(groups)):
        spread = np.linspace(-0.22, 0.22, len(scores))
        axes.plot(scores["uf1"], row + spread, "o", color=colour, alpha=0.55, markersize=6, mew=0)
        axes.plot(scores["uf1"].mean(), row, "|", color=colour, markersize=30, mew=3)
    axes.set_yticks(range(len(groups)), [str(algorithm) for algorithm, _ in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(f"test UF1 of one {part} in one repeat (bar: mean)")
    _draw_baselines(axes.axvline, summary, f"uf1_mean_over_{part}s")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    return figure


def class_scores(scores: pd.DataFrame, by: str, *, synthetic: bool, split: str = "test") -> Figure:
    """F1 of each class or action unit: grouped bars per algorithm; whiskers: intervals.

    Args:
        scores: as class_scores.csv or au_scores.csv.
        by: "class" or "au".
        synthetic: whether the data are.
        split: whose scores they are.
    """
    names = list(scores[by].unique())
    groups = list(scores.groupby("algorithm", sort=False))
    what = {"class": "class", "au": "action unit"}[by]
    figure = titled_figure(11, 3.6, title(f"F1 of each {what}", synthetic=synthetic))
    axes = figure.subplots()
    width = 0.8 / len(groups)
    for index, (colour, (algorithm, rows)) in enumerate(coloured(groups)):
        centres = np.arange(len(names)) + (index - (len(groups) - 1) / 2) * width
        f1 = rows.set_index(by).reindex(names)
        axes.bar(centres, f1["f1"], width * 0.92, color=colour, label=algorithm)
        axes.vlines(centres, f1["f1_low"], f1["f1_high"], colors="#222222", lw=1)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 1)
    axes.set_ylabel(f"{split} F1")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    return figure


def png(figure: Figure, dots_per_inch: int = 130) -> bytes:
    """Render a figure as a PNG image."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dots_per_inch)
    return file.getvalue()


def titled_figure(width: float, height: float, heading: str) -> Figure:
    """An empty figure with a heading; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(heading, fontsize=13)
    return figure


def coloured(groups: Iterable[Group]) -> Iterator[tuple[str, Group]]:
    """Each group with the colour of its place."""
    return zip(itertools.cycle(PALETTE), groups, strict=False)


def line_with_band(axes: Axes, by_round: Any, label: str, colour: str) -> None:
    """Means of a grouped column against its groups, and a band of one sd."""
    mean, sd = by_round.mean(), by_round.std().fillna(0)
    axes.plot(mean.index, mean, color=colour, label=label, marker="o" if len(mean) == 1 else None, lw=1.8)
    axes.fill_between(mean.index, mean - sd, mean + sd, color=colour, alpha=0.15, lw=0)


def _draw_baselines(draw_line: Callable[..., object], summary: pd.DataFrame, column: str) -> None:
    if column not in summary:
        return
    baselines = summary[summary["kind"] == "baseline"].dropna(subset=[column])
    for (_, row), dashes in zip(baselines.iterrows(), itertools.cycle(BASELINE_DASHES), strict=False):
        draw_line(row[column], color=BASELINE_COLOUR, ls=dashes, lw=1.3, label=row["algorithm"])


def _confusion_matrix(axes: Axes, counts: Int[np.ndarray, "classes classes"], names: list[str]) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.6 else "black"
        axes.text(column, row, str(number), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)
