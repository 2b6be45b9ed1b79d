"""Expressions and blinks of long videos, as data for spotting: ``python -m data.intervals TABLE --output FILE.csv``.

Reads ``CAS(ME)3_part_A_v2.xls`` (micro- and macro-expressions, and a sheet of eye blinks) and tables like it, and
writes a line for each interval: subject, video, frames and kind.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import tyro
from rich.console import Console

from data.annotations import Dropped
from data.casme3.layout import COLUMNS
from data.cells import frame_numbers
from data.fixes import mend
from data.grids import TableError, is_blank, sha256
from data.headings import letters
from data.sheets import Row, Sheet, fitting_sheets
from data.telling import Lines, by_kind
from fedpsyau_jax.options import parsed

Kind = Literal["micro", "macro", "blink"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_REQUIRED = ("subject", "filename", "onset", "offset")
_HEADINGS = (
    *(("kind", word) for word in ("expressiontype", "type", "kind", "expressionkind", "表情类型", "类型")),
    *(("onset", word) for word in ("start", "startframe", "begin")),
    *(("offset", word) for word in ("end", "endframe")),
)
_WORDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("blink", ("blink", "眨眼")),
    ("macro", ("macro", "mae", "宏表情")),
    ("micro", ("micro", "mie", "me", "微表情")),
)


class Interval(NamedTuple):
    """An expression or a blink.

    Attributes:
        subject: identity, as of Part A's samples.
        video: letter of the recording within the subject; its frames lie in ``part_A/{subject}/{video}/color/``.
        onset: first frame.
        apex: strongest frame; None where nobody marked it.
        offset: last frame.
        kind: micro-expression, macro-expression or blink.
        sheet: sheet of the table.
        row: line of it, from 1.
        notes: what was mended or taken as none.
    """

    subject: str
    video: str
    onset: int
    apex: int | None
    offset: int
    kind: Kind
    sheet: str
    row: int
    notes: tuple[str, ...] = ()


class Intervals(NamedTuple):
    """The content of a table.

    Attributes:
        intervals: sorted by subject, video and onset.
        dropped: rows that are none, by sheet and line, and why.
        passed_over: sheets that were not read, and why.
    """

    intervals: tuple[Interval, ...]
    dropped: tuple[Dropped, ...]
    passed_over: tuple[str, ...]


def read_intervals(path: Path) -> Intervals:
    """All sheets of a table that have a subject, a file name, an onset and an offset.

    The kind of a row is given by a column ``Expression type``, else by the sheet's title, else by the file's name.

    Args:
        path: a workbook or text.

    Raises:
        TableError: no sheet is such a table, or nothing says what its rows are.
    """
    readers = {"subject": COLUMNS.subject, "filename": COLUMNS.filename}
    sheets, others = fitting_sheets(path, _REQUIRED, readers=readers, also=_HEADINGS)
    read = [row for sheet in sheets for row in _rows(sheet)]
    intervals = [row for row in read if isinstance(row, Interval)]
    dropped = [row for row in read if isinstance(row, Dropped)]
    if not intervals:
        reasons = "; ".join(reason for reason, _ in Counter(row.reason for row in dropped).most_common(2))
        raise TableError(f"{path}: no row is an interval{f' ({reasons})' if reasons else ''}")
    kept, repeated = _without_repetitions(intervals)
    order = sorted(kept, key=lambda one: (*_number(one.subject), one.video, one.onset, one.offset))
    return Intervals(
        tuple(order), (*dropped, *repeated), tuple(f"sheet {title!r}: {why}" for title, why in others if title)
    )


def _rows(sheet: Sheet) -> Iterable[Interval | Dropped]:
    usual = None if "kind" in sheet.header else _kind(sheet.title) or _kind(sheet.path.stem)
    if "kind" not in sheet.header and usual is None:
        raise TableError(
            f"{sheet.path}, sheet {sheet.title!r}: nothing says whether its rows are micro- or macro-expressions or "
            "blinks; add a column `Expression type`, or name the sheet micro, macro or blink"
        )
    return [_row(sheet, row, usual) for row in sheet.rows]


def _row(sheet: Sheet, row: Row, usual: Kind | None) -> Interval | Dropped:
    place = f"{sheet.title}, row {row.number}" if sheet.title else f"row {row.number}"
    cells = row.cells
    try:
        subject, video = COLUMNS.subject(cells["subject"]), COLUMNS.filename(cells["filename"])
        frames, notes = frame_numbers(cells)
    except ValueError as error:
        return Dropped(row.number, place, f"a cell is {error}" if str(error).startswith(("'", "empty")) else str(error))
    mended, fixed = mend(f"{subject}_{video}", frames, COLUMNS.fixes)
    onset, apex, offset = mended["onset"], mended["apex"], mended["offset"]
    said = "" if is_blank(cells.get("kind")) else str(cells.get("kind")).strip()
    kind = _kind(said) if "kind" in cells else usual
    if onset is None or offset is None:
        return Dropped(row.number, place, f"no {'onset' if onset is None else 'offset'} is annotated")
    if offset < onset:
        return Dropped(row.number, place, f"the offset {offset} lies before the onset {onset}")
    if kind is None:
        told = f"{said!r} is neither a micro- or macro-expression nor a blink" if said else "no type is annotated"
        return Dropped(row.number, place, told)
    if apex is not None and not onset <= apex <= offset:
        notes.append(f"the apex {apex} lies outside {onset} to {offset}: taken as none")
        apex = None
    return Interval(subject, video, onset, apex, offset, kind, sheet.title, row.number, (*notes, *fixed))


def _kind(text: str) -> Kind | None:
    """What a cell, title or file name says.

    >>> _kind("Macro-expression"), _kind("eye blinks"), _kind("cas(me)3_part_A_ME_label"), _kind("label")
    ('macro', 'blink', 'micro', None)
    """
    words = [letters(word) for word in text.replace("_", " ").replace("-", " ").replace("(me)", " ").split()]
    for kind, known in _WORDS:
        if any(word == name or (len(name) > 3 and word.startswith(name)) for word in words for name in known):
            return kind
    return next((kind for kind, known in _WORDS if any(not name.isascii() and name in text for name in known)), None)


def _without_repetitions(intervals: Sequence[Interval]) -> tuple[list[Interval], list[Dropped]]:
    first: dict[tuple[object, ...], Interval] = {}
    repeated = []
    for one in intervals:
        same = first.setdefault((one.subject, one.video, one.onset, one.offset, one.kind), one)
        if same is not one:
            repeated.append(Dropped(one.row, f"{one.sheet}, row {one.row}", f"the same interval as in row {same.row}"))
    return list(first.values()), repeated


def _number(subject: str) -> tuple[int, str]:
    return int("".join(filter(str.isdigit, subject)) or 0), subject


def summary(path: Path, found: Intervals) -> Lines:
    """A summary of the intervals, in a few lines."""
    kinds = Counter(one.kind for one in found.intervals)
    videos = {(one.subject, one.video) for one in found.intervals}
    counts = ", ".join(f"{kind} {kinds[kind]}" for kind in KINDS if kinds[kind])
    lines = [("table", f"{path.name}, SHA-256 {sha256(path)[:16]}")]
    lines += [("not read", told) for told in found.passed_over]
    lines.append(
        ("intervals", f"{len(found.intervals)} in {len(videos)} videos of {len({who for who, _ in videos})} subjects")
    )
    lines.append(("kinds", counts))
    notes = (
        (f"{one.sheet}, row {one.row}" if one.sheet else one.row, note) for one in found.intervals for note in one.notes
    )
    lines += [(f"noted: {note}", places) for note, places in by_kind(notes)]
    return lines + [
        (f"dropped: {why}", places) for why, places in by_kind((row.clip, row.reason) for row in found.dropped)
    ]


def write_intervals(path: Path, intervals: Iterable[Interval]) -> None:
    """Write a CSV with a line for each interval, and a heading for each field; an unknown apex is empty.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(Interval._fields)
        writer.writerows([*one[:-1], "; ".join(one.notes)] for one in intervals)


@dataclass(frozen=True)
class Options:
    """Micro- and macro-expressions and blinks of a table, as data for spotting."""

    table: tyro.conf.Positional[Path]
    """The table, as CAS(ME)3_part_A_v2.xls."""
    output: Path | None = None
    """CSV to write; without it only the counts are shown."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 2 and one message on bad input."""
    try:
        options = parsed(Options, arguments, prog="python -m data.intervals", description=Options.__doc__)
        found = read_intervals(options.table.expanduser())
        console = Console(soft_wrap=True)
        for name, value in summary(options.table.expanduser(), found):
            console.print(f"{name}: {value}", markup=False, highlight=False)
        if options.output:
            write_intervals(options.output.expanduser(), found.intervals)
            console.print(f"written: {options.output}", markup=False, highlight=False)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
