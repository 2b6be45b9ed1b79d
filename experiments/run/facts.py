"""Files of a run that follow from its settings and data: written once, and compared when the run is resumed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.run.environment import environment
from experiments.run.folder import ENVIRONMENT, RunFolder, as_csv

if TYPE_CHECKING:
    import pandas as pd


def write_facts(folder: RunFolder, facts: Mapping[str, Any], tables: Mapping[str, "pd.DataFrame"]) -> None:
    """Write what a run depends on. In a resumed run, check that it is the same, and write what is missing.

    data.json is written last: a folder that has it has all.

    Args:
      folder: of the run.
      facts: content of data.json; each of its ``databases`` has a name and a fingerprint.
      tables: by name of the file, for example splits.csv.

    Raises:
      ValueError: data or tables are not those of the interrupted run, or a file is damaged.
    """
    if folder.has("data.json"):
        check_databases(folder, facts["databases"])
    for name, table in tables.items():
        write_table_once(folder, name, table)
    write_environment(folder)
    folder.write_json("data.json", facts)


def write_table_once(folder: RunFolder, name: str, table: "pd.DataFrame") -> None:
    """Write a table that follows from settings and data. In a resumed run, check that it still does.

    Raises:
      ValueError: another one is there.
    """
    if not folder.has(name):
        folder.write_table(name, table)
    elif (folder.path / name).read_bytes() != as_csv(table).encode():
        raise ValueError(
            f"{folder.path / name} is not what the settings and the data of this run give now: if the file was damaged "
            "or edited, delete it; if the code has changed, go back to its earlier version, or start a new run"
        )


def write_environment(folder: RunFolder) -> None:
    """Write environment.json, unless a resumed run has it.

    Raises:
      ValueError: it is damaged.
    """
    if not folder.has("environment.json"):
        folder.write_json("environment.json", environment())
    folder.read_facts("environment.json", *ENVIRONMENT)


def check_databases(
    folder: RunFolder,
    databases: Sequence[Mapping[str, Any]],
    consequence: str = "the run cannot go on; start a new one",
) -> None:
    """Check that the data of a run are those that it started with.

    Args:
      folder: of the run.
      databases: facts of each, as they are now.
      consequence: what follows if one is another, and what to do.

    Raises:
      ValueError: they are others, or data.json is damaged.
    """
    before = folder.read_facts("data.json", "databases")["databases"]
    if not isinstance(before, list) or not all(isinstance(one, dict) and "fingerprint" in one for one in before):
        raise ValueError(f"{folder.path / 'data.json'} does not say fingerprint; restore it, or run again.")
    if len(before) != len(databases):
        raise ValueError(f"{folder.path / 'data.json'} does not name the run's databases; restore it, or run again.")
    for was, now in zip(before, databases, strict=True):
        refuse_changed(folder, str(was["fingerprint"]), str(now["name"]), str(now["fingerprint"]), consequence)


def refuse_changed(
    folder: RunFolder,
    before: str,
    name: str,
    now: str,
    consequence: str,
) -> None:
    """Raise a ValueError if a database has another fingerprint than it had for a run."""
    if before != now:
        raise ValueError(
            f"{folder.path} was run on data with fingerprint {before[:12]}, but {name} has {now[:12]} now: "
            f"{consequence}"
        )
