"""Finding the annotation table of a copy."""

from collections.abc import Callable, Sequence
from pathlib import Path

from data.annotations import Columns, Table, read_table
from data.frames import Tree
from data.sheets import TABLE_SUFFIXES, TableError

_DEPTH = 1


def find_tables(tree: Tree, columns: Columns) -> list[Table]:
    """Every table of a copy, at the top or one folder below, that this database's columns fit.

    The first one says which files were passed over.

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
    return [tables[0]._replace(passed_over=(*tables[0].passed_over, *complaints)), *tables[1:]]


def the_table(tree: Tree, columns: Columns, table: Path | None) -> Table:
    """The one table of a copy, or the one that is named.

    Raises:
        TableError: there is none, or more than one.
    """
    if table is not None:
        if not table.is_file():
            raise TableError(f"{table}: is no file; name the annotation table with --table")
        return read_table(table, columns)
    tables = find_tables(tree, columns)
    if len(tables) > 1:
        names = ", ".join(str(found.path) for found in tables)
        raise TableError(f"{tree.root}: {len(tables)} tables fit ({names}); name one of them with --table")
    return tables[0]


def _table_files(tree: Tree, folder: Path, depth: int) -> list[Path]:
    entries = tree.children(folder)
    files = [path for path in entries if path.suffix.lower() in (*TABLE_SUFFIXES, ".xls") and path.is_file()]
    files = [path for path in files if not path.name.startswith("~")]
    deeper = [path for path in entries if depth and path.is_dir()]
    return files + [path for sub in deeper for path in _table_files(tree, sub, depth - 1)]


def only_table(columns: Columns) -> Callable[[Tree, str, Path | None], Sequence[Table]]:
    """How to read a copy that one table annotates, whatever its configuration."""
    return lambda tree, config, table: [the_table(tree, columns, table)]
