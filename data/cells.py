"""Cells of annotation tables, read one row at a time."""

import re
from collections.abc import Mapping
from datetime import date

from data.action_units import ActionUnits, parse_action_units
from data.grids import is_blank

FrameNumbers = dict[str, int | None]
_NO_FRAME = {"", "/", "\\", "?", "-", "--", "—", "nan", "none", "n/a", "na", "null", "nil", "无"}
_NO_FRAME_NUMBER = -1  # how programs write that there is none


def frame_number(column: str, cell: object) -> int | None:
    """A frame number or rate; None for an empty cell, ``/`` or ``?``.

    Raises:
        ValueError: anything else that is no whole number from 0.

    >>> frame_number("apex", "12"), frame_number("apex", 12.0), frame_number("apex", "/")
    (12, 12, None)
    """
    if is_blank(cell) or str(cell).strip().lower() in _NO_FRAME:
        return None
    text = str(cell).strip()
    if text.startswith("="):
        raise ValueError(
            f"{column} is the formula {text!r} without its value: save the table again in a spreadsheet program"
        )
    if isinstance(cell, date):
        raise ValueError(f"{column} is the date {text!r}, not a whole number from 0")
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**31 or not value.is_integer():
        raise ValueError(f"{column} is {cell!r}, not a whole number from 0")
    return int(value)


def frame_numbers(cells: Mapping[str, object]) -> tuple[FrameNumbers, list[str]]:
    """Onset, apex and offset of a row, and what was taken as none: -1, and an apex that is no frame.

    Raises:
        ValueError: an onset or offset is no frame.

    >>> frame_numbers({"onset": 5, "apex": "-4", "offset": -1})[0]
    {'onset': 5, 'apex': None, 'offset': None}
    """
    frames: FrameNumbers = {}
    notes = []
    for name in ("onset", "apex", "offset"):
        cell = cells.get(name)
        try:
            frames[name] = frame_number(name, cell)
        except ValueError as error:
            if name != "apex" and _number(cell) != _NO_FRAME_NUMBER:
                raise
            frames[name] = None
            notes.append(f"{error}: taken as none")
    return frames, notes


def _number(cell: object) -> float | None:
    return float(str(cell)) if re.fullmatch(r"\s*-?\d+(\.\d*)?\s*", str(cell)) else None


def folder_number(onset: object) -> str:
    """An onset as in folder names: ``12`` for 12.0 and ``012``, ``?`` for none."""
    try:
        number = frame_number("onset", onset)
    except ValueError:
        return str(onset).strip()
    return "?" if number is None else str(number)


def action_units(cell: object) -> tuple[ActionUnits | None, list[str]]:
    """The AUs of a cell, with a note about everything that will be masked or that was a choice."""
    told = "" if is_blank(cell) else str(cell).strip()
    try:
        units = parse_action_units(cell)
    except ValueError as error:
        return None, [f"AUs unknown: {error}"]
    if units is None:
        return None, [f"AUs unknown: the cell is {repr(told) if told else 'empty'}"]
    notes = [f"AU {au} unknown: {told!r}" for au in sorted(units.uncertain)]
    return units, [*notes, f"AUs ambiguous: {told!r}"] if units.ambiguous else notes
