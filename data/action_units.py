"""The AU strings of annotation tables, read tolerantly."""

import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal, NamedTuple

Side = Literal["", "L", "R"]

_TOKEN = re.compile(
    r"(?:AU)?(?P<side>[LRTBA]{1,2})?(?:AU)?(?P<number>\d{1,2})(?P<intensity>[A-E])?(?P<doubt>\?)?", re.IGNORECASE
)
_NO_MUSCLE = re.compile(r"(?:AD|M)\d{1,2}[A-E]?", re.IGNORECASE)
_REMARK = re.compile(r"[a-z]{2,}", re.IGNORECASE)
_REFERENCE = re.compile(r"\bref\s*\(([^)]*)\)", re.IGNORECASE)
_SIDES_CHOICE = re.compile(r"\b([LRTBA]{1,2})\s*/\s*[LRTBA]{1,2}(?=\d)", re.IGNORECASE)
_CHOICE = re.compile(r"\s*(?:/|\bor\b)\s*[^+,;\s]+", re.IGNORECASE)
_UNKNOWN = {"", "?", "nan", "none", "/", "-"}


class ActionUnits(NamedTuple):
    """AUs of one clip, each with the side it was seen on (both: empty).

    Attributes:
        sides: AU -> side.
        ambiguous: whether the coder left a choice or a remark beside the AUs.
        uncertain: AUs of which the cell does not say whether they are present.
    """

    sides: dict[int, Side]
    ambiguous: bool
    uncertain: frozenset[int] = frozenset()

    @property
    def present(self) -> frozenset[int]:
        """The AUs, whatever their sides."""
        return frozenset(self.sides)


def parse_action_units(cell: object) -> ActionUnits | None:
    """AUs of a table's cell; None where they are unknown, which is not the same as none.

    A token is side? number intensity? with side one or two of L, R, T, B, A and intensity in A to E; separators
    are ``+``, ``,``, ``;`` (full-width ones, too) and white space; of ``a or b`` and ``a/b`` the first counts and
    the cell is ambiguous. Action descriptors (``AD38``) and head movements (``M58``) are no AUs. The same AU left
    and right is one AU, both sides. ``ref(7B)``, an AU of the face at rest [inferred from SAMM], is uncertain.
    Words beside AUs (``soft focus``) are remarks and make the cell ambiguous; ``12?`` is uncertain.

    Raises:
        ValueError: a token is none of these.

    >>> parse_action_units("R1+L1+L12B, AD38").sides
    {1: '', 12: 'L'}
    >>> parse_action_units("4 or 9").present, parse_action_units("?"), parse_action_units(float("nan"))
    (frozenset({4}), None, None)
    """
    text = re.sub(r"\bAU\s+(?=\d)", "AU", _text(cell), flags=re.IGNORECASE)
    if text.lower() in _UNKNOWN:
        return None
    uncertain = {int(number) for inside in _REFERENCE.findall(text) for number in re.findall(r"\d+", inside)}
    plain, num_sides = _SIDES_CHOICE.subn(r"\1", re.sub(r"[()]", "", _REFERENCE.sub("", text)))
    first_choice, num_choices = _CHOICE.subn("", plain)
    tokens = [token for token in re.split(r"[+,;\s]+", first_choice) if token]
    remarks = [token for token in tokens if _REMARK.fullmatch(token)]
    sides: dict[int, Side] = {}
    for match in _matches([token for token in tokens if token not in remarks], text):
        number, letters = int(match["number"]), (match["side"] or "").upper()
        if match["doubt"]:
            uncertain.add(number)
            continue
        side: Side = "L" if "L" in letters else "R" if "R" in letters else ""
        sides[number] = side if sides.get(number, side) == side else ""
    if remarks and not sides:
        raise ValueError(f"AU cell {text!r}: {remarks[0]!r} is not an action unit")
    return ActionUnits(sides, bool(num_sides or num_choices or remarks), frozenset(uncertain - sides.keys()))


def _matches(tokens: list[str], text: str) -> Iterator[re.Match[str]]:
    for token in tokens:
        match = _TOKEN.fullmatch(token)
        if match is not None:
            yield match
        elif not _NO_MUSCLE.fullmatch(token):
            raise ValueError(f"AU cell {text!r}: {token!r} is not an action unit")


def _text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    plain = unicodedata.normalize("NFKC", str(cell)).replace("、", ",").strip()
    return plain.removesuffix(".0") if re.fullmatch(r"\d+\.0", plain) else plain
