"""The page of a test of coordination: one HTML file, images inside, made from the tables of its folder alone."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from experiments.pages import coordination_figures as figures
from experiments.pages import page, tables
from experiments.run.folder import RunFolder

FOUND = ("together", "apart")
FINDINGS = (*FOUND, "undecided", "too rare")
VERDICTS = ("supported", "contradicted", "undecided", "too rare")
PARTS = ("upper", "lower", "across")


@dataclass(frozen=True)
class Study:
    """Everything that the folder of a test of coordination holds."""

    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    pairs: pd.DataFrame
    agreement: pd.DataFrame

    @property
    def synthetic(self) -> bool:
        """Whether the faces are rendered."""
        return bool(self.data["synthetic"])

    @property
    def counts(self) -> dict[str, int]:
        """Clips with each AU."""
        return dict(zip(self.data["au_names"], self.data["au_counts"], strict=True))

    @property
    def of_priors(self) -> dict[str, pd.DataFrame]:
        """Agreement with each prior, by its name."""
        names = self.config["settings"]["prior"]
        return {name: self.agreement[self.agreement["prior"] == name] for name in names}


def read(folder: RunFolder) -> Study:
    """Read the folder of a finished test.

    Raises:
        ValueError: a file is missing or broken; the sentence names it.
    """
    config, environment, data = (folder.read_json(f"{name}.json") for name in ("config", "environment", "data"))
    pairs, agreement = folder.read_table("pairs.csv"), folder.read_table("agreement.csv")
    return Study(config, environment, data, pairs, agreement)


def write(folder: RunFolder) -> Path:
    """Draw the figures (PNG and SVG) and write the page; returns its path.

    Raises:
        ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    study = read(folder)
    drawn = draw(study)
    images = page.write_figures(folder, drawn)
    for name, figure in drawn.items():
        folder.write_bytes(f"figures/{name}.svg", figures.svg(figure))
    folder.write_text("report.html", render(study, images))
    return folder.path / "report.html"


def show(folder: RunFolder, page_path: Path, console: Console | None = None) -> None:
    """Print the pairs found, the verdicts on each prior, warnings, and where the page is.

    Raises:
        ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    console = console or Console(soft_wrap=True, highlight=False)
    study = read(folder)
    for sentence in study.data["cautions"]:
        console.print(f"Warning: {sentence}", style="yellow", markup=False)
    pairs, level = study.pairs, study.config["settings"]["level"]
    plural = "" if len(pairs) == 1 else "s"
    console.print(f"{len(pairs)} pair{plural} at a false-discovery rate of {level:g}:", markup=False)
    for finding in FINDINGS:
        these = pairs[pairs["finding"] == finding]
        names = ", ".join(f"{first}-{second}" for first, second in these[["first", "second"]].to_numpy())
        listed = f": {names}" if names and finding in FOUND else ""
        console.print(f"  {len(these)} {finding}{listed}", markup=False)
    for prior, agreement in study.agreement.groupby("prior", sort=False):
        counts = [f"{(agreement['verdict'] == verdict).sum()} {verdict}" for verdict in VERDICTS]
        console.print(f"{len(agreement)} edges, against the {prior} prior: {', '.join(counts)}", markup=False)
    console.print(str(page_path), markup=False)


def draw(study: Study) -> dict[str, Figure]:
    """The figures by file name without ending."""
    pairs, synthetic = study.pairs, study.synthetic
    found = pairs["finding"].isin(FOUND)
    marked = _matrix(study, pairs.assign(found=found.astype(float)), "found", "found").to_numpy() == 1
    conditional = _matrix(study, pairs, "second_given_first", "first_given_second")
    phi = _matrix(study, pairs, "phi", "phi")
    heading = "Share of the row's clips that show the column's AU"
    faces = {
        face: figures.on_face(pairs, agreement, study.counts, prior, synthetic=synthetic)
        for face, (prior, agreement) in zip(_faces(study), study.of_priors.items(), strict=True)
    }
    return faces | {
        "phi": figures.heat_map(
            phi, "Correlation of two AUs", "phi", marked=marked, diverging=True, synthetic=synthetic
        ),
        "conditional": figures.heat_map(
            conditional, heading, "P(column | row)", marked=marked, diverging=False, synthetic=synthetic
        ),
    }


def render(study: Study, images: Mapping[str, bytes]) -> str:
    """The page as HTML."""
    return page.render(
        "coordination",
        images,
        title=tables.title("Coordination of action units", synthetic=study.synthetic),
        study=study,
        level=study.config["settings"]["level"],
        found=pairs_sheet(study.pairs[study.pairs["finding"].isin(FOUND)]),
        pairs=pairs_sheet(study.pairs),
        by_part=_counts(study.pairs, "face_part", "finding", FINDINGS),
        priors=[
            _agreement(prior, agreement, face)
            for face, (prior, agreement) in zip(_faces(study), study.of_priors.items(), strict=True)
        ],
        drops=Counter(drop["reason"] for drop in study.data["drops"]).most_common(),
    )


def _faces(study: Study) -> list[str]:
    """Names of the figures of the face, one for each prior."""
    return ["face", *(f"face_{number}" for number in range(2, len(study.of_priors) + 1))]


def _agreement(prior: str, agreement: pd.DataFrame, face: str) -> dict[str, Any]:
    """What the page says about one prior."""
    counts = [_counts(agreement[agreement["linked"] == linked], "face_part", "verdict", VERDICTS) for linked in (1, 0)]
    contradicted = _contradicted(agreement)
    return {"name": prior, "face": face, "links": counts[0], "no_links": counts[1], "contradicted": contradicted}


def pairs_sheet(pairs: pd.DataFrame) -> list[dict[str, str]]:
    """The pairs as text, the surest first."""
    rows = pairs.sort_values(["p", "num_both"], ascending=[True, False]).to_dict("records")
    return [
        {
            "pair": f"{row['first']} - {row['second']}",
            "face": str(row["face_part"]),
            "both": str(row["num_both"]),
            "expected": f"{row['expected_both']:.1f}",
            "P(2 | 1)": tables.number(row["second_given_first"]),
            "P(1 | 2)": tables.number(row["first_given_second"]),
            "phi": tables.number(row["phi"]).replace("-0.", "-."),
            "odds ratio": _interval(row, "odds_ratio"),
            "odds ratio within subjects": _interval(row, "odds_ratio_within"),
            "p": f"{row['p']:.2g}",
            "q": tables.UNDEFINED if np.isnan(row["q"]) else f"{row['q']:.2g}",
            "finding": str(row["finding"]),
        }
        for row in rows
    ]


def _interval(row: Mapping[Any, Any], name: str) -> str:
    estimate, low, high = (row[column] for column in (name, f"{name}_low", f"{name}_high"))
    if np.isnan(estimate):
        return tables.UNDEFINED
    ends = "" if np.isnan(low) else f" [{_ratio(low)}, {_ratio(high)}]"
    return f"{_ratio(estimate)}{ends}"


def _ratio(value: float) -> str:
    return "∞" if np.isinf(value) else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _counts(rows: pd.DataFrame, by: str, kind: str, kinds: tuple[str, ...]) -> list[tuple[str, list[int]]]:
    table = pd.crosstab(rows[by], rows[kind]).reindex(index=list(PARTS), columns=list(kinds), fill_value=0)
    return [(part, counts.tolist()) for part, counts in zip(PARTS, table.to_numpy(int), strict=True)]


def _contradicted(agreement: pd.DataFrame) -> list[str]:
    """The links, both directions of a pair in one line, that the data contradict."""
    against = agreement[agreement["verdict"] == "contradicted"]
    lines: dict[str, list[str]] = {}
    for receiver, sender, linked, finding in against[["receiver", "sender", "linked", "finding"]].to_numpy():
        pair = " - ".join(sorted((receiver, sender), key=lambda name: int(name.removeprefix("AU"))))
        said = "linked" if linked else "not linked"
        lines.setdefault(f"{pair}: {said}, found {finding}", []).append(f"{receiver} attends to {sender}")
    return [line if len(told) == 2 else f"{line} ({told[0]} only)" for line, told in lines.items()]


def _matrix(study: Study, pairs: pd.DataFrame, above: str, below: str) -> pd.DataFrame:
    """A square of one column above the diagonal and another one below it."""
    names = study.data["au_names"]
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    for row in pairs.to_dict("records"):
        matrix.loc[row["first"], row["second"]] = row[above]
        matrix.loc[row["second"], row["first"]] = row[below]
    return matrix
