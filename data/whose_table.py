"""Find out which database an annotation table belongs to."""

from importlib import import_module
from pathlib import Path

from data.annotations import read_table
from data.grids import TableError

_COLUMNS = (
    ("casme3", "COLUMNS"),
    ("casme2", "COLUMNS"),
    ("samm", "COLUMNS"),
    ("mmew", "COLUMNS"),
    ("dfme", "CHALLENGE"),
    ("dfme", "FULL"),
)


def database_of(path: Path) -> str | None:
    """The database whose columns a table has, and of whose clips it names action units; None if it is none's."""
    for name, columns in _COLUMNS:
        try:
            table = read_table(path, getattr(import_module(f"data.{name}.layout"), columns))
        except TableError:
            continue
        if any(row.action_units for row in table.annotations):
            return name
    return None
