"""Read table files of any program and suffix as grids of cells."""

import csv
import hashlib
import math
import zipfile
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from data.text import decoded

TABLE_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv", ".txt")
_WORKBOOKS = (".xlsx", ".xlsm", ".xls")
_DELIMITERS = (",", ";", "\t", "|")
_LARGEST = 20 * 2**20  # bytes; ten thousand rows take one of them
_COMPOUND = b"\xd0\xcf\x11\xe0"  # how old Office files begin
_BARE = tuple(bytes([9, version, size, 0]) for version in (0, 2, 4, 8) for size in (4, 6, 8, 16))  # without that shell
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_PAGE = (b"<html", b"<!doctype", b"<table", b"<?xml")

Grid = list[list[object]]


class TableError(ValueError):
    """An annotation table that cannot be used; the message names the file and the row."""


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


def grids_of(path: Path) -> list[tuple[str, Grid]]:
    """(title, cells) of every sheet; of a text file, of every way to read it, without titles.

    The content decides how a file is read, not its suffix: text files are often named ``.xls``.

    Raises:
        TableError: the file cannot be read, or is no table.
    """
    if path.is_file() and path.stat().st_size > _LARGEST:
        raise TableError(f"{path}: too large for an annotation table")
    content = content_of(path)
    if content.startswith(b"PK") and (path.suffix.lower() in _WORKBOOKS or zipfile.is_zipfile(BytesIO(content))):
        return _read(path, content, _workbook)
    if content.startswith(_COMPOUND) and _ENCRYPTED in content:
        raise TableError(f"{path}: protected by a password; save it without one")
    if content.startswith((_COMPOUND, *_BARE)):
        return _read(path, content, _old_workbook)
    if content.lstrip().lower().startswith(_PAGE):
        raise TableError(
            f"{path}: a web page or XML, not a table; open it in a spreadsheet program and save it as .xlsx"
        )
    return [("", grid) for grid in _text_tables(path, content)]


def encoding_of(path: Path) -> str:
    """The encoding of a text file that had to be guessed; empty where there was nothing to guess.

    Raises:
        TableError: the file cannot be read.
    """
    try:
        return decoded(content_of(path)).encoding
    except ValueError as error:
        if isinstance(error, TableError):
            raise
        return ""


def _read(path: Path, content: bytes, reader: Any) -> list[tuple[str, Grid]]:
    try:
        return list(reader(content))
    except Exception as error:
        raise TableError(f"{path}: not a readable Excel workbook ({error}); copy it again") from error


def _workbook(content: bytes) -> Iterator[tuple[str, Grid]]:
    """Sheets of .xlsx: of formulas the value, or where none was saved the formula, to be refused where it is read."""
    import openpyxl

    with catch_warnings():
        simplefilter("ignore")  # openpyxl warns of extensions that hold no cells
        valued = openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=True)
        written = openpyxl.load_workbook(BytesIO(content), read_only=True) if _has_formulas(content) else valued
        for page in valued.worksheets:
            grid = _cells(page)
            if written is not valued:
                grid = [
                    [formula if value is None else value for value, formula in zip(values, formulas, strict=True)]
                    for values, formulas in zip(grid, _cells(written[page.title]), strict=True)
                ]
            yield page.title, grid
        valued.close()
        written.close()


def _cells(page: Any) -> Grid:
    page.reset_dimensions()  # some programs state them wrongly
    return [list(line) for line in page.iter_rows(values_only=True)]


def _has_formulas(content: bytes) -> bool:
    with zipfile.ZipFile(BytesIO(content)) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/")]
        return any(b"<f>" in text or b"<f " in text for text in map(parts.read, sheets))


def _old_workbook(content: bytes) -> Iterator[tuple[str, Grid]]:
    """Sheets of .xls; whole numbers as whole numbers, as .xlsx has them."""
    import xlrd

    book = xlrd.open_workbook(file_contents=content, logfile=StringIO())
    for page in book.sheets():
        yield page.name, [[_old_cell(cell, book.datemode) for cell in line] for line in page.get_rows()]


def _old_cell(cell: Any, datemode: int) -> object:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_NUMBER:
        return int(cell.value) if float(cell.value).is_integer() else cell.value
    if cell.ctype == xlrd.XL_CELL_DATE:
        return xlrd.xldate_as_datetime(cell.value, datemode)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "#ERROR")
    return None if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK) else cell.value


def _text_tables(path: Path, content: bytes) -> Iterator[Grid]:
    try:
        text = decoded(content).text.rstrip("\x1a")  # the end of a file, for very old programs
        for delimiter in _DELIMITERS:
            yield [list(line) for line in csv.reader(StringIO(text, newline=""), delimiter=delimiter)]
    except (ValueError, csv.Error) as error:
        kind = "not a readable Excel workbook" if path.suffix.lower() in _WORKBOOKS else "not a CSV table"
        raise TableError(f"{path}: {kind} ({error}); export it again, in UTF-8") from error
    words = [list[object](line.split()) for line in text.splitlines()]
    if len({len(line) for line in words if line}) == 1:
        yield words
