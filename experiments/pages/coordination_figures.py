"""Figures of the study of coordination: heat maps over AU pairs, and the graph drawn on a face."""

import io
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.pages.figures import PALETTE
from experiments.pages.tables import number, title
from fedpsyau_jax.priors.action_units import NAMES
from fedpsyau_jax.synthesis.anatomy import mean_shape

AU_PLACES: Mapping[int, tuple[float, float]] = {
    1: (-0.13, -0.23), 2: (-0.38, -0.20), 4: (0.02, -0.10), 5: (0.30, -0.13), 6: (0.36, 0.20), 7: (0.34, 0.03),
    9: (-0.10, 0.16), 10: (-0.01, 0.335), 12: (0.28, 0.40), 14: (-0.30, 0.40), 15: (-0.20, 0.54), 17: (0.08, 0.60),
    41: (-0.24, -0.05), 42: (-0.40, 0.03), 43: (-0.24, 0.04), 44: (-0.12, 0.03), 45: (-0.34, -0.05), 46: (-0.34, 0.12),
    11: (0.17, 0.26), 13: (-0.38, 0.31), 16: (-0.07, 0.53), 18: (-0.13, 0.37), 20: (0.37, 0.47), 22: (0.10, 0.40),
    23: (-0.11, 0.45), 24: (0.01, 0.45), 25: (0.12, 0.49), 26: (-0.04, 0.66), 27: (0.20, 0.60), 28: (0.23, 0.52),
    38: (0.10, 0.18), 39: (0.02, 0.24),
}  # fmt: skip
"""Where each AU acts, roughly, in face widths; each on one side only, so that lines do not cross more than need be."""
OUTLINES = (range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36))
CLOSED_OUTLINES = (range(36, 42), range(42, 48), range(48, 60), range(60, 68))
SKIN = "#B9C0C7"


class Stroke(NamedTuple):
    """How a kind of link is drawn."""

    label: str
    colour: str
    width: float
    dashes: str = "-"


STROKES: Mapping[tuple[str, bool], Stroke] = {
    ("together", True): Stroke("together, and linked", PALETTE[0], 3.2),
    ("together", False): Stroke("together, not linked", PALETTE[2], 3.2),
    ("apart", True): Stroke("apart, though linked", PALETTE[1], 2.2, "--"),
    ("undecided", True): Stroke("linked, undecided", "#8A949E", 1.0),
    ("too rare", True): Stroke("linked, too rare to say", "#8A949E", 1.0, ":"),
}


def on_face(
    pairs: pd.DataFrame, agreement: pd.DataFrame, counts: Mapping[str, int], prior: str, *, synthetic: bool
) -> Figure:
    """The graph on a schematic face; a node's area grows with how often its AU occurs.

    Args:
        pairs: as pairs.csv.
        agreement: rows of agreement.csv of one prior; a pair is linked if either direction is.
        counts: clips with each AU, by name.
        prior: its name.
        synthetic: whether the faces are rendered.
    """
    figure = Figure(figsize=(9.2, 7.2), layout="constrained")
    figure.suptitle(title("Coordination of action units", synthetic=synthetic), fontsize=13)
    axes = figure.subplots()
    draw_face(axes)
    linked = {frozenset(pair) for pair in agreement.loc[agreement["linked"] == 1, ["receiver", "sender"]].to_numpy()}
    drawn = [
        (STROKES[kind], first, second)
        for first, second, finding in pairs[["first", "second", "finding"]].to_numpy()
        if (kind := (finding, frozenset((first, second)) in linked)) in STROKES
    ]
    for stroke, *ends in sorted(drawn, key=lambda line: line[0].width):
        x, y = zip(*(_place(name) for name in ends), strict=True)
        axes.plot(x, y, color=stroke.colour, lw=stroke.width, ls=stroke.dashes, zorder=2)
    _draw_nodes(axes, counts)
    used = [stroke for stroke in STROKES.values() if any(line[0] is stroke for line in drawn)]
    handles = [Line2D([], [], color=s.colour, lw=s.width, ls=s.dashes, label=s.label) for s in used]
    figure.legend(
        handles=handles, loc="outside right upper", frameon=False, fontsize=10, title=f"pairs of AUs\n({prior} prior)"
    )
    figure.text(0.80, 0.05, _names(counts), ha="left", va="bottom", fontsize=8.5, color="#444444", linespacing=1.5)
    return figure


def draw_face(axes: Axes) -> None:
    """Brows, eyes, nose, mouth and chin of the mean face, in face widths; x to the right, y down."""
    points = mean_shape()
    for outline in OUTLINES:
        axes.plot(*points[list(outline)].T, color=SKIN, lw=1.6, zorder=1)
    for outline in CLOSED_OUTLINES:
        axes.plot(*points[[*outline, outline[0]]].T, color=SKIN, lw=1.6, zorder=1)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_axis_off()


def heat_map(
    matrix: pd.DataFrame, heading: str, label: str, *, marked: np.ndarray, diverging: bool, synthetic: bool
) -> Figure:
    """A square of numbers, a row and a column for each AU; cells that are marked have a frame.

    Args:
        matrix: index and columns are AUs; NaN cells stay empty.
        heading: title.
        label: of the colours.
        marked: [aus, aus] true where a cell has a frame.
        diverging: colours from -1 to 1 about white, instead of 0 to 1.
        synthetic: whether the faces are rendered.
    """
    side = 2.4 + 0.5 * len(matrix)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    figure.suptitle(title(heading, synthetic=synthetic), fontsize=13)
    axes = figure.subplots()
    colours, least = ("RdBu_r", -1) if diverging else ("Blues", 0)
    image = axes.imshow(matrix.to_numpy(float), cmap=colours, vmin=least, vmax=1)
    for (row, column), value in np.ndenumerate(matrix.to_numpy(float)):
        if np.isfinite(value):
            dark = abs(value) > 0.6
            shown = number(value).replace("-0.", "-.")
            axes.text(column, row, shown, ha="center", va="center", fontsize=7.5, color="white" if dark else "black")
        if marked[row, column]:
            frame = mpl.patches.Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, lw=1.8, ec="#111111")
            axes.add_patch(frame)
    axes.set_xticks(range(len(matrix)), list(matrix.columns), fontsize=9, rotation=45)
    axes.set_yticks(range(len(matrix)), list(matrix.index), fontsize=9)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, label=label, shrink=0.8)
    return figure


def svg(figure: Figure) -> bytes:
    """Render a figure as SVG, the same bytes each time."""
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "fedpsyau_jax"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _draw_nodes(axes: Axes, counts: Mapping[str, int]) -> None:
    most = max([*counts.values(), 1])
    for name, count in counts.items():
        x, y = _place(name)
        area = 330 + 700 * count / most
        axes.scatter(x, y, s=area, color="white", edgecolors="#222222", linewidths=1.4, zorder=3)
        axes.text(x, y, name.removeprefix("AU"), ha="center", va="center", fontsize=11, fontweight="bold", zorder=4)


def _names(names: Iterable[str]) -> str:
    return "\n".join(f"{name}  {NAMES[int(name.removeprefix('AU'))]}" for name in names)


def _place(name: str) -> tuple[float, float]:
    return AU_PLACES[int(name.removeprefix("AU"))]
