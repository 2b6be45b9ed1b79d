"""Suggest the folder that was probably meant, if there is no copy in the given one."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from data.annotations import Annotation, Table
from data.frames import DEPTH, Footage, Tree

_TRIED = 20
_ABOVE = 2

Read = Callable[[Tree], Sequence[Table]]
Locate = Callable[[Tree, Annotation], Footage | str]


def neighbour(root: Path, read: Read, locate: Locate) -> str:
    """The folder that holds a table and its clips: below the levels that are looked through, or up to two higher.

    Args:
        root: the folder that was named.
        read: a database's tables.
        locate: a clip's frames.

    Returns:
        The end of a sentence, empty if there is no such folder.
    """
    deep = Tree(root, 2 * DEPTH)
    for table, footage in _found(deep, read, locate):
        common = Path(os.path.commonpath([table.path if table.path.is_dir() else table.path.parent, footage.folder]))
        if common == root:
            return f"; {footage.folder} lies more than {DEPTH} folders deep: move it up"
        return f"; is {common} the folder that you mean?"
    for folder in root.resolve().parents[:_ABOVE]:
        if any(_found(Tree(folder, _ABOVE), read, locate)):
            return f"; is {folder} the folder that you mean?"
    return ""


def _found(tree: Tree, read: Read, locate: Locate) -> Iterator[tuple[Table, Footage]]:
    """Tables of a folder with the first of their clips that is there, of a few that are tried."""
    with suppress(ValueError, OSError):
        for table in read(tree):
            rows = table.annotations
            for row in rows[:: max(1, len(rows) // _TRIED)]:
                found = locate(tree, row)
                if not isinstance(found, str) and found.frames:
                    yield table, found
                    break
