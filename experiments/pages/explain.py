"""The page of experiments.explain: one HTML file, images inside, made from the tables of its folder alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console, Group

from experiments.pages import explain_figures as figures
from experiments.pages import page, tables
from experiments.results.scores import METRICS
from experiments.run.folder import RunFolder

DISTANCES = {
    "learned_prior": "learned from prior",
    "mixed_prior": "as used from prior",
    "prior_equal": "prior from equal shares",
    "between_emotions": "learned, one emotion from all",
}
SENSITIVE = {"uf1": METRICS["uf1"], "au_f1": METRICS["au_f1"], "changed": "other predictions"}


@dataclass(frozen=True)
class Explained:
    """Everything a folder says about what networks made of their prior."""

    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    attention: pd.DataFrame
    sensitivity: pd.DataFrame
    networks: pd.DataFrame

    @property
    def synthetic(self) -> bool:
        """Whether the pictures are rendered."""
        return bool(self.data["synthetic"])

    @property
    def ratio(self) -> float:
        """The prior ratio of the run."""
        return float(self.data["run"]["prior_ratio"])

    @property
    def num_kept(self) -> int:
        """How many networks were tested again."""
        return int(self.networks["kept"].sum())

    @property
    def num_trained(self) -> int:
        """How many networks the run trained."""
        return int(self.networks["trained"].sum())

    @property
    def tested(self) -> str:
        """Which tests scores are of."""
        part = self.data["run"]["part"]
        return f"pooled over {part}s" if self.num_kept == self.num_trained else "kept networks only"


def read(folder: RunFolder) -> Explained:
    """Read the results.

    Raises:
        ValueError: a file is missing or broken; the sentence names it.
    """
    config, environment, data = (folder.read_json(f"{name}.json") for name in ("config", "environment", "data"))
    attention, *tables = (folder.read_table(f"{name}.csv") for name in ("attention", "sensitivity", "networks"))
    return Explained(config, environment, data, attention.assign(prior=_numbers(attention)), *tables)


def _numbers(attention: pd.DataFrame) -> "pd.Series[float]":
    """Column prior as numbers: in other tables of a run it is a name, and read as text."""
    return pd.to_numeric(attention["prior"])


def write(folder: RunFolder) -> Path:
    """Draw the figures and write the page; returns its path.

    Raises:
        ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    found = read(folder)
    folder.write_table("distances.csv", distances_of(found.attention))
    folder.write_text("report.html", render(found, page.write_figures(folder, draw(found))))
    return folder.path / "report.html"


def show(folder: RunFolder, page_path: Path, console: Console) -> None:
    """Print both tables, of how many networks they are, and where the page is."""
    found = read(folder)
    console.print(terminal_table(found))
    left_out = found.data["run"]["without_attention"]
    if left_out:
        sentence = f"Left out, as they have no graph attention: {'; '.join(left_out)}."
        console.print(sentence, soft_wrap=True, highlight=False)
    if found.num_kept < found.num_trained:
        kept = f"Scores are those of the {found.num_kept} kept of {found.num_trained} networks"
        console.print(f"{kept}; a run with --keep-networks keeps all.", soft_wrap=True, highlight=False)
    console.print(f"Attention is not an explanation of cause. Page: {page_path}", soft_wrap=True, highlight=False)


def draw(found: Explained) -> dict[str, Figure]:
    """The figures by file name without ending; those of attention show the first layer, by number of the algorithm."""
    scores = found.sensitivity
    drawn = {}
    if len(scores):
        drawn["sensitivity"] = figures.sensitivity(scores, found.ratio, found.tested, synthetic=found.synthetic)
    first = found.attention[found.attention["layer"] == 1]
    for number, (algorithm, links) in enumerate(first.groupby("algorithm", sort=False)):
        heading = f"Attention, {algorithm}"
        drawn[f"faces_{number}"] = figures.faces(links, heading, synthetic=found.synthetic)
        for graph, rows in links.groupby("graph", sort=False):
            names = [name for name in found.data["au_names"] if name in set(rows["receiver"])]
            heading = f"Attention, {algorithm}: {graph} graph"
            drawn[f"{graph}_{number}"] = figures.heat_maps(rows, names, heading, synthetic=found.synthetic)
    return drawn


def render(found: Explained, images: Mapping[str, bytes]) -> str:
    """The page as HTML."""
    return page.render(
        "explain",
        images,
        title=tables.title("What the networks made of their prior", synthetic=found.synthetic),
        found=found,
        scores=scores_sheet(found),
        distances=distances_sheet(found),
        networks=networks_sheet(found),
        graphs={name: list(rows["graph"].unique()) for name, rows in found.attention.groupby("algorithm", sort=False)},
        strengths=strengths(found),
        titled=lambda what: tables.title(what, synthetic=found.synthetic),
    )


def distances_of(attention: pd.DataFrame) -> pd.DataFrame:
    """How far attentions are from each other: total variation, half the sum of absolute differences.

    Args:
        attention: as attention.csv.

    Returns:
        Columns algorithm, graph, layer and those of ``DISTANCES``, in [0, 1]: means over receivers, and over emotions
        by their number of examples; of mean attentions, so that what differs between examples has averaged out.
    """
    keys = ["algorithm", "graph", "layer"]
    groups = attention.groupby(keys, sort=False)
    return pd.DataFrame([dict(zip(keys, group, strict=True)) | _distances(links) for group, links in groups])


def _distances(links: pd.DataFrame) -> dict[str, float]:
    """Those of one graph and layer."""
    learned, prior, mixed = (
        links.pivot(index=["emotion", "receiver"], columns="sender", values=kind).fillna(0.0)
        for kind in ("learned", "prior", "mixed")
    )
    weights = links.groupby("emotion")["num_examples"].first()
    overall = learned.mul(weights, axis=0, level="emotion").groupby(level="receiver").sum() / weights.sum()
    linked = prior > 0
    pairs = {
        "learned_prior": learned - prior,
        "mixed_prior": mixed - prior,
        "prior_equal": prior - linked.div(linked.sum(axis=1).clip(lower=1), axis=0),
        "between_emotions": learned.sub(overall, axis=0, level="receiver"),
    }
    return {
        name: float(np.average(difference.abs().sum(axis=1).groupby(level="emotion").mean() / 2, weights=weights))
        for name, difference in pairs.items()
    }


def scores_sheet(found: Explained) -> pd.DataFrame:
    """Scores without prior, at the ratio of the run, and with all of it, as far as these ratios were tested."""
    scores = found.sensitivity
    tested = [ratio for ratio in sorted({0.0, found.ratio, 1.0}) if _at(scores, ratio).any()]
    rows = []
    for metric, name in SENSITIVE.items():
        for algorithm, group in scores.groupby("algorithm", sort=False):
            row = {"algorithm": str(algorithm), "score": name}
            for ratio in tested:
                values = group.loc[_at(group, ratio), metric]
                heading = f"ratio {ratio:.3g}{' (the run)' if ratio == found.ratio else ''}"
                cell = tables.Cell(tables.number(values.mean()), tables.number(values.std()))
                row[heading] = cell.mean if cell.sd == tables.UNDEFINED else str(cell)
            rows.append(row)
    return pd.DataFrame(rows)


def networks_sheet(found: Explained) -> pd.DataFrame:
    """How many networks of each row of the table are kept, as text."""
    return found.networks.astype(str).rename(columns={"kept": "networks kept", "trained": "trained"})


def strengths(found: Explained) -> str:
    """The share of the attention that is the prior's, for each beta of the run.

    >>> one = {"prior_ratio": 0.3, "betas": {"full": 0.3, "global-only": 0.5}}
    >>> nothing = pd.DataFrame()
    >>> strengths(Explained({}, {}, {"run": one}, nothing, nothing, nothing))
    'beta 0.3 (full), a share of 0.09; beta 0.5 (global-only), a share of 0.15'
    """
    betas = found.data["run"]["betas"]
    names = {name: f" ({name})" if len(betas) > 1 else "" for name in betas}
    return "; ".join(f"beta {beta:g}{names[name]}, a share of {beta * found.ratio:.3g}" for name, beta in betas.items())


def _at(scores: pd.DataFrame, ratio: float) -> "pd.Series[bool]":
    """Which rows are of this ratio, as near as a table in a file can say."""
    return pd.Series(np.isclose(scores["ratio"], ratio, rtol=1e-9, atol=0), scores.index)


def distances_sheet(found: Explained) -> pd.DataFrame:
    """Distances as text."""
    distances = distances_of(found.attention)
    shown = {name: distances[name].map(tables.number) for name in DISTANCES}
    keys = {name: distances[name].astype(str) for name in ("algorithm", "graph", "layer")}
    return pd.DataFrame(keys | shown).rename(columns=DISTANCES)


def terminal_table(found: Explained) -> Group:
    """Both sheets for the terminal."""
    scores, distances = (
        tables.title(heading, synthetic=found.synthetic)
        for heading in ("Scores by prior ratio", "Distance of attentions, 0 to 1")
    )
    sheets = [tables.text_table(distances_sheet(found), distances, num_names=3)]
    if len(found.sensitivity):
        sheets = [tables.text_table(scores_sheet(found), scores, num_names=2), *sheets]
    return Group(*sheets)
