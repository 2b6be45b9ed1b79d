"""Annotations for the test of coordination: from a database, from its annotation table, or from a plain table."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.annotations import Columns, Table, read_table
from data.databases import DATABASES, layout_of
from data.dataset import load
from data.pipeline import au_targets
from data.progress import Progress
from data.sheets import TableError, sha256
from experiments.inputs import plugins
from experiments.inputs.databases import own_database
from experiments.inputs.plain_table import plain_table
from experiments.inputs.priors import annotations_of
from fedpsyau_jax.priors import ACTION_UNITS, AnnotationTable

TABLE_COLUMNS: Mapping[str, Sequence[str]] = {
    "casme3": ("COLUMNS",),
    "casme2": ("COLUMNS",),
    "samm": ("COLUMNS",),
    "mmew": ("COLUMNS",),
    "dfme": ("CHALLENGE", "FULL"),
}
PLAIN = "one with a column `subject` and one of AUs, or columns AU1, AU2, ... of 0, 1 or nothing"
ONE_SUBJECT = "all clips show one subject: the findings hold for this person only."


class Source(NamedTuple):
    """Annotations, and their description for data.json."""

    table: AnnotationTable
    facts: dict[str, Any]


def of_database(name: str, data_dir: Path | None, manual_dir: Path | None, progress: Progress) -> Source:
    """The annotations of a database by name, or of the user's own; for ``synthetic``, of its ``federated`` part.

    Raises:
        ValueError: there is no such database, or it cannot be loaded.
    """
    plugins.refuse_unknown("--database", name, DATABASES)
    if plugins.is_plugin(name):
        dataset = own_database(name)
    else:
        dataset = load(name, DATABASES[name][0], data_dir, progress, manual_dir=manual_dir)
    table = annotations_of(dataset)
    hashes = {str(path): digest for path, digest in dataset.metadata.get("tables", {}).items()}
    facts = _facts(dataset.name, table, dataset.metadata.get("dropped", []), dataset.synthetic)
    return Source(table, facts | {"fingerprint": dataset.fingerprint, "tables": hashes})


def of_table(path: Path, database: str | None) -> Source:
    """The annotations of a table; no pictures are needed.

    Args:
        path: the table of a database, in a form in which it is distributed, or a plain table.
        database: which database; None to detect it.

    Raises:
        ValueError: it is neither.
        OSError: it cannot be read.
    """
    path.stat()
    if database is None and (plain := _plain(path)):
        return plain
    name, read = _known(path, database)
    labelled = layout_of(name).labelled
    targets = [au_targets(annotation, ACTION_UNITS, labelled) for annotation in read.annotations]
    emotions = sorted({annotation.emotion for annotation in read.annotations if annotation.emotion})
    table = AnnotationTable(
        np.array([target["au"] for target in targets]),
        np.array([target["au_mask"] for target in targets]),
        np.array([emotions.index(one.emotion) if one.emotion else -1 for one in read.annotations]),
        np.array([one.subject for one in read.annotations]),
    )
    dropped = [row._asdict() for row in read.dropped]
    return Source(table, _facts(f"{name} ({path.name})", table, dropped) | _hashes(path))


def _known(path: Path, database: str | None) -> tuple[str, Table]:
    """The name of the database that this table belongs to, and the table."""
    names = [database] if database else list(TABLE_COLUMNS)
    if database and database not in TABLE_COLUMNS:
        raise ValueError(f"--database={database} has no single table: give its folder with --manual-dir")
    complaints = []
    for name in names:
        for columns in _columns(name):
            try:
                return name, _with_action_units(read_table(path, columns))
            except TableError as error:
                complaints.append(str(error))
    if database:
        raise TableError(complaints[0])
    raise TableError(
        f"{path}: neither a table of {', '.join(TABLE_COLUMNS)} nor {PLAIN}; to hear what is wrong with it as a table "
        "of one of them, name that with --database"
    )


def _columns(database: str) -> list[Columns]:
    layout = import_module(f"data.{database}.layout")
    return [getattr(layout, name) for name in TABLE_COLUMNS[database]]


def _with_action_units(table: Table) -> Table:
    if not any(annotation.action_units for annotation in table.annotations):
        raise TableError(f"{table.path}: no row names action units")
    return table


def _plain(path: Path) -> Source | None:
    """The annotations of a plain table; None if the file is not one."""
    if (plain := plain_table(path)) is None:
        return None
    facts = _facts(path.name, plain.table, []) | _hashes(path)
    if plain.passed_over:
        names = ", ".join(plain.passed_over)
        facts["cautions"].append(f"columns that name no action unit of FACS are ignored: {names}.")
    return Source(plain.table, facts)


def _facts(name: str, table: AnnotationTable, dropped: Sequence[Mapping[str, Any]], synthetic: bool = False) -> dict:
    labelled = table.mask.any(axis=1)
    return {
        "name": name,
        "synthetic": synthetic,
        "num_samples": len(table.subject),
        "num_unlabelled": int((~labelled).sum()),
        "num_subjects": len(set(table.subject.tolist())),
        "au_names": [f"AU{au}" for au in table.action_units],
        "au_counts": (table.aus * table.mask).sum(axis=0).astype(int).tolist(),
        "au_labelled": table.mask.sum(axis=0).astype(int).tolist(),
        "drops": [dict(drop) for drop in dropped],
        "cautions": [ONE_SUBJECT] if len(set(table.subject.tolist())) == 1 else [],
    }


def _hashes(path: Path) -> dict[str, Any]:
    digest = sha256(path)
    return {"fingerprint": digest, "tables": {path.name: digest}}
