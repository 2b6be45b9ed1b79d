"""Annotation tables as rows of plain values: every row is an annotation or is dropped for a reason."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from data.action_units import ActionUnits, parse_action_units
from data.fixes import Fix, mend
from data.labels import emotion_name
from data.sheets import Row, TableError, is_blank, read_sheet, sha256

_NO_FRAME = {"", "/", "\\", "?", "-", "nan", "none", "n/a"}


class Annotation(NamedTuple):
    """One row of a table.

    Attributes:
        row: line of the file, from 1.
        subject: identity, the unit of splits, spelled as the folders are.
        filename: the clip's name within the subject.
        clip: key, unique in the table.
        onset: first frame; None for the first picture.
        apex: frame of the strongest expression; None where nobody marked it.
        offset: last frame; None where it is unknown.
        fps: frames a second.
        emotion: None where the table has none.
        action_units: None where they are unknown.
        apex_kind: how the table's author came by the apex.
        notes: what was mended or not understood.
    """

    row: int
    subject: str
    filename: str
    clip: str
    onset: int | None
    apex: int | None
    offset: int | None
    fps: int
    emotion: str | None
    action_units: ActionUnits | None
    apex_kind: str = "annotated"
    notes: tuple[str, ...] = ()


class Dropped(NamedTuple):
    """A row that becomes no sample, and why."""

    row: int
    clip: str
    reason: str


class Table(NamedTuple):
    """What a table says.

    Attributes:
        path: the file, or the folder whose files annotate.
        sha256: of its bytes: copies that circulate differ.
        annotations: the usable rows.
        dropped: the others.
        problems: what must be mended in the files first, a line each.
        passed_over: sheets and other files that were looked at and not read, and why, a line each.
    """

    path: Path
    sha256: str
    annotations: tuple[Annotation, ...]
    dropped: tuple[Dropped, ...] = ()
    problems: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()


class Columns(NamedTuple):
    """How one database fills its columns.

    Attributes:
        database: its name, for messages.
        required: columns without which it is another database's table.
        subject: a cell -> the identity; ValueError if it is none of this database.
        filename: likewise.
        key: (subject, filename, onset cell as text) -> unique key of a clip.
        fps: frames a second; None where the table says.
        file: the table's usual name, lower case, with ``*``: to prefer where several fit.
        sheet: sheet to prefer.
        fallback: places of columns whose header has an unknown name.
        needed: frames without which there is no telling which clip a row is about.
        fixes: known mistakes.
        apex_kind: cells -> how the apex came about.
    """

    database: str
    required: tuple[str, ...]
    subject: Callable[[object], str]
    filename: Callable[[object], str]
    key: Callable[[str, str, str], str]
    fps: int | None
    file: str = ""
    sheet: str = ""
    fallback: tuple[tuple[str, int], ...] = ()
    needed: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    apex_kind: Callable[[dict[str, object]], str] = lambda cells: "annotated"


def matching(pattern: str, spell: Callable[[re.Match[str]], str]) -> Callable[[object], str]:
    """A reader of cells: those that match a pattern, in our spelling.

    >>> matching(r"(?:sub)?(\\d+)", lambda found: f"sub{int(found[1]):02d}")(1.0)
    'sub01'
    """
    compiled = re.compile(pattern, re.IGNORECASE)

    def read(cell: object) -> str:
        if is_blank(cell):
            raise ValueError("empty")
        text = re.sub(r"^(\d+)\.0$", r"\1", str(cell).strip())  # a number as spreadsheets may store it
        found = compiled.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r}")
        return spell(found)

    return read


def read_table(path: Path, columns: Columns) -> Table:
    """A table with every row read or dropped; rows that share a key are its problems.

    Raises:
        TableError: the file cannot be read, or is no such table.
    """
    sheet = read_sheet(path, columns.required, columns.sheet, dict(columns.fallback))
    if not sheet.rows:
        raise TableError(f"{path}: the table has a header but no rows")
    _check_database(path, sheet.rows, columns)
    read = [_read_row(row, columns) for row in sheet.rows]
    annotations = tuple(row for row in read if isinstance(row, Annotation))
    dropped = tuple(row for row in read if isinstance(row, Dropped))
    others = [f"{path}, sheet {other!r}: {sheet.title!r} is read instead" for other in sheet.others]
    problems = tuple(repetitions(path, annotations))
    return Table(path, sha256(path), annotations, dropped, problems, tuple(others))


def _check_database(path: Path, rows: tuple[Row, ...], columns: Columns) -> None:
    foreign = [(row, told) for row in rows if (told := _foreign(row, columns))]
    if 2 * len(foreign) > len(rows):
        row, told = foreign[0]
        raise TableError(f"{path}, row {row.number}: {told}; is this the table of another database?")


def _foreign(row: Row, columns: Columns) -> str:
    for column, read in (("Subject", columns.subject), ("Filename", columns.filename)):
        try:
            read(row.cells[column.lower()])
        except ValueError as error:
            return f"{column} is {error}, not as {columns.database} writes it"
    return ""


def _read_row(row: Row, columns: Columns) -> Annotation | Dropped:
    cells = row.cells
    foreign = _foreign(row, columns)
    if foreign:
        return Dropped(row.number, f"row {row.number}", foreign)
    subject, filename = columns.subject(cells["subject"]), columns.filename(cells["filename"])
    clip = columns.key(subject, filename, _plain(cells.get("onset")))
    try:
        frames = {name: frame_number(name, cells.get(name)) for name in ("onset", "apex", "offset")}
        fps = columns.fps or frame_number("fps", str(cells["fps"]).lower().removesuffix("fps"))
        emotion = emotion_name(cells.get("emotion"))
    except ValueError as error:
        return Dropped(row.number, clip, str(error))
    absent = [name for name in columns.needed if frames[name] is None]
    if absent or not fps:
        return Dropped(row.number, clip, f"no {absent[0] if absent else 'fps'} is annotated")
    frames, notes = mend(f"{subject}_{filename}", frames, columns.fixes)
    units, unread = _action_units(cells["au"]) if "au" in cells else (None, ["AUs unknown: there is no such column"])
    apex_kind = columns.apex_kind(cells)
    return Annotation(
        row.number, subject, filename, clip, frames["onset"], frames["apex"], frames["offset"], fps, emotion, units,
        apex_kind, (*notes, *unread),
    )  # fmt: skip


def _plain(onset: object) -> str:
    """An onset as folder names have it: ``12`` for 12.0 and ``012``, ``?`` for none."""
    try:
        number = frame_number("onset", onset)
    except ValueError:
        return str(onset).strip()
    return "?" if number is None else str(number)


def _action_units(cell: object) -> tuple[ActionUnits | None, list[str]]:
    """A cell's AUs, and a note of each thing in it that will be masked or was chosen."""
    told = "" if is_blank(cell) else str(cell).strip()
    try:
        units = parse_action_units(cell)
    except ValueError as error:
        return None, [f"AUs unknown: {error}"]
    if units is None:
        return None, [f"AUs unknown: the cell is {repr(told) if told else 'empty'}"]
    notes = [f"AU {au} unknown: {told!r}" for au in sorted(units.uncertain)]
    return units, [*notes, f"AUs ambiguous: {told!r}"] if units.ambiguous else notes


def frame_number(column: str, cell: object) -> int | None:
    """A frame number or rate; None for an empty cell, ``/`` or ``?``.

    Raises:
        ValueError: anything else that is no whole number from 0.

    >>> frame_number("apex", "12"), frame_number("apex", 12.0), frame_number("apex", "/")
    (12, 12, None)
    """
    if is_blank(cell) or str(cell).strip().lower() in _NO_FRAME:
        return None
    try:
        value = float(str(cell))
    except ValueError:
        value = -1
    if value < 0 or not value.is_integer():
        raise ValueError(f"{column} is {cell!r}, not a whole number from 0")
    return int(value)


def repetitions(path: Path, annotations: tuple[Annotation, ...]) -> Iterator[str]:
    """A line for each key that several rows of a table share; case makes no difference, as in folders."""
    rows: defaultdict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        rows[annotation.clip.casefold()].append(annotation)
    for same in rows.values():
        if len(same) > 1:
            numbers = " and ".join(str(one.row) for one in same)
            yield f"{path}, rows {numbers}: the same clip {same[0].clip}; delete one of them"
