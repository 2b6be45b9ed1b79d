"""The page of experiments.attack --membership: one HTML file, made from the tables of its folder alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from experiments.pages import page, tables
from experiments.pages.figures import coloured, titled_figure
from experiments.pages.privacy import text_of
from experiments.results.membership import CLIP, CURVES, FILE, RATES, SUBJECT
from experiments.run.folder import RunFolder

DASHES = {"LiRA": "-", "RMIA": "--"}
OF = {"sent": "sent", "received": "received by another client", "personal": "kept by the client"}
"""Models in words."""


@dataclass(frozen=True)
class Attacked:
    """Everything that a folder says about the attacks."""

    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    membership: pd.DataFrame
    curves: pd.DataFrame

    @property
    def synthetic(self) -> bool:
        """Whether the pictures are rendered."""
        return bool(self.data["synthetic"])

    @property
    def attacks(self) -> pd.DataFrame:
        """Rows about those whom some shadow federations trained on."""
        return self.membership[~self.membership["control"].astype(bool)]

    @property
    def controls(self) -> pd.DataFrame:
        """Rows about those whom none trained on."""
        return self.membership[self.membership["control"].astype(bool)]

    @property
    def off_chance(self) -> int:
        """How many controls have .5 outside the range of their draws."""
        return int(((self.controls["auc_low"] > 0.5) | (self.controls["auc_high"] < 0.5)).sum())


def read(folder: RunFolder) -> Attacked:
    """Read the results.

    Raises:
        ValueError: a file is missing or broken; the sentence names it.
    """
    config, environment, data = (folder.read_json(f"{name}.json") for name in ("config", "environment", "data"))
    return Attacked(config, environment, data, folder.read_table(FILE), folder.read_table(CURVES))


def write(folder: RunFolder) -> Path:
    """Draw the figures and write the page; returns its path.

    Raises:
        ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    found = read(folder)
    drawn = {f"roc_{unit}": curves(found, unit) for unit in (SUBJECT, CLIP)}
    folder.write_text("report.html", render(found, page.write_figures(folder, drawn)))
    return folder.path / "report.html"


def show(folder: RunFolder, page_path: Path, console: Console) -> None:
    """Print the attacks on subjects, what cannot be said, and where the page is."""
    found = read(folder)
    of_subjects = found.attacks[found.attacks["unit"] == SUBJECT]
    heading = tables.title("Who was trained on? Attacks on subjects", synthetic=found.synthetic)
    short = sheet(of_subjects).drop(columns=["of a", "against"]).assign(weights=of_subjects["model"])
    tables.print_table(console, short, heading)
    for sentence in sentences(found):
        console.print(sentence, soft_wrap=True, highlight=False)
    console.print(f"Page: {page_path}", soft_wrap=True, highlight=False)


def render(found: Attacked, images: Mapping[str, bytes]) -> str:
    """The page as HTML."""
    return page.render(
        "membership",
        images,
        title=tables.title("Who was trained on?", synthetic=found.synthetic),
        found=found,
        attacks=sheet(found.attacks),
        controls=sheet(found.controls),
        sentences=sentences(found),
        titled=lambda what: tables.title(what, synthetic=found.synthetic),
    )


def sheet(rows: pd.DataFrame) -> pd.DataFrame:
    """The attacks as text; "-" where a rate is of less than one false positive, or nothing is known."""
    text = pd.DataFrame({"algorithm": rows["algorithm"].astype(str), "weights": rows["model"].map(OF)})
    text["attack"], text["of a"], text["against"] = (rows[name].astype(str) for name in ("attack", "unit", "against"))
    for name, heading in {"auc": "AUC", **{name: f"TPR at {rate:.1%} FPR" for name, rate in RATES.items()}}.items():
        columns = rows[[name, f"{name}_low", f"{name}_high"]].astype(float)
        text[heading] = [tables.with_interval(*numbers) for numbers in columns.itertuples(index=False)]
    text["ε at least"] = [tables.number(value, 2) for value in rows["epsilon_lower"].astype(float)]
    text["ε at most"] = [_accounted(value) for value in rows["epsilon"].astype(float)]
    return text


def _accounted(epsilon: float) -> str:
    return tables.UNDEFINED if np.isnan(epsilon) else text_of(epsilon)


def sentences(found: Attacked) -> list[str]:
    """What the numbers mean, and what they cannot say."""
    control = f"in {len(found.controls)} attacks on people whom nobody trained on, with made-up halves drawn anew"
    said = [
        f"Each of {found.data['shadows']} shadow federations, trained on half of the people, is attacked in turn with "
        "the help of the others.",
        f"Controls: {control}, 95 % of the draws leave out .5 in {found.off_chance}."
        if len(found.controls)
        else "No controls: too few test subjects.",
    ]
    for name, rate in RATES.items():
        unresolved = found.attacks[found.attacks[name].isna()]
        if len(unresolved):
            fewest = int((unresolved["trials"] - unresolved["members"]).min())
            units = " and ".join(f"{unit}s" for unit in dict.fromkeys(unresolved["unit"]))
            said.append(
                f"{rate:.1%} of false positives is less than one among {units} ({fewest} trials of people who were not "
                "trained on): no rate is given; more --shadows give more trials."
            )
    return [*said, *_about_epsilon(found)]


def _about_epsilon(found: Attacked) -> list[str]:
    above = found.attacks[found.attacks["epsilon_lower"] > found.attacks["epsilon"]]
    said = [
        "ε at least: what attacks on subjects rule out, at 95 % if their trials were independent, which those that "
        "share a network or a person are not quite. ε at most: the accountant's, for a subject who is replaced by "
        "nobody; here another one comes instead, which is covered by twice that ε."
    ]
    if len(above):
        said.append(f"The audited bound is above the accountant's ε in {len(above)} rows.")
    if found.data["run"]["dp"] == "client":
        said.append("ε of --dp client is of a whole client, of which a subject is a part: it is not set beside these.")
    return said


def curves(found: Attacked, unit: str) -> Figure:
    """True against false positive rates on logarithmic axes, a panel for each kind of weights."""
    shown = found.curves[(found.curves["unit"] == unit) & ~found.curves["control"].astype(bool)]
    panels = list(shown.groupby("model", sort=False))
    heading = tables.title(f"Who was trained on? By {unit}", synthetic=found.synthetic)
    figure = titled_figure(1.6 + 3.9 * len(panels), 4.2, heading)
    colours = {name: colour for colour, name in coloured(dict.fromkeys(shown["algorithm"]))}
    lowest = 0.5 / max(int((found.attacks["trials"] - found.attacks["members"]).max()), 1)
    for axes, (model, rows) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for (algorithm, attack), line in rows.groupby(["algorithm", "attack"], sort=False):
            label, style = f"{algorithm}, {attack}", {"color": colours[algorithm], "ls": DASHES[str(attack)]}
            axes.plot(line["false"], line["true"], label=label, lw=1.6, drawstyle="steps-post", **style)
        axes.plot([lowest, 1], [lowest, 1], color="#888888", lw=1, ls=":", label="chance")
        axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1), title=f"weights {OF[str(model)]}")
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")
        axes.legend(fontsize=7, loc="lower right")
    return figure
