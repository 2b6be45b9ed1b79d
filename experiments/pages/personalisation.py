"""When personalising pays: UF1 of an algorithm minus that of local-only and of FedAvg, by how strongly labs differ.

One line of panels for each algorithm that depends on another swept setting, such as P-FedProx on the self weight; one
column for each lab shift.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.pages.figures import PALETTE, titled_figure
from experiments.pages.sweeps import all_finite, label, ordered, scale_axis
from experiments.pages.tables import interval_columns, title
from experiments.results.gains import OVER
from experiments.results.sweeps import LAB_SHIFT, family_name, swept_settings

MOST_LINES = 5
"""Most lines of panels."""


class PanelLine(NamedTuple):
    """One line of panels: an algorithm, the setting on the horizontal axis, and its gains."""

    name: str
    setting: str
    gains: pd.DataFrame


def draw(gains: pd.DataFrame, *, synthetic: bool) -> dict[str, Figure]:
    """The figure by file name; none where there is nothing to compare with.

    Args:
        gains: as gains.csv.
        synthetic: whether the data are.
    """
    lines = list(_panel_lines(gains))[:MOST_LINES]
    return {"personalisation": _figure(lines, synthetic=synthetic)} if lines else {}


def sheet(gains: pd.DataFrame) -> pd.DataFrame:
    """gains.csv as text: a row of the run a line, its gain over each reference with its interval beside it."""
    lines = gains[["algorithm"]].drop_duplicates().set_index("algorithm")
    for over, own in gains.groupby(OVER, sort=False):
        heading = f"UF1 minus {over}"
        lines[heading] = pd.Series(interval_columns(own, {"uf1": heading})[heading], own["algorithm"])
    return lines.fillna("").reset_index()


def _panel_lines(table: pd.DataFrame) -> Iterator[PanelLine]:
    """P-FedProx first; without a further swept setting the lab shift itself is the axis."""
    settings = swept_settings(table.drop(columns=OVER))
    further = [name for name in settings if name != LAB_SHIFT]
    families = table["algorithm"].map(lambda row: family_name(row, settings)).rename("family")
    groups = list(table.groupby(families, sort=False))
    groups.sort(key=lambda group: (group[1]["name"].iloc[0] != "p-fedprox", -len(group[1])))
    for name, own in groups:
        depends = [setting for setting in further if own[setting].notna().all() and own[setting].nunique() > 1]
        setting, *others = sorted(depends, key=lambda one: one != "self-weight") or [LAB_SHIFT]
        for values, part in own.groupby(others, sort=False) if others else [((), own)]:
            ending = [f"{other} {label(value)}" for other, value in zip(others, values, strict=True)]
            yield PanelLine(", ".join([str(name), *ending]), setting, part)


def _figure(lines: Sequence[PanelLine], *, synthetic: bool) -> Figure:
    everything = pd.concat([line.gains for line in lines])
    by_shift = any(line.setting != LAB_SHIFT for line in lines)
    shifts = ordered(everything[LAB_SHIFT]) if by_shift else [None]
    heading = title("Gain in UF1 over local-only training and over FedAvg", synthetic=synthetic)
    figure = titled_figure(1.6 + 2.9 * len(shifts) if by_shift else 6, 0.8 + 2.6 * len(lines), heading)
    panels = figure.subplots(len(lines), len(shifts), squeeze=False, sharey=True)
    colours = dict(zip(dict.fromkeys(everything[OVER]), PALETTE, strict=False))
    for line, own_panels in zip(lines, panels, strict=True):
        if line.setting == LAB_SHIFT:
            parts = [(line.name, line.gains)]
        else:
            parts = [(f"lab shift {label(one)}", line.gains[line.gains[LAB_SHIFT] == one]) for one in shifts]
        for axes, (heading_of_panel, part) in zip(own_panels, parts, strict=False):
            _panel(axes, part, line.setting, colours)
            axes.set_title(heading_of_panel, fontsize=10)
        for unused in own_panels[len(parts) :]:
            unused.remove()
        own_panels[0].set_ylabel(f"{line.name}\nUF1 minus that of the other", fontsize=9)
    panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    return figure


def _panel(axes: Axes, part: pd.DataFrame, setting: str, colours: dict[str, str]) -> None:
    values = ordered(part[setting])
    numeric = all_finite(values)
    for over, line in part.groupby(OVER, sort=False):
        line = line.set_index(setting).loc[[value for value in values if value in set(line[setting])]]
        at = line.index.to_numpy(float) if numeric else np.array([values.index(value) for value in line.index])
        axes.plot(at, line["uf1"], color=colours[str(over)], marker="o", lw=1.8, label=f"minus {over}")
        axes.fill_between(at, line["uf1_low"], line["uf1_high"], color=colours[str(over)], alpha=0.15, lw=0)
    axes.axhline(0, color="#666666", lw=1)
    scale_axis(axes, values, numeric)
    axes.set_xlabel(setting)
