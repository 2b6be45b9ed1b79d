"""The report of a run: one HTML file, images inside, made from the tables of its folder alone.

    python -m experiments.report RUN_FOLDER

draws ``figures/*.png`` and writes ``report.html`` again, for example after an update.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.pages import figures, page, tables
from experiments.results import baselines
from experiments.results import schema as records
from experiments.results import scores as results
from experiments.results.intervals import LEVEL, NUM_DRAWS, SEED
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder

SD = "one standard deviation over repeats"


@dataclass(frozen=True)
class Run:
    """Everything a folder says about its run; ``intervals``, ``classes`` and ``aus`` if it has intervals."""

    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    splits: pd.DataFrame
    metrics: pd.DataFrame
    predictions: pd.DataFrame
    au_predictions: pd.DataFrame | None
    summary: pd.DataFrame
    intervals: pd.DataFrame | None = None
    classes: pd.DataFrame | None = None
    aus: pd.DataFrame | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the pictures are rendered."""
        return bool(self.data["synthetic"])

    @property
    def part(self) -> str:
        """What predictions are pooled over: "client" or "fold"."""
        return "fold" if "fold" in self.predictions else "client"

    @property
    def class_scores(self) -> pd.DataFrame:
        """Scores of each class."""
        return results.score_classes(self.predictions) if self.classes is None else self.classes

    @property
    def au_scores(self) -> pd.DataFrame | None:
        """Scores of each action unit, if any was detected."""
        if self.au_predictions is None or self.aus is not None:
            return self.aus
        return results.score_aus(self.au_predictions)

    @property
    def time(self) -> str:
        """What training advances by: "round" or "epoch"."""
        return "epoch" if "epoch" in self.metrics else "round"


def read(folder: RunFolder) -> Run:
    """Read a run.

    Raises:
        ValueError: a file is missing or broken; the sentence names it.
    """

    def if_there(name: str) -> pd.DataFrame | None:
        return folder.read_table(name) if folder.has(name) else None

    return Run(
        config=folder.read_facts("config.json", "experiment", "command", "settings"),
        environment=folder.read_facts("environment.json", *runfolder.ENVIRONMENT),
        data=folder.read_facts("data.json", *records.FACTS),
        splits=folder.read_table("clients.csv"),
        metrics=folder.read_table("metrics.csv"),
        predictions=folder.read_table("predictions.csv"),
        au_predictions=if_there("au_predictions.csv"),
        summary=folder.read_table("summary.csv"),
        intervals=if_there("intervals.csv"),
        classes=if_there("class_scores.csv"),
        aus=if_there("au_scores.csv"),
    )


def draw(run: Run) -> dict[str, Figure]:
    """The figures by file name without ending."""
    synthetic = run.synthetic
    drawn = {
        "curves": figures.curves(run.metrics, run.summary, synthetic=synthetic),
        "confusion": figures.confusion_matrices(run.predictions, synthetic=synthetic),
        f"{run.part}s": figures.client_scores(run.predictions, run.summary, synthetic=synthetic, part=run.part),
        "classes": figures.class_scores(run.class_scores, "class", synthetic=synthetic),
    }
    if run.au_scores is not None:
        drawn["action_units"] = figures.class_scores(run.au_scores, "au", synthetic=synthetic)
    return drawn


def render(run: Run, images: Mapping[str, bytes]) -> str:
    """The page as HTML."""
    return page.rendered(
        "report",
        images,
        title=tables.title(f"FED-PsyAU: {run.config['experiment']}", synthetic=run.synthetic),
        run=run,
        settings=dict(page.flat(run.config["settings"])),
        sheet=tables.summary_sheet(run.summary),
        num_repeats=run.predictions["repeat"].nunique(),
        scores_by_part=_wide(results.score_parts(run.predictions, part=run.part), "uf1", ["repeat", run.part]),
        f1_by_class=_wide(run.class_scores, "f1", ["class"]),
        recall_by_class=_wide(run.class_scores, "recall", ["class"]),
        f1_by_au=None if run.au_scores is None else _wide(run.au_scores, "f1", ["au"]),
        whisker="95 % bootstrap interval by subject"
        if run.classes is not None
        else "one standard deviation over repeats",
        intervals=None if run.intervals is None else interval_table(run.intervals),
        num_steps=run.metrics[run.time].max(),
        num_wanted=run.config["settings"].get(f"{run.time}s"),
        drops=Counter(drop["reason"] for drop in run.data["drops"]).most_common(),
        limits=limits(run),
        titled=lambda what: tables.title(what, synthetic=run.synthetic),
    )


def interval_table(intervals: pd.DataFrame) -> pd.DataFrame:
    """Content of intervals.csv as text, a row an algorithm."""
    text = [tables.with_interval(*row) for row in intervals[["estimate", "low", "high"]].itertuples(index=False)]
    wide = intervals.assign(text=text).set_index(["algorithm", "metric"])["text"].unstack(sort=False)
    return wide.rename(columns=results.METRICS).reset_index()


def limits(run: Run) -> list[str]:
    """What the numbers of this run mean and what they do not."""
    num_repeats = run.predictions["repeat"].nunique()
    sentences = [
        "UF1 and UAR follow MEGC 2019: computed from all test predictions of a repeat, pooled over"
        f" {run.part}s. Their mean over {run.part}s is another number.",
        _tested_when(run),
        "Majority class: always the most frequent class of the training split. Chance: expected score of a"
        " uniformly random class per example and of a fair coin per action unit.",
    ]
    if num_repeats == 1:
        sentences.append("One repeat: there is no spread, and a difference between rows may be luck.")
    else:
        sentences.append(
            f"± is the standard deviation over {num_repeats} repeats (split and initial weights differ),"
            " not a confidence interval."
        )
    if run.intervals is not None:
        sentences.append(
            f"Intervals: {100 * LEVEL:g} % percentile bootstrap by subject, {NUM_DRAWS:,} draws with seed {SEED}. They"
            " say how far a score depends on who was tested, and nothing of the random numbers of training."
        )
    split = run.config["settings"].get("split")
    if split == "examples":
        sentences.append(
            "Split by example: clips of one subject are in training and in test, as published. The scores"
            " overestimate what a new person would get."
        )
    elif split in ("subject", "subjects"):
        sentences.append("Split by subject: nobody is in the training and the test split of a repeat.")
    elif run.part == "fold":
        sentences.append("Nobody is in two of the training, validation and test examples of a fold.")
    if any(str(name).startswith(baselines.AU_SET_ORACLE) for name in run.summary["algorithm"]):
        sentences.append(
            "AU-set oracle: for each set of annotated action units the class that is most frequent with it among these"
            " very examples. No classifier of action units alone can be more accurate here."
        )
    if run.synthetic:
        sentences.append(
            "Synthetic data: rendered faces stand in for a licensed database. The scores compare methods on"
            " this data and say nothing about real faces."
        )
    return sentences


def _tested_when(run: Run) -> str:
    if run.time == "round":
        return "Scores are those of the last round; no round was chosen by its test score."
    if run.config["settings"].get("select"):
        return "Test examples were scored once, by each fold's epoch with the best validation UF1."
    return "Test examples were scored once, after the last epoch; no epoch was chosen."


def write(folder: RunFolder) -> Path:
    """Draw the figures and write the report of a folder; returns the path of the page.

    Raises:
        ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    run = read(folder)
    folder.write_text("report.html", render(run, page.written(folder, draw(run))))
    return folder.path / "report.html"


def _wide(scores: pd.DataFrame, score: str, rows: list[str]) -> pd.DataFrame:
    """One column per algorithm, in the order of appearance; scores as text, with their intervals if they have them."""
    bounds = [scores.get(f"{score}{end}", scores[score] * np.nan) for end in ("_low", "_high")]
    text = [tables.with_interval(*values) for values in zip(scores[score], *bounds, strict=True)]
    return scores.assign(text=text).set_index([*rows, "algorithm"])["text"].unstack(sort=False).reset_index()
