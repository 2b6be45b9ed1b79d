"""Read annotation tables as they are distributed: the position of the header is searched, never assumed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data.choosing import AmbiguousError, Reader, chosen_columns
from data.grids import TABLE_SUFFIXES, Grid, TableError, content_of, encoding_of, grids_of, is_blank, sha256
from data.headings import FRAMES, SPELLINGS, columns, headings, letters, says_time

__all__ = [
    "TABLE_SUFFIXES", "Row", "Sheet", "TableError", "columns", "content_of", "grids_of", "is_blank", "read_sheet",
    "sha256",
]  # fmt: skip

LAST_HEADER_ROW = 60
_FOUND_BY_CELLS = "emotion"
_MOST_HEADINGS = 20
_WHAT_TO_DO = "keep one of them in a copy of the table, and name that with --table"


class Row(NamedTuple):
    """One line of a table: its number in the file, from 1, and its cells by our column names."""

    number: int
    cells: dict[str, object]


class Sheet(NamedTuple):
    """The part of a file below a header.

    Attributes:
        path: the file.
        title: the sheet; empty where the format has none.
        header: our column name -> the spelling found.
        rows: the lines that are not blank.
        others: titles of the file's other sheets that have such a header, too.
        remarks: what was chosen in reading it, a line each.
    """

    path: Path
    title: str
    header: dict[str, str]
    rows: tuple[Row, ...]
    others: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def read_sheet(
    path: Path,
    required: Sequence[str],
    preferred: str = "",
    fallback: Mapping[str, int] | None = None,
    readers: Mapping[str, Reader] | None = None,
    also: Sequence[tuple[str, str]] = (),
) -> Sheet:
    """The sheet of a file whose header has all required columns.

    The header may be on a later row, in any order, with blank columns between, in any spelling near those of
    ``SPELLINGS``; sheets and further columns that are not asked for are passed over. Of several such sheets the
    preferred one, else the one with the most rows. Of several headings that fit, see ``chosen_columns``.

    Args:
        path: a workbook (.xlsx, .xls), or text (comma, semicolon, tab, ``|`` or, where no cell is empty or holds any,
            blanks between cells; Unicode, GB18030, Big5 or Western European).
        required: our names of columns, keys of ``SPELLINGS``.
        preferred: the sheet's usual title.
        fallback: places of columns, from 0, whose header has a name that nobody knows.
        readers: our column name -> reads a cell, to tell which of several headings is meant.
        also: further (our column name, letters of a heading) that may occur.

    Raises:
        TableError: the file cannot be read, is no table, no sheet has such a header, or two headings fit one column.
    """
    fitting, _ = fitting_sheets(path, required, fallback, readers, also)
    best = max(
        fitting, key=lambda sheet: (bool(sheet.rows), letters(sheet.title) == letters(preferred), len(sheet.rows))
    )
    encoding = encoding_of(path) if not best.title else ""
    remarks = (*best.remarks, *([f"its characters are read as {encoding}"] if encoding else []))
    return best._replace(others=tuple(sheet.title for sheet in fitting if sheet is not best), remarks=remarks)


def fitting_sheets(
    path: Path,
    required: Sequence[str],
    fallback: Mapping[str, int] | None = None,
    readers: Mapping[str, Reader] | None = None,
    also: Sequence[tuple[str, str]] = (),
) -> tuple[list[Sheet], list[tuple[str, str]]]:
    """Every sheet of a file whose header has all required columns; title of each other that is not blank, and why not.

    Args and Raises: as of ``read_sheet``.
    """
    fitting, others = list[Sheet](), list[tuple[str, str]]()
    grids = grids_of(path)
    for title, grid in grids:
        sheet = _below_header(path, title, grid, required, fallback or {}, readers or {}, also)
        if sheet:
            fitting.append(sheet)
        elif any(not is_blank(cell) for line in grid for cell in line):
            others.append((title, _closest_header([("", grid)], required, also)))
    if not fitting:
        told = _closest_header(grids, required, also)
        raise TableError(f"{path}: {told}; is this the table or sheet of another database?")
    return fitting, others


def _below_header(
    path: Path,
    title: str,
    grid: Grid,
    required: Sequence[str],
    fallback: Mapping[str, int],
    readers: Mapping[str, Reader],
    also: Sequence[tuple[str, str]],
) -> Sheet | None:
    wanted = {name for name in required if name != _FOUND_BY_CELLS}
    for number, line in enumerate(grid[:LAST_HEADER_ROW], 1):
        found = headings(line, also)
        if not found.keys() >= wanted:
            continue
        try:
            chosen = chosen_columns(line, grid[number:], found, readers, fallback)
        except AmbiguousError as error:
            where = f"{path}, sheet {title!r}, row {number}" if title else f"{path}, row {number}"
            raise TableError(f"{where}: {error}; {_WHAT_TO_DO}") from error
        places = {name: place for name, place in fallback.items() if place < len(line)} | chosen
        if places.keys() >= set(required):
            header = {name: str(line[places[name]]).strip() for name in sorted(places, key=_usual_order)}
            return Sheet(path, title, header, tuple(_rows(grid, number, places)), remarks=tuple(chosen.remarks))
    return None


def _usual_order(name: str) -> int:
    return list(SPELLINGS).index(name) if name in SPELLINGS else len(SPELLINGS)


def _rows(grid: Grid, start: int, places: dict[str, int]) -> Iterator[Row]:
    for number, line in enumerate(grid[start:], start + 1):
        cells = {name: line[place] if place < len(line) else None for name, place in places.items()}
        if not all(is_blank(cell) for cell in cells.values()):
            yield Row(number, cells)


def _closest_header(grids: Sequence[tuple[str, Grid]], required: Sequence[str], also: Sequence[tuple[str, str]]) -> str:
    """Which columns are missing from the line that lacks the fewest, and which headings are there."""
    missing, title, line = min(
        (
            ([name for name in required if name not in there], title, line)
            for title, grid in grids
            for line in grid[:LAST_HEADER_ROW]
            for there in [columns(line, also)]
        ),
        key=lambda found: len(found[0]),
        default=(list(required), "", []),
    )
    where = f"sheet {title!r} has" if title else "there is"
    cells = [str(cell).strip() for cell in line if not is_blank(cell)]
    told = f" (only {', '.join(map(repr, cells[:_MOST_HEADINGS]))})" if len(missing) < len(required) else ""
    times = [cell for cell in cells if says_time(cell)] if set(missing) & set(FRAMES) else []
    note = f"; {', '.join(map(repr, times))} is a time, and frames are needed" if times else ""
    return f"{where} no column {', '.join(missing)}{told}{note}"
