"""Rows known to be wrong in tables that circulate, what they should say, and why we think so."""

from typing import NamedTuple


class Fix(NamedTuple):
    """One cell to mend.

    Attributes:
        clip: key of the row.
        column: ``onset``, ``apex`` or ``offset``.
        wrong: what the table says; another value is left alone.
        right: what is read instead.
        reason: why.
    """

    clip: str
    column: str
    wrong: int
    right: int
    reason: str


_NO_OFFSET = "an offset of 0 lies before the onset; the clip's last frame is known"
_EXTRA_DIGITS = "the offset lies thousands of frames behind a clip of thirty: two digits too many"
_APEX_TYPO = "the apex lies outside the clip's motion"

CASME3 = (
    Fix("spNO.40_e_1812", "offset", 0, 1845, _NO_OFFSET),
    Fix("spNO.40_e_2327", "offset", 0, 2403, _NO_OFFSET),
    Fix("spNO.214_c_5", "offset", 3460, 34, _EXTRA_DIGITS),
    Fix("spNO.214_c_5", "apex", 1733, 20, "the midpoint that replaced the apex follows the wrong offset 3460"),
    Fix("spNO.149_d_112", "apex", 160, 123, _APEX_TYPO),
)


def mend(clip: str, frames: dict[str, int | None], fixes: tuple[Fix, ...]) -> tuple[dict[str, int | None], list[str]]:
    """The frame numbers of a row with known mistakes mended, and a note of each.

    >>> mend("spNO.40_e_1812", {"apex": 1824, "offset": 0}, CASME3)[0]
    {'apex': 1824, 'offset': 1845}
    """
    hits = [fix for fix in fixes if fix.clip == clip and frames.get(fix.column) == fix.wrong]
    notes = [f"known mistake: {fix.column} {fix.wrong} read as {fix.right} ({fix.reason})" for fix in hits]
    return frames | {fix.column: fix.right for fix in hits}, notes
