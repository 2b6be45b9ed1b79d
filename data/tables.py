"""Finding the annotation table of a copy."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from data.annotations import Columns, Table, read_table
from data.frames import Tree
from data.sheets import TABLE_SUFFIXES, TableError

_DEPTH = 1


def find_tables(tree: Tree, columns: Columns) -> tuple[list[Table], list[str]]:
    """Every table of a copy, at the top or one folder below, that this database's columns fit; and why others do not.

    Raises:
        TableError: none fits; says what is wrong with each candidate.
    """
    candidates = _table_files(tree, tree.root, _DEPTH)
    tables, complaints = [], []
    for path in candidates:
        try:
            tables.append(read_table(path, columns))
        except TableError as error:
            complaints.append(str(error))
    if not tables:
        looked = f"{tree.root}: no annotation table of {columns.database} ({', '.join(TABLE_SUFFIXES)})"
        raise TableError("\n".join(complaints or [looked]))
    return tables, complaints


def the_table(tree: Tree, columns: Columns, table: Path | None) -> Table:
    """The one table of a copy, or the one that is named; of several that fit, the one with the usual name.

    Raises:
        TableError: there is none, or no telling which of several.
    """
    if table is not None:
        if not table.is_file():
            raise TableError(f"{table}: is no file; name the annotation table with --table")
        return read_table(table, columns)
    tables, unfit = find_tables(tree, columns)
    usual = [found for found in tables if fnmatch(found.path.name.lower(), columns.file)]
    if len(tables) > 1 and len(usual) != 1:
        names = ", ".join(str(found.path) for found in tables)
        raise TableError(f"{tree.root}: {len(tables)} tables fit ({names}); name one of them with --table")
    (chosen,) = tables if len(tables) == 1 else usual
    others = [f"{found.path}: {chosen.path.name} is read instead" for found in tables if found is not chosen]
    return chosen._replace(passed_over=(*chosen.passed_over, *others, *unfit))


def _table_files(tree: Tree, folder: Path, depth: int) -> list[Path]:
    entries = tree.children(folder)
    files = [path for path in entries if path.suffix.lower() in TABLE_SUFFIXES and path.is_file()]
    files = [path for path in files if not path.name.startswith("~")]
    deeper = [path for path in entries if depth and path.is_dir()]
    return files + [path for sub in deeper for path in _table_files(tree, sub, depth - 1)]


def only_table(columns: Columns) -> Callable[[Tree, str, Path | None], Sequence[Table]]:
    """How to read a copy that one table annotates, whatever its configuration."""
    return lambda tree, config, table: [the_table(tree, columns, table)]
