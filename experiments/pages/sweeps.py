"""Sweeps on a page: a heat map for two settings, lines with interval bands for one, and the table of all rows."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.pages.figures import BASELINE_COLOUR, BASELINE_DASHES, coloured, titled_figure
from experiments.pages.tables import interval_columns, number, title
from experiments.results.scores import METRICS
from experiments.results.sweeps import VALIDATION, family_name, swept_settings

ANY = "any"
"""What stands for the value of a setting that a row does not depend on."""
WIDE_RANGE = 20
"""An axis whose values, all positive, span more than this factor is logarithmic."""
MOST_PANELS = 12


def draw(sweep: pd.DataFrame, *, synthetic: bool) -> dict[str, Figure]:
    """The figure of a sweep by file name; none where no row has a UF1.

    Args:
        sweep: as sweep.csv.
        synthetic: whether the data are.
    """
    axes = swept_settings(sweep)
    if "uf1" not in sweep or not axes:
        return {}
    heading = title("UF1 by " + " and ".join(axes), synthetic=synthetic)
    return {"sweep": line_figure(sweep, heading) if len(axes) == 1 else heat_maps(sweep, heading)}


def sheet(sweep: pd.DataFrame) -> pd.DataFrame:
    """sweep.csv as text, scores with their intervals."""
    headings = {metric: heading for metric, heading in METRICS.items() if metric in sweep}
    text = pd.DataFrame({"algorithm": sweep["algorithm"]})
    for setting in swept_settings(sweep):
        text[setting] = [ANY if pd.isna(value) else label(value) for value in sweep[setting]]
    if VALIDATION in sweep:
        text["validation UF1"] = [number(value) for value in sweep[VALIDATION]]
    return text.assign(**interval_columns(sweep, headings))


def line_figure(sweep: pd.DataFrame, heading: str) -> Figure:
    """UF1 against the one swept setting, with bands of the intervals; rows that do not depend on it are dashed lines.

    Args:
        sweep: as sweep.csv, of one setting.
        heading: over the figure.
    """
    (setting,) = swept_settings(sweep)
    figure = titled_figure(9, 4.4, heading)
    axes = figure.subplots()
    values = ordered(sweep[setting])
    numeric = all_finite(values)
    dependent = [(name, rows) for name, rows in families(sweep) if rows[setting].notna().all()]
    for colour, (name, rows) in coloured(dependent):
        line = rows.set_index(setting).loc[[value for value in values if value in set(rows[setting])]]
        at = line.index.to_numpy(float) if numeric else np.array([values.index(value) for value in line.index])
        axes.plot(at, line["uf1"], color=colour, marker="o", lw=1.8, label=name)
        axes.fill_between(at, line["uf1_low"], line["uf1_high"], color=colour, alpha=0.15, lw=0)
    references = sweep[sweep[setting].isna()]
    for number_, (_, row) in enumerate(references.iterrows()):
        dashes = BASELINE_DASHES[number_ % len(BASELINE_DASHES)]
        axes.axhline(row["uf1"], color=BASELINE_COLOUR, ls=dashes, lw=1.3, label=row["algorithm"])
    scale_axis(axes, values, numeric)
    axes.set_xlabel(setting)
    axes.set_ylabel("test UF1 (band: 95 % interval)")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    return figure


def heat_maps(sweep: pd.DataFrame, heading: str) -> Figure:
    """UF1 by the first two swept settings: a panel for each algorithm, and for each combination of further settings.

    In each cell UF1, and below it in small print half the width of its interval. A setting that an algorithm does not
    depend on has the one value "any".

    Args:
        sweep: as sweep.csv, of two or more settings.
        heading: over the figure.
    """
    down, across, *others = swept_settings(sweep)
    panels = list(islice(_heat_panels(sweep, others), MOST_PANELS))
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    height = 1.2 + 0.62 * max(rows[down].nunique(dropna=False) for _, rows in panels)
    width = 1.6 + 0.8 * max(rows[across].nunique(dropna=False) for _, rows in panels)
    figure = titled_figure(columns * width + 1.0, lines * height + 0.5, heading)
    places = figure.subplots(lines, columns, squeeze=False).ravel()
    low, high = float(sweep["uf1"].min()), float(sweep["uf1"].max())
    for axes, (name, rows) in zip(places, panels, strict=False):
        image = _heat_map(axes, rows, down, across, low, high)
        axes.set_title(name, fontsize=11)
    for unused in places[len(panels) :]:
        unused.remove()
    figure.colorbar(image, ax=list(places[: len(panels)]), label="test UF1", shrink=0.8)
    return figure


def families(sweep: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows that differ in swept settings alone, with what they are called without these; each model is a family."""
    settings = swept_settings(sweep)
    names = sweep["algorithm"].map(lambda row: family_name(row, settings)).rename("family")
    for name, rows in sweep.groupby(names, sort=False):
        yield str(name), rows


def label(value: Any) -> str:
    """A value of a swept setting as text.

    >>> label(0.001), label(16.0), label("0.1,0.2")
    ('0.001', '16', '0.1,0.2')
    """
    return f"{value:g}" if isinstance(value, float) else str(value)


def _heat_panels(sweep: pd.DataFrame, others: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    for name, rows in families(sweep):
        if not others:
            yield name, rows
            continue
        for values, panel in rows.groupby([rows[other].astype(object).fillna(ANY) for other in others], sort=False):
            given = zip(others, values, strict=True)
            yield "\n".join([name, *(f"{other}={label(value)}" for other, value in given if value != ANY)]), panel


def _heat_map(axes: Axes, rows: pd.DataFrame, down: str, across: str, low: float, high: float) -> Any:
    """One panel; returns the image, for the colour bar."""
    names = [ordered(rows[setting]) or [ANY] for setting in (down, across)]
    grid = np.full((len(names[0]), len(names[1])), np.nan)
    image = axes.imshow(grid, cmap="viridis", vmin=low, vmax=high, aspect="auto")
    for row in rows.to_dict("records"):
        where = tuple(
            values.index(ANY if pd.isna(row[key]) else row[key])
            for values, key in zip(names, (down, across), strict=True)
        )
        grid[where] = row["uf1"]
        colour = "white" if row["uf1"] - low < 0.6 * (high - low) else "black"
        half = (row["uf1_high"] - row["uf1_low"]) / 2
        for text, size, offset in ((number(row["uf1"]), 10, 4), (f"±{number(half)}", 7, -8)):
            _write(axes, where, text, color=colour, fontsize=size, xytext=(0, offset))
    image.set_data(grid)
    axes.set_xticks(range(len(names[1])), [label(value) for value in names[1]], fontsize=9)
    axes.set_yticks(range(len(names[0])), [label(value) for value in names[0]], fontsize=9)
    axes.set_xlabel(across)
    axes.set_ylabel(down)
    return image


def _write(axes: Axes, cell: Sequence[int], text: str, **style: Any) -> None:
    """Text in a cell [down, across], ``xytext`` points from its centre."""
    axes.annotate(text, (cell[1], cell[0]), textcoords="offset points", ha="center", va="center", **style)


def ordered(values: "pd.Series[Any]") -> list[Any]:
    """Each value once: numbers by size, others in the order of the table."""
    unique = values.dropna().unique().tolist()
    return sorted(unique) if all(isinstance(value, (int, float)) for value in unique) else unique


def all_finite(values: Sequence[Any]) -> bool:
    """Whether values have places on an axis of numbers: ``epsilon=8,inf`` have not.

    >>> all_finite([1, 2.5]), all_finite([8.0, float("inf")]), all_finite(["0.1,0.2"])
    (True, False, False)
    """
    return all(isinstance(value, (int, float)) and np.isfinite(value) for value in values)


def scale_axis(axes: Axes, values: Sequence[Any], numeric: bool) -> None:
    """Label an axis with its values; logarithmic where they span a wide range."""
    if not numeric:
        axes.set_xticks(range(len(values)), [label(value) for value in values])
        return
    if min(values) > 0 and max(values) > WIDE_RANGE * min(values):
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(values, [label(value) for value in values])
