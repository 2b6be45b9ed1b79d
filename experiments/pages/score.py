"""Scores of somebody's predictions: tables in the terminal, figures, and one HTML page with all of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape

from experiments.inputs.predictions.values import KEYS, ClipPredictions
from experiments.pages import figures, page
from experiments.pages.interval_plots import score_plot
from experiments.pages.tables import interval_columns, number, print_table, title
from experiments.results.clip_scores import ALL_DATABASES, CLASS_METRICS, METRICS, ClipScores
from experiments.results.intervals import LEVEL, NUM_DRAWS, SEED
from experiments.results.known_protocol import ProtocolCheck
from experiments.run.folder import RunFolder

DECIMALS = 4
"""Of scores, as papers give them."""


def write(folder: RunFolder, predictions: ClipPredictions, scores: ClipScores, check: ProtocolCheck) -> Path:
    """Write the tables, the figures and the page; returns the path of the page."""
    facts = _facts(predictions, check)
    folder.write_json("score.json", facts)
    for name, table in scores._asdict().items():
        folder.write_table(f"{'scores' if name == 'databases' else name}.csv", table)
    folder.write_table("predictions.csv", _written(predictions))
    text = page.render(
        "score",
        page.write_figures(folder, draw(predictions, scores)),
        title=_title(predictions),
        predictions=predictions,
        check=check,
        facts=facts,
        databases=database_sheet(scores),
        classes=class_sheet(scores),
        confusion=confusion_sheet(scores),
        subjects=subject_sheet(scores),
        num_subjects=len(scores.subjects),
        bounded=has_intervals(scores),
    )
    folder.write_text("report.html", text)
    return folder.path / "report.html"


def show(
    folder: RunFolder, predictions: ClipPredictions, scores: ClipScores, check: ProtocolCheck, console: Console
) -> None:
    """Print the tables, how the file was read, what to keep in mind, and where the page is."""
    _print(console, database_sheet(scores), _title(predictions))
    spread = f" [{100 * LEVEL:g} % bootstrap interval by subject]" if has_intervals(scores) else ""
    console.print(f"Pooled over clips{_mean_over_repeats(scores)}{spread}.", style="dim", highlight=False)
    _print(console, class_sheet(scores), "Scores of each class")
    _print(console, confusion_sheet(scores), "Clips by true and predicted class")
    for sentence in predictions.remarks:
        console.print(f"Read: {sentence}.", style="dim", markup=False, highlight=False, soft_wrap=True)
    for sentence in check.agrees:
        console.print(f"Protocol: {sentence}.", style="green", markup=False, highlight=False, soft_wrap=True)
    for sentence in (*check.differs, *predictions.cautions):
        console.print(f"Warning: {sentence}.", style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Report: {folder.path / 'report.html'}", markup=False, soft_wrap=True)


def _print(console: Console, sheet: pd.DataFrame, heading: str) -> None:
    """Print a table of somebody's names, whose brackets are no markup."""
    as_written = sheet.rename(columns=lambda name: escape(str(name))).map(escape)
    print_table(console, as_written, escape(heading))


def draw(predictions: ClipPredictions, scores: ClipScores) -> dict[str, Figure]:
    """The figures by file name without ending."""
    synthetic = predictions.synthetic
    pooled = scores.databases.assign(run="", algorithm=_row_names(scores.databases))
    pooled = pooled.assign(kind=pooled["kind"].replace("predicted", "trained"))
    tables = predictions.table.assign(algorithm=predictions.table["algorithm"].replace("", "clips"))
    classes = scores.classes.assign(algorithm=scores.classes["algorithm"].replace("", "F1"))
    return {
        "scores": score_plot(pooled, METRICS, heading=title("Scores", synthetic=synthetic)),
        "confusion": figures.confusion_matrices(tables, synthetic=synthetic),
        "classes": figures.class_scores(classes, "class", synthetic=synthetic),
    }


def database_sheet(scores: ClipScores) -> pd.DataFrame:
    """Scores of each algorithm, pooled and in each database, as text."""
    table = scores.databases
    names = pd.DataFrame({"database": _row_names(table)})
    counts = {"clips": table["num_clips"].astype(str), "subjects": table["num_subjects"].astype(str).replace("0", "-")}
    return names.assign(**counts, **interval_columns(table, METRICS, DECIMALS)).rename(columns={"database": "clips of"})


def class_sheet(scores: ClipScores) -> pd.DataFrame:
    """Scores of each class as text."""
    table = scores.classes
    names = _with_algorithm(table, pd.DataFrame({"class": table["class"]}))
    counts = {"clips": table["num_true"].astype(str), "predicted": table["num_predicted"].astype(str)}
    return names.assign(**counts, **interval_columns(table, CLASS_METRICS, DECIMALS))


def confusion_sheet(scores: ClipScores) -> pd.DataFrame:
    """The confusion matrix of each algorithm as text."""
    table = scores.confusion.rename(columns={"true": "true / predicted"})
    return _with_algorithm(table, table.drop(columns="algorithm").astype(str))


def subject_sheet(scores: ClipScores) -> pd.DataFrame:
    """Scores of each subject as text."""
    table = scores.subjects
    names = _with_algorithm(table, table[["database", "subject"]].replace("", "-"))
    counts = {"clips": table["num_clips"].astype(str), "correct": table["num_correct"].astype(str)}
    return names.assign(**counts, **{METRICS[name]: [number(value) for value in table[name]] for name in METRICS})


def has_intervals(scores: ClipScores) -> bool:
    """Whether any score has an interval."""
    return bool(scores.databases["uf1_low"].notna().any())


def _with_algorithm(table: pd.DataFrame, text: pd.DataFrame) -> pd.DataFrame:
    several = table["algorithm"].nunique() > 1
    return pd.concat([table[["algorithm"]], text], axis=1) if several else text


def _row_names(table: pd.DataFrame) -> list[str]:
    """What rows are called: by their database; by their algorithm if there are several."""
    several = table.loc[table["kind"] == "predicted", "algorithm"].nunique() > 1
    rows = zip(table["kind"], table["algorithm"], table["database"].replace("", "unknown"), strict=True)
    return [
        algorithm if kind == "baseline" else (f"{algorithm}: {database}" if several else database)
        for kind, algorithm, database in rows
    ]


def _title(predictions: ClipPredictions) -> str:
    return title(f"Scores of {predictions.name}", synthetic=predictions.synthetic)


def _mean_over_repeats(scores: ClipScores) -> str:
    repeats = int(scores.databases["num_repeats"].max())
    return f", mean over {repeats} repeats" if repeats > 1 else ""


def _written(predictions: ClipPredictions) -> pd.DataFrame:
    """The predictions as predictions.csv, without probabilities that the file did not have."""
    return predictions.table if predictions.with_probabilities else predictions.table[[*KEYS, "label", "predicted"]]


def _facts(predictions: ClipPredictions, check: ProtocolCheck) -> Mapping[str, Any]:
    return {
        "name": predictions.name,
        "classes": list(predictions.class_names),
        "num_rows": len(predictions.table),
        "databases": sorted(set(predictions.table["database"]) - {"", ALL_DATABASES}),
        "synthetic": predictions.synthetic,
        "read": list(predictions.remarks),
        "agrees": list(check.agrees),
        "warnings": [*check.differs, *predictions.cautions],
        "bootstrap": {"by": "subject", "draws": NUM_DRAWS, "seed": SEED, "level": LEVEL},
    }
