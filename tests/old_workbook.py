"""Old Excel workbooks (.xls) for tests: the few records of the format that cells need."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

_VERSION, _BOOK, _SHEET = 0x0600, 0x0005, 0x0010


def write_xls(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
    """Write sheets of numbers and text; None is an empty cell."""
    pages = [_begin(_SHEET) + b"".join(map(_row, range(len(rows)), rows)) + _end() for rows in sheets.values()]
    titles = [title.encode("utf-16-le") for title in sheets]
    size = len(_begin(_BOOK)) + sum(12 + len(title) for title in titles) + len(_end())
    book = _begin(_BOOK)
    for place, title in enumerate(titles):
        offset = size + sum(map(len, pages[:place]))
        book += _record(0x0085, struct.pack("<LBBBB", offset, 0, 0, len(title) // 2, 1) + title)
    path.write_bytes(book + _end() + b"".join(pages))
    return path


def _row(number: int, cells: Sequence[object]) -> bytes:
    return b"".join(_cell(number, place, cell) for place, cell in enumerate(cells) if cell is not None)


def _cell(row: int, column: int, cell: object) -> bytes:
    where = struct.pack("<HHH", row, column, 0)
    if isinstance(cell, int | float):
        return _record(0x0203, where + struct.pack("<d", cell))
    text = str(cell).encode("utf-16-le")
    return _record(0x0204, where + struct.pack("<HB", len(text) // 2, 1) + text)


def _begin(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHLL", _VERSION, kind, 0, 0, 0, 0))


def _end() -> bytes:
    return _record(0x000A, b"")


def _record(number: int, content: bytes) -> bytes:
    return struct.pack("<HH", number, len(content)) + content
