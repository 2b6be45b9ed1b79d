"""Annotation tables as rows of plain values, and the DFME challenge release's table."""

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple

from data.action_units import ActionUnits, parse_action_units


class TableError(ValueError):
    """An annotation table that cannot be used; the message names the file and the row."""


class Annotation(NamedTuple):
    """One row of a table.

    Attributes:
        row: line of the file, from 1.
        subject: identity, the unit of splits.
        clip: key, unique in the table.
        onset: first frame.
        apex: frame of the strongest expression.
        offset: last frame.
        fps: frames a second.
        emotion: None where the table has none.
        action_units: None where they are unknown.
    """

    row: int
    subject: str
    clip: str
    onset: int
    apex: int
    offset: int
    fps: int
    emotion: str | None
    action_units: ActionUnits | None


class Table(NamedTuple):
    """A table's rows and the SHA-256 of its file: copies that circulate differ."""

    path: Path
    sha256: str
    annotations: tuple[Annotation, ...]


CHALLENGE_COLUMNS = (
    "Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Emotion", "EmotionId", "Fps", "AU",
)  # fmt: skip


def read_challenge_table(path: Path) -> Table:
    """The table of the DFME challenge release (CCAC 2024) as CSV.

    Raises:
        TableError: the file is no such table, or a row of it is unusable.
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    try:
        lines = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: not a CSV table in UTF-8 ({error}); export it again") from error
    names = {name.strip().lower(): place for place, name in enumerate(lines[0] if lines else [])}
    absent = [name for name in CHALLENGE_COLUMNS if name.lower() not in names]
    if absent:
        raise TableError(f"{path}, row 1: no column {', '.join(absent)}; is this the table of another database?")
    places = [names[name.lower()] for name in CHALLENGE_COLUMNS]
    rows = [(number, line) for number, line in enumerate(lines[1:], 2) if any(cell.strip() for cell in line)]
    annotations = tuple(_challenge_row(path, number, line, places) for number, line in rows)
    check_unique(path, annotations)
    return Table(path, hashlib.sha256(content).hexdigest(), annotations)


def _challenge_row(path: Path, number: int, line: list[str], places: list[int]) -> Annotation:
    if len(line) <= max(places):
        raise TableError(f"{path}, row {number}: {len(line)} cells where {max(places) + 1} are needed")
    subject, clip, onset, apex, offset, emotion, _, fps, action_units = (line[place].strip() for place in places)
    try:
        frames = [
            _whole(column, cell) for column, cell in zip(CHALLENGE_COLUMNS[2:5], (onset, apex, offset), strict=True)
        ]
        rate = _whole("Fps", fps)
        units = parse_action_units(action_units)
    except ValueError as error:
        raise TableError(f"{path}, row {number}: {error}") from error
    if not subject or not clip:
        raise TableError(f"{path}, row {number}: Subject or Filename is empty")
    first, strongest, last = frames
    return Annotation(number, subject, clip, first, strongest, last, rate, emotion.lower() or None, units)


def _whole(column: str, cell: str) -> int:
    try:
        value = float(cell)
    except ValueError:
        value = -1
    if value < 0 or not value.is_integer():
        raise ValueError(f"{column} is {cell!r}, not a frame number or rate")
    return int(value)


def check_unique(path: Path, annotations: tuple[Annotation, ...]) -> None:
    """Refuse a table in which two rows have one key.

    Raises:
        TableError: naming both rows.
    """
    seen: dict[str, int] = {}
    for annotation in annotations:
        if annotation.clip in seen:
            rows = f"rows {seen[annotation.clip]} and {annotation.row}"
            raise TableError(f"{path}, {rows}: the same clip {annotation.clip}; delete one of them")
        seen[annotation.clip] = annotation.row
