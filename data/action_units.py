"""A tolerant parser for the AU strings of annotation tables."""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Side = Literal["", "L", "R"]

_TOKEN = re.compile(
    r"\??(?:AU)?(?P<side>[LRTBA]{1,2})?(?:AU)?(?P<number>\d{1,2})(?P<intensity>[A-E])?\??", re.IGNORECASE
)
_NO_MUSCLE = re.compile(r"(?:AD|M)\d{1,2}[A-E]?", re.IGNORECASE)
_REMARK = re.compile(r"[a-z]{2,}", re.IGNORECASE)
_REFERENCE = re.compile(r"\bref\s*\(([^)]*)\)", re.IGNORECASE)
_OR = re.compile(
    r"\s*(?:/|\||(?<![a-z])(?:and\s*/\s*or|or|vs\.?|versus)(?![a-z])|(?<=\d)or(?=[LRTBA]{0,2}\d)|或者?)\s*",
    re.IGNORECASE,
)
_GROUP_IN_CHOICE = re.compile(r"(?<=\|)\(([^()]*)\)|\(([^()]*)\)(?=\|)")
_SIDE_OR_INTENSITY = re.compile(r"[LRTBA]{1,2}|[A-E]", re.IGNORECASE)
_NOTHING = re.compile(r"\?|0|none|nothing", re.IGNORECASE)
_UNKNOWN = {"", "?", "nan", "none", "/", "\\", "-"}


class ActionUnits(NamedTuple):
    """AUs of one clip, each with the side it was seen on (both: empty).

    Attributes:
        sides: AU -> side.
        ambiguous: whether the coder left a choice between AUs, or a remark.
        uncertain: AUs that may or may not be present.
    """

    sides: dict[int, Side]
    ambiguous: bool
    uncertain: frozenset[int] = frozenset()

    @property
    def present(self) -> frozenset[int]:
        """The AUs, whatever their sides."""
        return frozenset(self.sides)


def parse_action_units(cell: object) -> ActionUnits | None:
    """Parse the AUs of a cell; None if they are unknown, which is not the same as no AUs.

    A token is side? number intensity? with side one or two of L, R, T, B, A and intensity in A to E; separators
    are ``+``, ``,``, ``;`` (full-width ones, too) and white space. Action descriptors (``AD38``) and head movements
    (``M58``) are no AUs. The same AU left and right is one AU, both sides. Uncertain are ``12?``, ``ref(7B)``, an AU of
    the face at rest [inferred from SAMM], and all AUs between which the coder left a choice (``12 or 14``, ``12/14``);
    a choice of side or intensity (``L/R12``, ``12A/B``) leaves the AU certain. Words beside AUs (``soft focus``) are
    remarks. Choices and remarks make the cell ambiguous.

    Raises:
        ValueError: a token is none of these.

    >>> parse_action_units("R1+L1+L12B, AD38").sides
    {1: '', 12: 'L'}
    >>> parse_action_units("4 + 9 or 10").present, parse_action_units("4 + 9 or 10").uncertain
    (frozenset({4}), frozenset({9, 10}))
    >>> parse_action_units("?"), parse_action_units(float("nan"))
    (None, None)
    """
    text = re.sub(r"\bAU\s+(?=\d)", "AU", _text(cell), flags=re.IGNORECASE)
    if text.lower() in _UNKNOWN:
        return None
    uncertain = {int(number) for inside in _REFERENCE.findall(text) for number in re.findall(r"\d+", inside)}
    chosen = _GROUP_IN_CHOICE.sub(_all_of, _OR.sub("|", _REFERENCE.sub("", text)))
    plain = re.sub(r"\s+\?", "?", re.sub(r"[()]", "", chosen))
    groups = [group for group in re.split(r"[+,;\s]+", plain) if group.strip("|")]
    remarks = [group for group in groups if _REMARK.fullmatch(group)]
    sides: dict[int, Side] = {}
    ambiguous = bool(remarks)
    for group in [group for group in groups if group not in remarks]:
        choices = [token for token in group.split("|") if token]
        ambiguous = ambiguous or len(choices) > 1
        certain, doubtful = _read(choices, text)
        uncertain |= doubtful
        for number, side in certain.items():
            sides[number] = side if sides.get(number, side) == side else ""
    if remarks and not sides and not uncertain:
        raise ValueError(f"AU cell {text!r}: {remarks[0]!r} is not an action unit")
    return ActionUnits(sides, ambiguous, frozenset(uncertain - sides.keys()))


def _all_of(group: re.Match[str]) -> str:
    """``(1+2) or 4``: each of these AUs is part of a choice."""
    return re.sub(r"[+,;\s]+", "|", group[1] or group[2] or "")


def _read(choices: Sequence[str], text: str) -> tuple[dict[int, Side], set[int]]:
    """Of the tokens between which a coder left a choice: the AU that all of them name, or those that some do."""
    whole = [token for token in choices if not _SIDE_OR_INTENSITY.fullmatch(token)] if len(choices) > 1 else choices
    muscles = [token for token in whole if not (len(choices) > 1 and _NOTHING.fullmatch(token))]
    found = list(_matches(muscles, text))
    numbers = {int(match["number"]) for match in found}
    if len(numbers) != 1 or len(found) < len(whole) or any("?" in match[0] for match in found):
        return {}, numbers
    letters = {(match["side"] or "").upper() for match in found} if len(whole) == len(choices) else set()
    left, right = (any(side in one for one in letters) for side in "LR")
    return {numbers.pop(): "" if left == right else "L" if left else "R"}, set()


def _matches(tokens: Sequence[str], text: str) -> Iterator[re.Match[str]]:
    for token in tokens:
        match = _TOKEN.fullmatch(token)
        if match is not None:
            yield match
        elif not _NO_MUSCLE.fullmatch(token):
            raise ValueError(f"AU cell {text!r}: {token!r} is not an action unit")


def _text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    plain = unicodedata.normalize("NFKC", str(cell)).replace("、", ",").replace("。", "").strip()
    return plain.removesuffix(".0") if re.fullmatch(r"\d+\.0", plain) else plain
