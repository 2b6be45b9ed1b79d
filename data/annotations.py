"""Annotation tables as rows of plain values: every row is an annotation or is dropped for a reason."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from data.action_units import ActionUnits
from data.cells import action_units, folder_number, frame_number, frame_numbers
from data.fixes import Fix, mend
from data.grids import TableError, is_blank, sha256
from data.labels import emotion_name, emotion_number
from data.sheets import Row, read_sheet


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
        notes: what was corrected or not understood.
        emotion_number: the number by which the table names the emotion, if it uses numbers.
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
    emotion_number: int | None = None


class Dropped(NamedTuple):
    """A row that gives no sample, and the reason."""

    row: int
    clip: str
    reason: str


class Table(NamedTuple):
    """The content of a table.

    Attributes:
        path: the file, or the folder whose files annotate.
        sha256: of its bytes: copies that circulate differ.
        annotations: the usable rows.
        dropped: the others.
        problems: what must be corrected in the files first, one line each.
        passed_over: sheets and other files that were looked at and not read, and why, a line each.
        headings: our column name -> the heading of the table that was matched to it.
        remarks: what was chosen in reading it, a line each.
        emotion_numbers: what this database's tables mean by numbers of emotions.
    """

    path: Path
    sha256: str
    annotations: tuple[Annotation, ...]
    dropped: tuple[Dropped, ...] = ()
    problems: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    headings: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()
    emotion_numbers: Mapping[int, str | None] = {}


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
        filled: whether copies circulate in which midpoints were filled in for apexes.
        emotion_numbers: what its tables mean by numbers of emotions.
        spellings: (our column name, letters of a heading) that only its tables use.
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
    filled: bool = False
    emotion_numbers: Mapping[int, str | None] = {}
    spellings: tuple[tuple[str, str], ...] = ()


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
    readers = {"subject": columns.subject, "filename": columns.filename}
    sheet = read_sheet(path, columns.required, columns.sheet, dict(columns.fallback), readers, columns.spellings)
    if not sheet.rows:
        raise TableError(f"{path}: the table has a header but no rows")
    _check_database(path, sheet.rows, columns)
    read = [_read_row(row, columns) for row in sheet.rows]
    annotations = tuple(row for row in read if isinstance(row, Annotation))
    annotations, remark = with_filled_midpoints(annotations) if columns.filled else (annotations, [])
    return Table(
        path,
        sha256(path),
        annotations,
        dropped=tuple(row for row in read if isinstance(row, Dropped)),
        problems=tuple(repetitions(path, annotations)),
        passed_over=tuple(f"{path}, sheet {other!r}: {sheet.title!r} is read instead" for other in sheet.others),
        headings=sheet.header,
        remarks=(*sheet.remarks, *remark),
        emotion_numbers=columns.emotion_numbers,
    )


def with_filled_midpoints(annotations: tuple[Annotation, ...]) -> tuple[tuple[Annotation, ...], list[str]]:
    """Annotations whose apex may have been filled in, and a remark if some may.

    CAS(ME)^3's own table gives the onset as the apex where nobody marked one. In a copy without any such row, an
    apex of ceil((onset + offset) / 2) was filled in, or is there by chance: nothing in the rows tells.
    """
    usual = [row for row in annotations if row.apex is not None and row.apex == row.onset]
    if usual or not annotations:
        return annotations, []
    places = [place for place, row in enumerate(annotations) if _is_midpoint(row)]
    marked = list(annotations)
    for place in places:
        marked[place] = annotations[place]._replace(apex_kind="midpoint")
    told = f"no row gives its onset as its apex: {len(places)} apexes at the midpoint may have been filled in"
    return tuple(marked), [told] if places else []


def _is_midpoint(row: Annotation) -> bool:
    if row.onset is None or row.offset is None:
        return False
    return row.apex == -((row.onset + row.offset) // -2)


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
    clip = columns.key(subject, filename, folder_number(cells.get("onset")))
    try:
        frames, markers = frame_numbers(cells)
        fps = columns.fps or frame_number("fps", str(cells["fps"]).lower().removesuffix("fps"))
        number = emotion_number(cells.get("emotion"))
        emotion = emotion_name(cells.get("emotion")) if number is None else None
    except ValueError as error:
        return Dropped(row.number, clip, str(error))
    absent = [name for name in columns.needed if frames[name] is None]
    if absent or not fps:
        return Dropped(row.number, clip, f"no {absent[0] if absent else 'fps'} is annotated")
    mended, notes = mend(f"{subject}_{filename}", frames, columns.fixes)
    if mended["onset"] != frames["onset"]:
        clip = columns.key(subject, filename, folder_number(mended["onset"]))
    units, unread = action_units(cells["au"]) if "au" in cells else (None, ["AUs unknown: there is no such column"])
    return Annotation(
        row.number, subject, filename, clip, mended["onset"], mended["apex"], mended["offset"], fps, emotion, units,
        notes=(*markers, *notes, *unread), emotion_number=number,
    )  # fmt: skip


def repetitions(path: Path, annotations: tuple[Annotation, ...]) -> Iterator[str]:
    """A line for each key that several rows of a table share; case makes no difference, as in folders."""
    rows: defaultdict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        rows[annotation.clip.casefold()].append(annotation)
    for same in rows.values():
        if len(same) > 1:
            numbers = " and ".join(str(one.row) for one in same)
            yield f"{path}, rows {numbers}: the same clip {same[0].clip}; delete one of them"
