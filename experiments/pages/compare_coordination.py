"""Tests of coordination side by side: which pairs of action units they find, and on which they disagree."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from experiments.pages import coordination as coordination_report
from experiments.pages import page
from experiments.pages.coordination import Study
from experiments.pages.figures import PALETTE, titled_figure
from experiments.pages.tables import number, print_table, title, with_interval
from experiments.results.damage import MEND
from experiments.results.protocol import refuse_different
from experiments.run.folder import RunFolder
from experiments.run.progress import progress

KEYS = ["first", "second", "face_part"]
SHOWN = ["phi", "odds_ratio", "odds_ratio_low", "odds_ratio_high", "q", "finding"]
FACTS = {"name", "synthetic", "fingerprint", "au_names", "num_samples", "num_subjects"}
COLUMNS = {*KEYS, *SHOWN, "num_clips"}


def compare(folders: Mapping[str, RunFolder], output: RunFolder, *, allow: bool) -> None:
    """Compare studies of coordination: write the tables and the page, and show the pairs.

    Args:
      folders: of the studies, by label.
      output: where to.
      allow: whether they may be of other annotations, or at another level.

    Raises:
      ValueError: a file of a study is damaged, or they differ in more than is allowed.
    """
    studies = {label: read(folder) for label, folder in folders.items()}
    protocols = {label: protocol(study) for label, study in studies.items()}
    differing = refuse_different(protocols, allow=allow)
    with progress() as stages, stages.stage("pairs side by side"):
        write(output, folders, studies, differing)
    show(studies, differing, Console())


def read(folder: RunFolder) -> Study:
    """Read the folder of a test of coordination.

    Raises:
      ValueError: it is not finished, or a file of it is damaged; the sentence names it.
    """
    if not folder.has("topology.csv"):
        raise ValueError(f"{folder.path} is not finished: run it again, or leave it out")
    study = coordination_report.read(folder)
    if missing := sorted(FACTS - set(study.data)):
        raise ValueError(f"{folder.path}/data.json does not say {missing[0]}; {MEND}")
    if missing := sorted(COLUMNS - set(study.pairs)):
        raise ValueError(f"{folder.path}/pairs.csv has no column {missing[0]}; {MEND}")
    num_aus = len(study.data["au_names"])
    if len(study.pairs) != num_aus * (num_aus - 1) // 2 or study.pairs.duplicated(KEYS).any():
        raise ValueError(f"{folder.path}/pairs.csv does not have each pair of {num_aus} action units once; {MEND}")
    for column in SHOWN[:-1]:
        if not pd.api.types.is_numeric_dtype(study.pairs[column]):
            raise ValueError(f"{folder.path}/pairs.csv: column {column} is not all numbers; {MEND}")
    return study


def protocol(study: Study) -> dict[str, Any]:
    """What studies must share: the annotations, and the rate at which pairs are found."""
    return {
        "data": f"{study.data['name']} with fingerprint {study.data['fingerprint'][:12]}",
        "level": study.config["settings"].get("level"),
    }


def side_by_side(studies: Mapping[str, Study]) -> pd.DataFrame:
    """Content of comparison.csv: a row a pair.

    Returns:
      The pair; ``<column>_<run>`` for phi, the odds ratio with its interval, q and the finding; ``findings_differ``
      (1 or 0), where two runs say something else of a pair, or one does not have it.
    """
    tables = [
        study.pairs[[*KEYS, *SHOWN]].rename(columns={column: f"{column}_{label}" for column in SHOWN})
        for label, study in studies.items()
    ]
    joined = tables[0]
    for table in tables[1:]:
        joined = joined.merge(table, on=KEYS, how="outer")
    findings = joined[[f"finding_{label}" for label in studies]]
    return joined.assign(findings_differ=(findings.nunique(axis=1, dropna=False) > 1).astype(int))


def edges(studies: Mapping[str, Study], joined: pd.DataFrame) -> pd.DataFrame:
    """Pairs that some run found and another did not, or the other way round, as text."""
    findings = joined[[f"finding_{label}" for label in studies]]
    some = findings.isin(coordination_report.FOUND).any(axis=1) & (joined["findings_differ"] == 1)
    return as_text(studies, joined[some])


def as_text(studies: Mapping[str, Study], joined: pd.DataFrame) -> pd.DataFrame:
    """Rows of comparison.csv to read: in a column a run its phi, odds ratio with interval, and finding."""
    text = pd.DataFrame({"pair": joined["first"] + " " + joined["second"], "face": joined["face_part"]})
    for label in studies:
        columns = [f"{column}_{label}" for column in ("phi", "odds_ratio", "odds_ratio_low", "odds_ratio_high")]
        values = joined[[*columns, f"finding_{label}"]].itertuples(index=False)
        text[f"{label}: phi"] = [number(value) for value in joined[f"phi_{label}"]]
        text[f"{label}: odds ratio"] = [with_interval(*odds) for _, *odds, _ in values]
        text[f"{label}: finding"] = joined[f"finding_{label}"].fillna("not tested")
    return text


def scatter(studies: Mapping[str, Study], joined: pd.DataFrame) -> Figure:
    """phi of each pair in the first run and in the others; coloured where findings differ."""
    first, *others = studies
    heading = title("phi of each pair of action units", synthetic=any(study.synthetic for study in studies.values()))
    figure = titled_figure(4.6 * len(others), 4.8, heading)
    for axes, other in zip(figure.subplots(1, len(others), squeeze=False)[0], others, strict=True):
        differ = (joined[f"finding_{first}"] != joined[f"finding_{other}"]).to_numpy()
        axes.axline((0, 0), slope=1, color="#888888", lw=0.8)
        for which, colour, label in ((~differ, PALETTE[0], "same finding"), (differ, PALETTE[1], "another finding")):
            points = joined[which]
            axes.scatter(points[f"phi_{first}"], points[f"phi_{other}"], color=colour, s=24, label=label)
        axes.set_xlabel(first)
        axes.set_ylabel(other)
        axes.legend(frameon=False, fontsize=9)
    return figure


def write(
    folder: RunFolder, folders: Mapping[str, RunFolder], studies: Mapping[str, Study], differing: Sequence[str]
) -> None:
    """Write the pairs of all studies and the page.

    Args:
      folder: where to.
      folders: of the runs, by label.
      studies: of the runs, by label.
      differing: what they differ in, as phrases.
    """
    joined = side_by_side(studies)
    facts = {"runs": {label: str(one.path) for label, one in folders.items()}, "differing": list(differing)}
    folder.write_json("comparison.json", facts)
    folder.write_table("comparison.csv", joined)
    synthetic = any(study.synthetic for study in studies.values())
    drawn = {"phi": scatter(studies, joined)} if len(studies) > 1 else {}
    text = page.render(
        "coordination_comparison",
        page.write_figures(folder, drawn),
        title=title("Coordination of action units: comparison of runs", synthetic=synthetic),
        differ=edges(studies, joined),
        pairs=as_text(studies, joined),
        counts=counts(studies),
        facts=facts,
        synthetic=synthetic,
    )
    folder.write_text("report.html", text)


def show(studies: Mapping[str, Study], differing: Sequence[str], console: Console) -> None:
    """Print how many pairs each study found, and on which they disagree."""
    synthetic = any(study.synthetic for study in studies.values())
    print_table(console, counts(studies), title("Pairs of action units", synthetic=synthetic))
    differ = edges(studies, side_by_side(studies))
    if len(differ):
        found = differ[["pair", *(f"{label}: finding" for label in studies)]]
        print_table(console, found, "Pairs found in one run and not in another")
    elif len(studies) > 1:
        console.print("All runs find the same pairs.")
    for phrase in differing:
        console.print(f"Warning: {phrase}.", style="yellow", highlight=False, soft_wrap=True)


def counts(studies: Mapping[str, Study]) -> pd.DataFrame:
    """How many pairs each run found, as text."""
    return pd.DataFrame(
        [
            {"run": label, "clips": str(study.data["num_samples"]), "subjects": str(study.data["num_subjects"])}
            | {finding: str(np.sum(study.pairs["finding"] == finding)) for finding in coordination_report.FINDINGS}
            for label, study in studies.items()
        ]
    )
