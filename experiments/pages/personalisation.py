"""When personalising pays: UF1 of an algorithm minus that of local-only and of FedAvg, by how strongly labs differ.

One line of panels for each algorithm that depends on another swept setting, such as P-FedProx on the self weight; one
column for each lab shift.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.pages.figures import PALETTE, titled_figure
from experiments.pages.sweeps import family_name, label, ordered, scale_axis
from experiments.pages.tables import title
from experiments.results.differences import against
from experiments.results.sweeps import LAB_SHIFT, swept_settings

REFERENCES = ("local", "fedavg")
"""Algorithms that a gain is over: no exchange, and one model for all."""
NO_GAIN = (*REFERENCES, "centralised")
BOUNDS = ("uf1", "uf1_low", "uf1_high")
MOST_LINES = 5
"""Most lines of panels."""


class PanelLine(NamedTuple):
    """One line of panels: an algorithm, the setting on the horizontal axis, and its gains."""

    name: str
    setting: str
    gains: pd.DataFrame


def gains(rows: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """UF1 of each row minus that of local-only and of FedAvg, on the same clips and with the same settings.

    Args:
        rows: as rows.csv.
        differences: as differences.csv.

    Returns:
        The columns of rows.csv of the row; ``over``, the title of the reference; ``uf1``, ``uf1_low`` and ``uf1_high``
        of the paired difference.
    """
    by_title = rows.set_index("algorithm", drop=False)
    table: list[dict[str, Any]] = []
    references = rows.loc[rows["name"].isin(REFERENCES), "algorithm"].tolist()
    for pair in against(differences, references).to_dict("records"):
        one, other = (by_title.loc[pair[end]] for end in ("algorithm", "other_algorithm"))
        if one["name"] not in NO_GAIN and _alike(one, other):
            reference = family_name(other.to_frame().T, swept_settings(rows))
            table.append({**one.to_dict(), "over": reference, **{bound: pair[bound] for bound in BOUNDS}})
    return pd.DataFrame(table, columns=[*rows, "over", *BOUNDS])


def draw(rows: pd.DataFrame, differences: pd.DataFrame, *, synthetic: bool) -> dict[str, Figure]:
    """The figure by file name; none where lab shifts are not swept, or there is nothing to compare with.

    Args:
        rows: as rows.csv.
        differences: as differences.csv.
        synthetic: whether the data are.
    """
    if LAB_SHIFT not in swept_settings(rows):
        return {}
    lines = list(_panel_lines(gains(rows, differences)))[:MOST_LINES]
    return {"personalisation": _figure(lines, synthetic=synthetic)} if lines else {}


def _alike(one: "pd.Series[Any]", other: "pd.Series[Any]") -> bool:
    """Whether two rows have the same settings, as far as both depend on them."""
    settings = [name for name in one.index if name not in ("algorithm", "name")]
    return all(pd.isna(one[name]) or pd.isna(other[name]) or one[name] == other[name] for name in settings)


def _panel_lines(table: pd.DataFrame) -> Iterator[PanelLine]:
    """P-FedProx first; without a further swept setting the lab shift itself is the axis."""
    settings = swept_settings(table.drop(columns="over"))
    further = [name for name in settings if name != LAB_SHIFT]
    families = [family_name(row.to_frame().T, settings) for _, row in table.iterrows()]
    groups = list(table.groupby(np.array(families, dtype=object), sort=False))
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
    colours = dict(zip(dict.fromkeys(everything["over"]), PALETTE, strict=False))
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
    numeric = all(isinstance(value, (int, float)) for value in values)
    for over, line in part.groupby("over", sort=False):
        line = line.set_index(setting).loc[[value for value in values if value in set(line[setting])]]
        at = line.index.to_numpy(float) if numeric else np.array([values.index(value) for value in line.index])
        axes.plot(at, line["uf1"], color=colours[str(over)], marker="o", lw=1.8, label=f"minus {over}")
        axes.fill_between(at, line["uf1_low"], line["uf1_high"], color=colours[str(over)], alpha=0.15, lw=0)
    axes.axhline(0, color="#666666", lw=1)
    scale_axis(axes, values, numeric)
    axes.set_xlabel(setting)
