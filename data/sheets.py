"""Annotation tables as they circulate (xlsx, csv, txt): the header is looked for, never assumed."""

import codecs
import csv
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings, simplefilter

_FRAME_WORDS = (
    "", "frame", "f", "index", "idx", "f1", "frame1", "no", "num", "number", "frameno", "framenum", "framenumber",
    "frameindex", "frameidx",
)  # fmt: skip
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "subject": (
        "subject", "subjects", "subjectid", "subjectno", "subjectnumber", "subjectname", "subjectindex", "subid",
        "subj", "sub", "participant",
    ),
    "filename": ("filename", "file", "clip", "clipname", "clipid", "video", "videoname", "videoid", "sequence"),
    **{name: tuple(name + word for word in _FRAME_WORDS) for name in ("onset", "apex", "offset")},
    "au": (
        "actionunits", "actionunit", "aus", "facs", "facscoding", "facscode", "facsau", "ausfacs", "aulabel", "aulist",
        "aucode", "au",
    ),
    "emotion": (
        "emotion", "estimatedemotion", "emotionlabel", "emotionclass", "emotioncategory", "emotiontype", "emotionname",
        "emotions", "expression",
    ),
    "fps": ("fps", "framerate", "framespersecond"),
}  # fmt: skip
_ALL_SPELLINGS = frozenset(chain.from_iterable(SPELLINGS.values()))
_DELIMITERS = (",", ";", "\t", "|")
TABLE_SUFFIXES = (".xlsx", ".xlsm", ".csv", ".tsv", ".txt")
_LAST_HEADER_ROW = 60
_NEAR = 0.88
_LARGEST = 20 * 2**20  # bytes; ten thousand rows take one of them
_BINARY = frozenset(range(32)) - frozenset(b"\t\n\v\f\r")


Grid = list[list[object]]


class TableError(ValueError):
    """An annotation table that cannot be used; the message names the file and the row."""


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
    """

    path: Path
    title: str
    header: dict[str, str]
    rows: tuple[Row, ...]
    others: tuple[str, ...] = ()


def read_sheet(
    path: Path, required: Sequence[str], preferred: str = "", fallback: Mapping[str, int] | None = None
) -> Sheet:
    """The sheet of a file whose header has all required columns.

    The header may be on a later row, in any order, with blank columns between, in any spelling near those of
    ``SPELLINGS``; sheets and further columns that are not asked for are passed over. Of several such sheets the
    preferred one, else the one with the most rows.

    Args:
        path: xlsx, or csv, tsv or txt (comma, semicolon, tab, ``|`` or, where no cell is empty or holds any, blanks
            between cells; UTF-8, UTF-16 or Western European).
        required: our names of columns, keys of ``SPELLINGS``.
        preferred: the sheet's usual title.
        fallback: places of columns, from 0, whose header has a name that nobody knows.

    Raises:
        TableError: the file cannot be read, is no table, or no sheet has such a header.
    """
    grids = grids_of(path)
    found = [_below_header(path, title, grid, required, fallback or {}) for title, grid in grids]
    fitting = [sheet for sheet in found if sheet]
    if not fitting:
        raise TableError(f"{path}: {_closest_header(grids, required)}; is this the table or sheet of another database?")
    best = max(
        fitting, key=lambda sheet: (bool(sheet.rows), _letters(sheet.title) == _letters(preferred), len(sheet.rows))
    )
    return best._replace(others=tuple(sheet.title for sheet in fitting if sheet is not best))


def _below_header(
    path: Path, title: str, grid: Grid, required: Sequence[str], fallback: Mapping[str, int]
) -> Sheet | None:
    for number, line in enumerate(grid[:_LAST_HEADER_ROW], 1):
        places = columns(line)
        if places.keys() >= set(required):
            places = {name: place for name, place in fallback.items() if place < len(line)} | places
            header = {name: str(line[place]).strip() for name, place in places.items()}
            return Sheet(path, title, header, tuple(_rows(grid, number, places)))
    return None


def columns(line: Sequence[object]) -> dict[str, int]:
    """Our column names -> places of a header line's cells.

    >>> columns(["Subject", None, "Onset Frame", "OffestFrame", "Estimated Emotion (7)"])
    {'subject': 0, 'onset': 2, 'emotion': 4, 'offset': 3}
    """
    letters = [_known_letters(cell) if isinstance(cell, str) else "" for cell in line]
    places = {}
    for name, spellings in SPELLINGS.items():
        known = next((spelling for spelling in spellings if spelling in letters), None)
        if known:
            places[name] = letters.index(known)
    for name in [name for name in SPELLINGS if name not in places]:
        unclaimed = [word for i, word in enumerate(letters) if len(word) > 3 and i not in places.values()]
        near = [word for spelling in SPELLINGS[name] for word in _nearest(spelling, unclaimed)]
        if near:
            places[name] = letters.index(near[0])
    return places


def _nearest(spelling: str, words: Sequence[str]) -> list[str]:
    near = [word for word in words if spelling in _near(word)]
    return get_close_matches(spelling, near, 1, _NEAR) if near else []


@lru_cache(maxsize=100_000)
def _near(word: str) -> frozenset[str]:
    """Spellings that a word is near to. Comparing is slow, tables repeat their words, and a number is near to none."""
    if word.isdigit():
        return frozenset()
    return frozenset(spelling for spelling in _ALL_SPELLINGS if get_close_matches(spelling, [word], 1, _NEAR))


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _known_letters(heading: str) -> str:
    """A heading's letters; without what stands in brackets, where that makes a name that we know."""
    shorter = _letters(re.sub(r"[(\[].*?[)\]]", "", heading))
    return shorter if _letters(heading) not in _ALL_SPELLINGS and shorter in _ALL_SPELLINGS else _letters(heading)


def content_of(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        TableError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from error


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    return hashlib.sha256(content_of(path)).hexdigest()


def is_blank(cell: object) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell).strip() == ""


def _rows(grid: Grid, start: int, places: dict[str, int]) -> Iterator[Row]:
    for number, line in enumerate(grid[start:], start + 1):
        cells = {name: line[place] if place < len(line) else None for name, place in places.items()}
        if not all(is_blank(cell) for cell in cells.values()):
            yield Row(number, cells)


def _closest_header(grids: Sequence[tuple[str, Grid]], required: Sequence[str]) -> str:
    missing, title = min(
        (
            ([name for name in required if name not in columns(line)], title)
            for title, grid in grids
            for line in grid[:_LAST_HEADER_ROW]
        ),
        key=lambda found: len(found[0]),
        default=(list(required), ""),
    )
    where = f"sheet {title!r} has" if title else "there is"
    return f"{where} no column {', '.join(missing)}"


def grids_of(path: Path) -> list[tuple[str, Grid]]:
    """(title, cells) of every sheet; of a text file, of every way to read it, without titles.

    Raises:
        TableError: the file cannot be read, or is no table.
    """
    if path.is_file() and path.stat().st_size > _LARGEST:
        raise TableError(f"{path}: too large for an annotation table")
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return _workbook(path)
    if path.suffix.lower() == ".xls":
        raise TableError(f"{path}: the old Excel format; save it as .xlsx")
    return [("", grid) for grid in _text_tables(path)]


def _workbook(path: Path) -> list[tuple[str, Grid]]:
    import openpyxl

    content = BytesIO(content_of(path))
    try:
        with catch_warnings():
            simplefilter("ignore")  # openpyxl warns of extensions that hold no cells
            book = openpyxl.load_workbook(content, read_only=True, data_only=True)
            grids = []
            for page in book.worksheets:
                page.reset_dimensions()  # some programs state them wrongly
                grids.append((page.title, [list(line) for line in page.iter_rows(values_only=True)]))
            book.close()
    except Exception as error:
        raise TableError(f"{path}: not a readable Excel workbook ({error}); copy it again") from error
    return grids


def _text_tables(path: Path) -> Iterator[Grid]:
    try:
        lines = _decoded(content_of(path)).splitlines()
        for delimiter in _DELIMITERS:
            yield [list(line) for line in csv.reader(lines, delimiter=delimiter)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: not a CSV table ({error}); export it again, in UTF-8") from error
    words = [list[object](line.split()) for line in lines]
    if len({len(line) for line in words if line}) == 1:
        yield words


def _decoded(content: bytes) -> str:
    """Text as spreadsheet programs export it; what is not Unicode is Western European, if it is text at all."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if set(content) & _BINARY:
            raise
        return content.decode("cp1252")
