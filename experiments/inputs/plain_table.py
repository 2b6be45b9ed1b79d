"""Plain annotation tables (text or workbook): subjects, and one column of AU lists or one 0/1 column for each AU."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.action_units import ActionUnits, parse_action_units
from data.choosing import AmbiguousError, chosen_columns
from data.headings import headings
from data.sheets import TableError, columns, grids_of, is_blank
from data.whose_table import database_of
from fedpsyau_jax.priors import AnnotationTable
from fedpsyau_jax.priors.action_units import NAMES, UPPER_NAMES

UNKNOWN = ("na", "n/a", "nan", "null")
"""Words that other programs write for an unknown label."""
_LAST_HEADER_ROW = 60


Line = tuple[int, Sequence[object]]


class PlainTable(NamedTuple):
    """Annotations, and the ignored columns, whose names look like an AU but are none of FACS."""

    table: AnnotationTable
    passed_over: tuple[str, ...]


def plain_table(path: Path) -> PlainTable | None:
    """Read a plain table, from the sheet with the most AU columns (the first in a tie); None if no sheet has any.

    Columns are ``subject`` (or a similar heading) and AU1, AU2, ... in any order; or ``subject`` and one column of AUs
    like ``4+R12`` or ``AU4, AU7``, from the sheet with the most rows, unless it is the table of a database.

    Raises:
        TableError: there are such columns, but their cells are not annotations; the message names file and row.
        OSError: the file cannot be read.
    """
    grids = grids_of(path)
    headers = [
        (grid, number, named)
        for _, grid in grids
        for number, line in enumerate(grid[:_LAST_HEADER_ROW])
        if (named := [(place, au) for place, cell in enumerate(line) if (au := _action_unit(cell)) is not None])
    ]
    whole = [header for header in headers if "subject" in columns(header[0][header[1]])]
    with_lists = [entry for _, grid in grids if (entry := _subject_and_aus(path, grid))]
    if whole or (headers and not with_lists):  # a cell of AUs may look like a heading
        return _below(path, *max(whole or headers, key=lambda header: len(header[2])))
    if not with_lists or database_of(path):
        return None
    return _of_cells(path, *max(with_lists, key=lambda entry: len(entry[0])))


def _subject_and_aus(path: Path, grid: Sequence[Sequence[object]]) -> tuple[list[Line], int, int] | None:
    """Numbered lines below a header with subject and AUs, and the indices of these two columns."""
    for number, line in enumerate(grid[:_LAST_HEADER_ROW], 1):
        places = {name: indices for name, indices in headings(line).items() if name in ("subject", "au")}
        if len(places) == 2:
            try:
                chosen = chosen_columns(line, grid[number:], places, {})
            except AmbiguousError as error:
                raise TableError(f"{path}, row {number}: {error}; keep one of them") from error
            rows = [(below, row) for below, row in enumerate(grid[number:], number + 1) if not all(map(is_blank, row))]
            return rows, chosen["subject"], chosen["au"]
    return None


def _of_cells(path: Path, rows: Sequence[Line], subject: int, place: int) -> PlainTable:
    if not rows:
        raise TableError(f"{path}: nothing is below its header")
    who = np.array([_who(path, number, row, subject) for number, row in rows])
    units = [_units(path, number, row[place] if place < len(row) else None) for number, row in rows]
    named = frozenset[int]().union(*(one.present | one.uncertain for one in units if one))
    aus = sorted(named & NAMES.keys(), key=lambda au: (au not in UPPER_NAMES, au))
    if len(aus) < 2:
        raise TableError(f"{path}: its rows name {len(aus)} action units of FACS; pairs need at least two")
    mask = np.array([[float(one is not None and au not in one.uncertain) for au in aus] for one in units])
    shown = np.array([[float(one is not None and au in one.present) for au in aus] for one in units])
    table = AnnotationTable(shown * mask, mask, np.full(len(rows), -1), who, tuple(aus))
    return PlainTable(table, tuple(f"AU{au}" for au in sorted(named - NAMES.keys()) if au))


def _who(path: Path, number: int, row: Sequence[object], subject: int) -> str:
    if subject >= len(row) or is_blank(row[subject]):
        raise TableError(f"{path}, row {number}: no subject; name the person who is seen, or delete the row")
    return re.sub(r"^(\d+)\.0$", r"\1", str(row[subject]).strip())


def _units(path: Path, number: int, cell: object) -> ActionUnits | None:
    if str(cell).strip().lower() in UNKNOWN:
        return None
    try:
        return parse_action_units(cell)
    except ValueError as error:
        raise TableError(f"{path}, row {number}: {error}; write AUs as 4+R12, or nothing if unknown") from error


def _below(path: Path, grid: Sequence[Sequence[object]], header: int, named: Sequence[tuple[int, int]]) -> PlainTable:
    line, places = grid[header], _places(path, named)
    names = [f"AU{au}" for au in places]
    if (subject := columns(line).get("subject")) is None:
        raise TableError(f"{path}: it has {', '.join(names)} but no column subject; say in one who is seen")
    rows = [(number, row) for number, row in enumerate(grid[header + 1 :], header + 2) if not all(map(is_blank, row))]
    for number, row in rows:
        if not all(map(is_blank, row[len(line) :])):
            raise TableError(f"{path}, row {number}: it has more cells than the header; give every column a name")
        _who(path, number, row, subject)
    if not rows:
        raise TableError(f"{path}: nothing is below its header")
    marks = np.array([[_mark(path, number, row, place, au) for au, place in places.items()] for number, row in rows])
    mask, who = np.isfinite(marks).astype(float), np.array([str(row[subject]).strip() for _, row in rows])
    table = AnnotationTable(np.nan_to_num(marks), mask, np.full(len(rows), -1), who, tuple(places))
    spelt = tuple(str(cell).strip() for cell in line if re.match(r"au[ _-]?\d", str(cell).strip().lower()))
    return PlainTable(table, tuple(name for name in spelt if _action_unit(name) not in places))


def _places(path: Path, named: Sequence[tuple[int, int]]) -> dict[int, int]:
    """AU -> index of its column, the upper face first."""
    aus = [au for _, au in named]
    if twice := [au for au in aus if aus.count(au) > 1]:
        raise TableError(f"{path}: AU{twice[0]} has {aus.count(twice[0])} columns; keep one")
    known = {au: place for place, au in named if au in NAMES}
    if len(known) < 2:
        raise TableError(f"{path}: it has only one column of an action unit of FACS; pairs need at least two")
    order = sorted(known, key=lambda au: (au not in UPPER_NAMES, au))
    return {au: known[au] for au in order}


def _action_unit(cell: object) -> int | None:
    match = re.fullmatch(r"au[ _-]?0*(\d+)", str(cell).strip().lower())
    return int(match[1]) if match else None


def _mark(path: Path, number: int, row: Sequence[object], place: int, au: int) -> float:
    """0, 1, or NaN if unknown."""
    cell = row[place] if place < len(row) else None
    if is_blank(cell) or str(cell).strip().lower() in UNKNOWN:
        return np.nan
    try:
        mark = float(cell if isinstance(cell, int) else str(cell))  # a workbook may hold true and false
    except ValueError:
        mark = np.nan
    if mark not in (0, 1):
        raise TableError(f"{path}, row {number}: AU{au} is {str(cell)!r}; write 0, 1, or nothing if unknown")
    return mark
