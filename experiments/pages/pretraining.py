"""The page of a pretraining: how well each action unit is detected, and what the detector was trained on."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.pages import figures, page, tables
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder

DETECTOR, MEAN = "AU detector", "mean"


@dataclass(frozen=True)
class Pretraining:
    """Everything that a folder says about its run."""

    config: dict[str, Any]
    environment: dict[str, Any]
    databases: list[dict[str, Any]]
    splits: pd.DataFrame
    annotated: pd.DataFrame
    metrics: pd.DataFrame
    scores: pd.DataFrame
    summary: pd.DataFrame

    @property
    def synthetic(self) -> bool:
        """Whether some of the pictures are rendered."""
        return any(one["synthetic"] for one in self.databases)


def read(folder: RunFolder) -> Pretraining:
    """Read a run.

    Raises:
      ValueError: a file is missing or broken; the sentence names it.
    """
    metrics = folder.read_table("metrics.csv")
    return Pretraining(
        config=folder.read_facts("config.json", "experiment", "command", "settings"),
        environment=folder.read_facts("environment.json", *runfolder.ENVIRONMENT),
        databases=folder.read_facts("data.json", "databases")["databases"],
        splits=folder.read_table("splits.csv"),
        annotated=folder.read_table("action_units.csv"),
        metrics=metrics if "algorithm" in metrics else metrics.assign(algorithm=DETECTOR),
        scores=folder.read_table("au_scores.csv"),
        summary=folder.read_table("summary.csv"),
    )


def write(folder: RunFolder) -> Path:
    """Draw the figures and write the page; returns its path.

    Raises:
      ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    run = read(folder)
    drawn = {
        "action_units": figures.class_scores(run.scores, "au", synthetic=run.synthetic, split="validation"),
        "loss": figures.training_loss(run.metrics, synthetic=run.synthetic),
    }
    folder.write_text("report.html", render(run, page.written(folder, drawn)))
    return folder.path / "report.html"


def render(run: Pretraining, images: dict[str, bytes]) -> str:
    """The page as HTML."""
    return page.rendered(
        "pretraining",
        images,
        title=tables.title("FED-PsyAU: AU pretraining", synthetic=run.synthetic),
        run=run,
        sheet=f1_sheet(run.scores, run.summary).merge(_counts(run.annotated), on="AU", how="left").fillna(""),
        num_repeats=run.splits["repeat"].nunique(),
        splits=run.splits.rename(columns=lambda name: name.replace("num_", "").replace("_", " ")),
        databases=pd.DataFrame([_database(one) for one in run.databases]),
        settings=dict(page.flat(run.config["settings"])),
        titled=lambda what: tables.title(what, synthetic=run.synthetic),
    )


def f1_sheet(scores: pd.DataFrame, macro: pd.DataFrame) -> pd.DataFrame:
    """F1 of each AU, below their mean, as text: a column for each algorithm.

    Args:
      scores: as au_scores.csv.
      macro: as summary.csv.
    """
    renamed = macro.rename(columns={"au_f1": "f1", "au_f1_sd": "f1_sd"}).assign(au=MEAN)
    both = pd.concat([renamed[["algorithm", "au", "f1", "f1_sd"]], scores])
    cells = [str(tables.Cell(*map(tables.number, pair))) for pair in zip(both["f1"], both["f1_sd"], strict=True)]
    wide = both.assign(cell=cells).set_index(["au", "algorithm"])["cell"].unstack(sort=False)
    return wide.reset_index().rename(columns={"au": "AU"}).rename_axis(columns=None)


def _counts(annotated: pd.DataFrame) -> pd.DataFrame:
    """Of the detector that is kept: examples that show each AU, of those in which it is labelled."""
    own = annotated[annotated["repeat"] == 0]
    sides = {"train": "shown in training", "validation": "shown in validation"}
    counts = {
        heading: own[f"{side}_shown"].astype(str) + " of " + own[f"{side}_labelled"].astype(str)
        for side, heading in sides.items()
    }
    return pd.DataFrame({"AU": own["au"], **counts})


def _database(facts: dict[str, Any]) -> dict[str, Any]:
    drops = Counter(drop["reason"] for drop in facts["drops"]).most_common()
    return {
        "database": facts["name"],
        "synthetic": "yes" if facts["synthetic"] else "no",
        "samples": facts["num_samples"],
        "subjects": facts["num_subjects"],
        "fingerprint": facts["fingerprint"][:12],
        "rows left out": "; ".join(f"{reason}: {count}" for reason, count in drops) or "none",
    }
