"""Figures of experiments.explain: attention on the face graph and as heat maps, scores against the prior ratio."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from experiments.pages.coordination_figures import AU_PLACES, draw_face
from experiments.pages.figures import coloured, line_with_band, titled_figure
from experiments.pages.tables import title
from experiments.results.scores import METRICS

SHOWN_METRICS = ("uf1", "uar", "au_f1")
DIFFERENCE, SHARE = "RdBu_r", "Blues"
WIDEST = 3.6
PRIOR_COLUMN = "the prior"
HEAT_MAPS = {
    "learned": "learned",
    "mixed": "as used",
    "difference": "learned less prior",
    "learned_sd": "sd of learned",
}


def sensitivity(scores: pd.DataFrame, own_ratio: float, tested: str, *, synthetic: bool) -> Figure:
    """Scores against the prior ratio: mean over repeats, band of one sd; that of the run is marked.

    Args:
        scores: as sensitivity.csv.
        own_ratio: prior ratio of the run.
        tested: which tests scores are of, such as "pooled over clients".
        synthetic: whether the data are.
    """
    shown = [metric for metric in SHOWN_METRICS if scores[metric].notna().any()]
    heading = title("Scores at other prior ratios, nothing trained again", synthetic=synthetic)
    figure = titled_figure(1.5 + 3.8 * len(shown), 4.0, heading)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, metric in zip(panels, shown, strict=True):
        for colour, (algorithm, rows) in coloured(scores.groupby("algorithm", sort=False)):
            line_with_band(axes, rows.groupby("ratio")[metric], str(algorithm), colour)
        axes.axvline(own_ratio, color="#222222", ls=":", lw=1.3, label=f"ratio of the run, {own_ratio:.3g}")
        axes.set_xlabel("prior ratio")
        axes.set_ylabel(f"test {METRICS[metric]} ({tested})")
        axes.set_ylim(0, max(1.15 * scores[metric].max(), 0.05))
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    return figure


def faces(links: pd.DataFrame, heading: str, *, synthetic: bool) -> Figure:
    """Attention on the face, a panel for each emotion: an arrow runs to who attends from whom it attends to.

    Its width is the attention as used, its colour the learned attention less the prior. Links within the upper and the
    lower face are those of the regional graphs, where there are any; all others those of the global one.

    Args:
        links: rows of attention.csv of one algorithm and layer.
        heading: of the figure.
        synthetic: whether the data are.
    """
    drawn = _one_graph_a_link(links[links["receiver"] != links["sender"]])
    groups = list(drawn.groupby("emotion", sort=False))
    num_columns = min(len(groups), 4)
    num_rows = -(-len(groups) // num_columns)
    figure = titled_figure(4.0 * num_columns + 0.8, 4.2 * num_rows + 0.5, title(heading, synthetic=synthetic))
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    most = float((drawn["learned"] - drawn["prior"]).abs().max())
    colours = mpl.cm.ScalarMappable(Normalize(-most, most), DIFFERENCE)
    for axes, (emotion, rows) in zip(panels, groups, strict=False):
        draw_face(axes)
        _draw_links(axes, rows, colours, float(drawn["mixed"].max()))
        axes.set_title(f"{emotion} ({rows['num_examples'].iloc[0]} examples)", fontsize=11)
    for unused in panels[len(groups) :]:
        unused.remove()
    figure.colorbar(colours, ax=list(panels[: len(groups)]), label="learned attention less the prior", shrink=0.7)
    return figure


def heat_maps(links: pd.DataFrame, names: Sequence[str], heading: str, *, synthetic: bool) -> Figure:
    """The prior, and for each emotion what is in ``HEAT_MAPS``, as far as it is known; rows attend.

    Args:
        links: rows of attention.csv of one algorithm, graph and layer.
        names: of the graph's AUs, in order.
        heading: of the figure.
        synthetic: whether the data are.
    """
    emotions = list(links["emotion"].unique())
    shown = links.assign(difference=links["learned"] - links["prior"])
    kinds = [kind for kind in HEAT_MAPS if shown[kind].notna().any()]
    side = 0.55 + 0.13 * len(names)
    width, height = 1.6 + side * (1 + len(emotions)), 1.1 + len(kinds) * (side + 0.1)
    figure = titled_figure(width, height, title(heading, synthetic=synthetic))
    panels = figure.subplots(len(kinds), 1 + len(emotions), squeeze=False)
    for row, kind in enumerate(kinds):
        colours, low, high = _scale(shown, kind)
        for column, emotion in enumerate(emotions, 1):
            values = _square(shown[shown["emotion"] == emotion], kind, names)
            image = _panel(panels[row, column], values, names, colours, low, high)
        panels[row, 1].set_ylabel(HEAT_MAPS[kind], fontsize=10)
        figure.colorbar(image, ax=list(panels[row]), shrink=0.8, pad=0.01)
    _panel(panels[0, 0], _square(_mean_prior(links), "prior", names), names, *_scale(shown, "prior"))
    for column, heading_ in enumerate([PRIOR_COLUMN, *emotions]):
        panels[0, column].set_title(heading_, fontsize=10)
    for unused in panels[1:, 0]:
        unused.set_axis_off()
    return figure


def _scale(links: pd.DataFrame, kind: str) -> tuple[str, float, float]:
    """Colours, and the values of the first and the last; all shares of attention have one scale."""
    if kind == "difference":
        farthest = float(links[kind].abs().max())
        return DIFFERENCE, -farthest, farthest
    together = [kind] if kind == "learned_sd" else ["learned", "prior", "mixed"]
    return SHARE, 0.0, float(links[together].max().max())


def _mean_prior(links: pd.DataFrame) -> pd.DataFrame:
    """The prior of each link over all emotions: clients or folds may have one each, and not the same emotions."""
    weighted = links.assign(prior=links["prior"] * links["num_examples"])
    sums = weighted.groupby(["receiver", "sender"], as_index=False)[["prior", "num_examples"]].sum()
    return sums.assign(prior=sums["prior"] / sums["num_examples"])


def _one_graph_a_link(links: pd.DataFrame) -> pd.DataFrame:
    """Each link once, of the regional graph if it has it."""
    regional_first = links.sort_values("graph", key=lambda graphs: graphs == "global", kind="stable")
    return regional_first.drop_duplicates(["emotion", "receiver", "sender"]).sort_index()


def _draw_links(axes: Axes, links: pd.DataFrame, colours: mpl.cm.ScalarMappable, most: float) -> None:
    places = {f"AU{number}": place for number, place in AU_PLACES.items()}
    farthest_last = links.assign(farthest=(links["learned"] - links["prior"]).abs()).sort_values("farthest")
    for link in farthest_last.to_dict("records"):
        arrow = FancyArrowPatch(
            places[link["sender"]],
            places[link["receiver"]],
            connectionstyle="arc3,rad=0.16",
            arrowstyle="-|>",
            mutation_scale=7,
            shrinkA=9,
            shrinkB=9,
            lw=WIDEST * link["mixed"] / most,
            color=colours.to_rgba(link["learned"] - link["prior"]),
            zorder=2,
        )
        axes.add_patch(arrow)
    for name in sorted({*links["receiver"], *links["sender"]}):
        axes.scatter(*places[name], s=230, color="white", edgecolors="#222222", linewidths=1.1, zorder=3)
        axes.text(*places[name], name.removeprefix("AU"), ha="center", va="center", fontsize=8.5, zorder=4)


def _square(links: pd.DataFrame, kind: str, names: Sequence[str]) -> np.ndarray:
    """[receiver, sender]; NaN where there is no link."""
    place: Mapping[str, int] = {name: number for number, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)
    values[links["receiver"].map(place), links["sender"].map(place)] = links[kind]
    return values


def _panel(
    axes: Axes, values: np.ndarray, names: Sequence[str], colours: str, low: float, high: float
) -> mpl.image.AxesImage:
    axes.set_facecolor("#eef0f2")
    labels = [name.removeprefix("AU") for name in names]
    axes.set_xticks(range(len(labels)), labels, fontsize=6)
    axes.set_yticks(range(len(labels)), labels, fontsize=6)
    axes.tick_params(length=0, pad=1)
    axes.spines[:].set_visible(False)
    return axes.imshow(values, cmap=colours, vmin=low, vmax=high)
