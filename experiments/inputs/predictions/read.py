"""Read a file or run folder of predictions, whatever its form."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from data.grids import TableError
from data.headings import letters
from experiments.inputs.predictions.classes import Named, named
from experiments.inputs.predictions.log import read_log
from experiments.inputs.predictions.people import People, people
from experiments.inputs.predictions.table import IncompleteError, read_table
from experiments.inputs.predictions.values import KEYS, ClipPredictions, RawFile, RawRow
from experiments.run.folder import RunFolder

PREDICTIONS = "predictions.csv"
RUNS = ("run", "runid")
"""Headings that stand for repeats or for folds."""
FORMS = (
    "a table with headings such as clip, subject, truth, prediction, or lines of clip, truth, prediction under lines "
    "that name the subject"
)


def read_predictions(path: Path, columns: Mapping[str, str], meanings: Mapping[str, str]) -> ClipPredictions:
    """Predictions of anybody's.

    Args:
        path: a table, a log in plain text, or the folder of a run of ours.
        columns: role -> heading, where the user says so.
        meanings: number of a class -> its name.

    Raises:
        ValueError: it holds no predictions, or a row cannot be used; the message names the row.
        OSError: it cannot be read.
    """
    path.stat()
    if path.is_dir():
        return read_predictions(_of_folder(path), columns, meanings)
    file = _raw(path, columns)
    classes, whose = named(path, file, meanings), people(file.rows)
    table, of_repeats = _without_folds(_table(file, classes, whose), file.headings.get("repeat", ""))
    _refuse_twice(path, file.rows, table)
    _refuse_other_truth(path, file.rows, table)
    return ClipPredictions(
        name=path.parent.name if _is_run(path) else path.name,
        table=table,
        class_names=classes.class_names,
        with_probabilities=bool(file.probability_names),
        remarks=(*file.remarks, *whose.remarks, *classes.remarks, *of_repeats),
        cautions=(*whose.cautions, *classes.cautions, *_unequal(table)),
        synthetic=_is_synthetic(path),
    )


def _of_folder(path: Path) -> Path:
    if not (path / PREDICTIONS).is_file():
        raise TableError(
            f"{path}: it has no {PREDICTIONS}; give the folder of a run that recognises emotions, or a file"
        )
    folder = RunFolder(path)
    if folder.has("rows.csv") and folder.read_table("rows.csv").get("classes", pd.Series()).nunique() > 1:
        raise TableError(
            f"{path}: its rows have different numbers of classes, and predictions are scored in the same classes: see "
            "its summary.csv, or give a file with the predictions of one number"
        )
    return path / PREDICTIONS


def _is_run(path: Path) -> bool:
    return path.name == PREDICTIONS and (path.parent / "data.json").is_file()


def _is_synthetic(path: Path) -> bool:
    if not _is_run(path):
        return False
    databases: Any = RunFolder(path.parent).read_facts("data.json", "databases")["databases"]
    return any(bool(one.get("synthetic")) for one in databases if isinstance(one, dict))


def _raw(path: Path, columns: Mapping[str, str]) -> RawFile:
    try:
        file = read_table(path, columns)
    except IncompleteError:
        if columns or (file := read_log(path)) is None:
            raise
    file = file or read_log(path)
    if file is None or not file.rows:
        raise TableError(f"{path}: no predictions are found in it; write {FORMS}, or name the headings with --columns")
    return file


def _table(file: RawFile, classes: Named, whose: People) -> pd.DataFrame:
    """The rows as predictions.csv has them; without probabilities, that of the predicted class is 1."""
    keys = {
        "algorithm": [row.algorithm for row in file.rows],
        "repeat": [row.repeat for row in file.rows],
        "database": [person.database for person in whose.persons],
        "subject": [person.subject for person in whose.persons],
        "clip": [person.clip or f"row {row.number}" for row, person in zip(file.rows, whose.persons, strict=True)],
        "label": classes.truths,
        "predicted": classes.predictions,
    }
    table = pd.DataFrame(keys, dtype=object)
    if file.probability_names:
        of_columns = pd.DataFrame([row.probabilities for row in file.rows], columns=list(classes.probability_names))
        probabilities = {name: of_columns[name] for name in classes.class_names}
    else:
        probabilities = {name: (table["predicted"] == name).astype(float) for name in classes.class_names}
    return table.assign(**{f"p_{name}": values for name, values in probabilities.items()})


def _without_folds(table: pd.DataFrame, heading: str) -> tuple[pd.DataFrame, list[str]]:
    """A table without repeats, if these are runs that have no clip in common: then they are folds, and are pooled."""
    once = ["algorithm", "database", "subject", "clip"]
    if letters(heading) not in RUNS or table["repeat"].nunique() == 1 or table.duplicated(once).any():
        return table, []
    return table.assign(repeat=""), [f"no clip has two values of {heading!r}, so they are taken for folds and pooled"]


def _unequal(table: pd.DataFrame) -> list[str]:
    """A caution if algorithms or repeats were not tested on the same clips."""
    groups = table.groupby(["algorithm", "repeat"], sort=False)
    tested = {frozenset(zip(rows["database"], rows["subject"], rows["clip"], strict=True)) for _, rows in groups}
    what = "repeats" if table["algorithm"].nunique() == 1 else "algorithms (or repeats)"
    return [f"the {what} were not tested on the same clips"] if len(tested) > 1 else []


def _refuse_twice(path: Path, rows: Sequence[RawRow], table: pd.DataFrame) -> None:
    """Refuse two predictions of one clip by one algorithm in one repeat."""
    first_row = dict[tuple[str, ...], int]()
    for place, key in enumerate(zip(*(table[name] for name in KEYS), strict=True)):
        if key in first_row:
            _refuse(path, table, rows, first_row[key], place)
        first_row[key] = place


def _refuse(path: Path, table: pd.DataFrame, rows: Sequence[RawRow], first: int, second: int) -> NoReturn:
    clip, subject = (table[name].iloc[second] for name in ("clip", "subject"))
    of_whom = f" of subject {subject}" if subject else ""
    raise TableError(
        f"{path}, row {rows[second].number}: clip {clip}{of_whom} was predicted in row {rows[first].number} already; "
        "say in a column `repeat`, `method` or `subject` how they differ, or keep one"
    )


def _refuse_other_truth(path: Path, rows: Sequence[RawRow], table: pd.DataFrame) -> None:
    """Refuse a clip whose truth is another in another repeat or of another algorithm."""
    truths = dict[tuple[str, ...], tuple[str, int]]()
    keys = zip(*(table[name] for name in KEYS[2:]), strict=True)
    for key, label, row in zip(keys, table["label"], rows, strict=True):
        known, number = truths.setdefault(key, (label, row.number))
        if known != label:
            raise TableError(
                f"{path}, row {row.number}: the truth of clip {key[-1]} is {label}, but {known} in row {number}; "
                "correct one of them"
            )
