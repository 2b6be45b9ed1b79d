"""The AU strings of annotation tables, read tolerantly."""

import math
import re
from typing import Literal, NamedTuple

Side = Literal["", "L", "R"]

_TOKEN = re.compile(r"(?:AU)?(?P<side>[LRTBA])?(?:AU)?(?P<number>\d{1,2})(?P<intensity>[A-E])?", re.IGNORECASE)
_NO_MUSCLE = re.compile(r"(?:AD|M)\d{1,2}[A-E]?", re.IGNORECASE)
_UNKNOWN = {"", "?", "nan", "none", "/", "-"}


class ActionUnits(NamedTuple):
    """AUs of one clip, each with the side it was seen on (both: empty); whether the coder left a choice."""

    sides: dict[int, Side]
    ambiguous: bool

    @property
    def present(self) -> frozenset[int]:
        """The AUs, whatever their sides."""
        return frozenset(self.sides)


def parse_action_units(cell: object) -> ActionUnits | None:
    """AUs of a table's cell; None where they are unknown, which is not the same as none.

    A token is side? number intensity? with side in L, R, T, B, A and intensity in A to E; separators are
    ``+``, ``,``, ``;`` and white space; of ``a or b`` and ``a/b`` the first counts and the cell is ambiguous.
    Action descriptors (``AD38``) and head movements (``M58``) are no AUs. The same AU left and right is one
    AU, both sides.

    Raises:
        ValueError: a token is none of these.

    >>> parse_action_units("R1+L1+L12B, AD38")
    ActionUnits(sides={1: '', 12: 'L'}, ambiguous=False)
    >>> parse_action_units("4 or 9").present, parse_action_units("?"), parse_action_units(float("nan"))
    (frozenset({4}), None, None)
    """
    text = _text(cell)
    if text.lower() in _UNKNOWN:
        return None
    first_choice, num_choices = re.subn(r"\s*(?:/|\bor\b)\s*[^+,;\s]+", "", text, flags=re.IGNORECASE)
    sides: dict[int, Side] = {}
    for token in filter(None, re.split(r"[+,;\s]+", first_choice)):
        if _NO_MUSCLE.fullmatch(token):
            continue
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"AU cell {text!r}: {token!r} is not an action unit")
        number, letter = int(match["number"]), (match["side"] or "").upper()
        side: Side = "L" if letter == "L" else "R" if letter == "R" else ""
        sides[number] = side if sides.get(number, side) == side else ""
    return ActionUnits(sides, num_choices > 0)


def _text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
