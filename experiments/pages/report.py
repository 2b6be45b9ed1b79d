"""The report of a run: one HTML file, images inside, made from the tables of its folder alone.

    python -m experiments.report RUN_FOLDER

draws ``figures/*.png`` and writes ``report.html`` again, for example after an update.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from experiments.pages import (
    clients,
    figures,
    interval_plots,
    page,
    part_scores,
    personalisation,
    privacy,
    sentences,
    sweeps,
    tables,
)
from experiments.results.gains import gains
from experiments.results.read import FinishedRun, read
from experiments.results.schema import merged
from experiments.results.scores import METRICS, score_parts
from experiments.results.sweeps import TESTED_ON
from experiments.run.folder import RunFolder

MOST_ROWS, MOST_DIFFERENCES = 8, 40
"""Most rows in figures with a colour, a panel or a bar for each; most differences in theirs."""


def write(folder: RunFolder) -> Path:
    """Draw the figures and write the report of a folder; returns the path of the page.

    Args:
      folder: of a run of experiments.fed, mer, ablate or pretrain that has been concluded.

    Raises:
      ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    run = read(folder)
    folder.write_text("report.html", render(run, page.write_figures(folder, draw(run))))
    return folder.path / "report.html"


def show(folder: RunFolder, console: Console) -> None:
    """Print the table of a run, which of its rows differ, and where its report is.

    Raises:
      ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    run = read(folder)
    if run.predictions is None:
        heading = tables.title("Validation F1 of each action unit", synthetic=run.synthetic)
        tables.print_table(console, tables.au_sheet(run.summary, run.au_scores, run.intervals), heading)
    else:
        private = privacy.epsilons(run.privacy)
        shown = (run.summary, run.intervals, run.part)
        console.print(tables.terminal_table(*shown, synthetic=run.synthetic, epsilons=private))
        part_scores.show(run, console)
    for sentence in [*verdicts(run), *clients.sentences(run.clients), *privacy.sentences(run.privacy)]:
        console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"Report: {folder.path / 'report.html'}", soft_wrap=True)


def verdicts(run: FinishedRun) -> list[str]:
    """Which rows differ beyond their intervals, and the best row of a sweep."""
    (metric, heading), *_ = table_metrics(run).items()
    differing = sentences.differing_rows(run.differences, interval_plots.pair_names(run.differences), metric, heading)
    return [sentence for sentence in (differing, sentences.best_of_sweep(run)) if sentence]


def table_metrics(run: FinishedRun) -> dict[str, str]:
    """The metrics of the table of a run, and their headings; the first one is what rows are told apart by."""
    return {metric: heading for metric, heading in METRICS.items() if run.summary[metric].notna().any()}


def draw(run: FinishedRun) -> dict[str, Figure]:
    """The figures by file name without ending."""
    synthetic, plots = run.synthetic, {}
    first, metrics = first_rows(run), table_metrics(run)
    bounded = interval_plots.scores_with_bounds(run.summary, run.intervals)
    plots["scores"] = interval_plots.score_plot(bounded, metrics, heading=tables.title("Scores", synthetic=synthetic))
    if 0 < len(run.differences) <= MOST_DIFFERENCES:
        heading = tables.title("Paired differences", synthetic=synthetic)
        plots["differences"] = interval_plots.difference_plot(run.differences, metrics, heading=heading)
    if run.sweep is not None:
        plots |= personalisation.draw(gains(run.rows, run.differences), synthetic=synthetic)
        plots |= sweeps.draw(run.sweep, synthetic=synthetic)
    plots["curves"] = figures.curves(_of(run.metrics, first), run.summary, run.part, run.unit, synthetic=synthetic)
    if run.predictions is not None and run.class_scores is not None:
        plots["confusion"] = figures.confusion_matrices(_of(run.predictions, first), synthetic=synthetic)
        plots["classes"] = figures.class_scores(_of(run.class_scores, first), "class", synthetic=synthetic)
        if run.predictions[run.part].nunique() > 1:
            plots[f"{run.part}s"] = figures.part_scores(run.predictions, run.summary, run.part, synthetic=synthetic)
    unknown = set(run.au_scores["algorithm"]) - set(run.algorithms)
    plots["action_units"] = figures.class_scores(
        _of(run.au_scores, [*first, *unknown]), "au", synthetic=synthetic, split=tested_part(run)
    )
    return plots


def first_rows(run: FinishedRun) -> list[str]:
    """Titles of at most ``MOST_ROWS`` rows, some of each algorithm, prior and variant, in the order of the table."""
    rows = run.rows[run.rows["algorithm"].isin(run.algorithms)]
    repeated = rows.groupby(["name", "prior", "variant"], sort=False, dropna=False).cumcount()
    chosen = set(rows.assign(repeated=repeated).sort_values("repeated", kind="stable")["algorithm"][:MOST_ROWS])
    return [algorithm for algorithm in run.algorithms if algorithm in chosen]


def tested_part(run: FinishedRun) -> str:
    """Which examples the scores of a run are of."""
    return "validation" if run.predictions is None else "test"


def render(run: FinishedRun, images: Mapping[str, bytes]) -> str:
    """The page as HTML."""
    return page.render(
        "report",
        images,
        title=tables.title(f"FED-PsyAU: {run.config['experiment']}", synthetic=run.synthetic),
        run=run,
        settings=dict(page.flatten(run.settings)),
        sheet=tables.summary_sheet(run.summary, run.intervals, privacy.epsilons(run.privacy)),
        privacy_sentences=privacy.sentences(run.privacy),
        privacy=privacy.sheet(run.privacy),
        verdicts=verdicts(run),
        client_sentences=clients.sentences(run.clients),
        clients=clients.sheet(run.clients),
        limits=sentences.limits(run),
        num_left_out=max(0, len(run.algorithms) - MOST_ROWS),
        scored=" and ".join(sorted(run.metrics["scored"].dropna().unique())),
        class_counts=_class_counts(run.data["databases"]),
        splits=_splits(run),
        databases=pd.DataFrame([_database(one) for one in run.data["databases"]]),
        drops=Counter(drop["reason"] for one in run.data["databases"] for drop in one["drops"]).most_common(),
        titled=lambda what: tables.title(what, synthetic=run.synthetic),
        **_tables(run),
    )


def _tables(run: FinishedRun) -> dict[str, Any]:
    """Tables of the page as text, by the names that the template uses; None where a run has no such table."""
    pairs = pd.DataFrame({"difference": interval_plots.difference_names(run.differences)})
    text: dict[str, Any] = {
        "differences": pairs.assign(**tables.interval_columns(run.differences, table_metrics(run))),
        "f1_by_au": _au_table(run),
        "sweep": None if run.sweep is None else sweeps.sheet(run.sweep),
        "gains": personalisation.sheet(gains(run.rows, run.differences)),
        "part_sheets": part_scores.sheets(run),
    }
    names = ("f1_by_class", "recall_by_class", "scores_by_part")
    if run.predictions is None or run.class_scores is None:
        return text | dict.fromkeys(names)
    parts = score_parts(run.predictions, part=run.part)
    wide = (
        tables.wide(run.class_scores, "f1", ["class"]),
        tables.wide(run.class_scores, "recall", ["class"]),
        tables.wide(parts, "uf1", ["repeat", run.part]),
    )
    return text | dict(zip(names, wide, strict=True))


def _au_table(run: FinishedRun) -> pd.DataFrame:
    """F1 of each action unit; of a pretraining, with the number of examples that show it in its first repeat."""
    table = tables.wide(run.au_scores, "f1", ["au"]).rename(columns={"au": "AU"})
    if run.action_units is None:
        return table
    counts = run.action_units[run.action_units["repeat"] == 0].set_index("au")
    for part in ("train", "validation"):
        shown = counts[f"{part}_shown"].astype(str) + " of " + counts[f"{part}_labelled"].astype(str)
        table[f"shown in {'training' if part == 'train' else part}"] = table["AU"].map(shown).fillna("")
    return table


def _of(table: pd.DataFrame, algorithms: list[str]) -> pd.DataFrame:
    return table[table["algorithm"].isin(algorithms)]


def _class_counts(databases: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Samples of each class, a column for each database, or for each set of its classes."""
    spellings = (
        [one["name"].partition("/")[0] for one in databases],
        [one["name"] for one in databases],
        [f"{one['name']}, {len(one['class_counts'])} classes" for one in databases],
    )
    names = next((names for names in spellings if len(set(names)) == len(names)), spellings[-1])
    counts = {name: one["class_counts"] for name, one in zip(names, databases, strict=True)}
    classes = merged(one["class_counts"] for one in databases)
    return pd.DataFrame(counts, classes, dtype=object).fillna("-").rename_axis("class").reset_index()


def _splits(run: FinishedRun) -> pd.DataFrame:
    """Who is in which client or fold, and its training and test examples of each class, those of others empty."""
    splits = run.splits
    names = [str(name).removeprefix("train_") for name in splits if str(name).startswith("train_")]
    keys = [name for name in (*TESTED_ON, "repeat", run.part) if name in splits]
    sizes = [f"num_{part}" for part in ("train", "validation", "test")]
    text = splits[[*keys, *sizes]].rename(columns=lambda name: name.removeprefix("num_"))
    both = {name: zip(splits[f"train_{name}"], splits[f"test_{name}"], strict=True) for name in names}
    counts = {name: ["" if pd.isna(train) else f"{train:g} / {test:g}" for train, test in both[name]] for name in names}
    return text.assign(**counts, subjects=splits["subjects"])


def _database(facts: Mapping[str, Any]) -> dict[str, Any]:
    drops = Counter(drop["reason"] for drop in facts["drops"]).most_common()
    return {
        "database": facts["name"],
        "synthetic": "yes" if facts["synthetic"] else "no",
        "samples": facts["num_samples"],
        "subjects": facts["num_subjects"],
        "fingerprint": facts["fingerprint"][:12],
        "rows left out": "; ".join(f"{reason}: {count}" for reason, count in drops) or "none",
    }
