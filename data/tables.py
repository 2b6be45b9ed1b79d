"""Find the annotation table of a copy."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

from data.annotations import Columns, Table, read_table
from data.frames import Tree
from data.sheets import TABLE_SUFFIXES, TableError

_SHALLOW = 1
_MOST_DEEP = 50


def find_tables(tree: Tree, columns: Columns, everywhere: bool = False) -> tuple[list[Table], list[str]]:
    """The tables of a copy that this database's columns fit, and why others do not.

    Looked for at the top and one folder below; deeper, where hundreds of files are landmarks or the like, only if there
    is none, or ``everywhere`` for a release of several tables.

    Raises:
        TableError: none fits; says what is wrong with each candidate.
    """
    tables, complaints = list[Table](), list[str]()
    for level, files in groupby(tree.table_files, key=lambda path: _level(tree, path)):
        candidates = list(files)
        candidates = candidates if level == _SHALLOW or len(candidates) <= _MOST_DEEP else []
        for path in candidates if everywhere or not tables else ():
            try:
                tables.append(read_table(path, columns))
            except TableError as error:
                complaints.append(str(error))
    if not tables:
        looked = f"{tree.root}: no annotation table of {columns.database} ({', '.join(TABLE_SUFFIXES)})"
        raise TableError("\n".join(complaints or [looked]))
    return tables, complaints


def _level(tree: Tree, path: Path) -> int:
    """How many folders deep a table lies, the top and the first level being one."""
    return max(_SHALLOW, len(path.relative_to(tree.root).parts) - 1)


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


def only_table(columns: Columns) -> Callable[[Tree, str, Path | None], Sequence[Table]]:
    """A reader for copies with a single annotation table, for all configurations."""
    return lambda tree, config, table: [the_table(tree, columns, table)]
