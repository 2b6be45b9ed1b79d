"""Figures of experiments.predict: the timeline of a clip."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.pages.figures import PALETTE, titled_figure

WIDEST = 2000
"""Points of a curve: of a longer clip, each is the largest of several frames."""
AU_ENDING = "_p"
LEGEND_ROOM = 1.5
"""Height of the axes of head motion and confidence, in units of the highest point."""


def timeline(rows: pd.DataFrame, heading: str) -> Figure:
    """Strain, head motion and confidence against time, and action units within events.

    Args:
        rows: of frames.csv, or the largest of several frames each.
        heading: of the figure.
    """
    aus = [name for name in rows if str(name).endswith(AU_ENDING)]
    figure = titled_figure(11, 6.4, heading)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1, 2]})
    timed = rows["timestamp"].notna().all()
    times = rows["timestamp" if timed else "frame"].to_numpy(float)
    upper.plot(times, rows["strain"], color=PALETTE[0], lw=1)
    upper.set_ylabel("strain")
    upper.set_ylim(bottom=0)
    for first, last in event_spans(rows["event"].to_numpy()):
        upper.axvspan(times[first], times[last], color=PALETTE[1], alpha=0.2, lw=0)
    middle.plot(times, rows["head_motion"], color=PALETTE[2], lw=1, label="head motion, pixels of 128")
    middle.plot(times, rows["confidence"], color=PALETTE[6], lw=1, label="confidence")
    middle.set_ylim(bottom=0, top=LEGEND_ROOM * max(1.0, float(rows["head_motion"].max())))
    middle.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    values = rows[aus].to_numpy(float).T
    step = (times[-1] - times[0]) / max(1, len(times) - 1) / 2 if len(times) > 1 else 0.5
    extent = (times[0] - step, times[-1] + step, len(aus) - 0.5, -0.5)
    image = lower.imshow(values, aspect="auto", extent=extent, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    lower.set_yticks(range(len(aus)), [str(name).removesuffix(AU_ENDING) for name in aus], fontsize=7)
    lower.set_xlabel("seconds" if timed else "frame")
    figure.colorbar(image, ax=lower, label="probability", fraction=0.03, pad=0.01)
    return figure


def event_spans(events: np.ndarray) -> list[tuple[int, int]]:
    """First and last place of each event in the column event.

    >>> event_spans(np.array([0, 1, 1, 0, 2]))
    [(1, 2), (4, 4)]
    """
    numbers = [number for number in dict.fromkeys(events.tolist()) if number]
    places = [np.flatnonzero(events == number) for number in numbers]
    return [(int(place[0]), int(place[-1])) for place in places]


def thinned(rows: pd.DataFrame, num_frames: int) -> pd.DataFrame:
    """Rows of frames.csv, of which each is the largest of so many that ``WIDEST`` are left of ``num_frames``.

    >>> len(thinned(pd.DataFrame({"frame": range(10), "strain": range(10)}), 5 * WIDEST))
    2
    """
    size = -(-num_frames // WIDEST)
    return rows.groupby(np.arange(len(rows)) // size).max() if size > 1 else rows
