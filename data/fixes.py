"""Known errors in published tables: the row, the correct value, and the evidence."""

from typing import NamedTuple


class Fix(NamedTuple):
    """A correction of one cell.

    Attributes:
        recording: subject and filename of the row.
        column: ``onset``, ``apex`` or ``offset``.
        wrong: what the table says; another value is left alone.
        right: what is read instead, if the row's onset lies before it, or of an onset its apex behind it: a recording
            holds several expressions.
        reason: why.
    """

    recording: str
    column: str
    wrong: int
    right: int
    reason: str


_NO_OFFSET = "an offset of 0 lies before the onset; the clip's last frame is known"
_EXTRA_DIGITS = "the offset lies thousands of frames behind a clip of thirty: two digits too many"
_APEX_TYPO = "the apex lies outside the clip's motion"
_OF_PRODUCT = "the apex lies before the onset; a mended copy of the table has 123"

CASME3 = (
    Fix("spNO.40_e", "offset", 0, 1845, _NO_OFFSET),
    Fix("spNO.40_e", "offset", 0, 2403, _NO_OFFSET),
    Fix("spNO.214_c", "offset", 3460, 34, _EXTRA_DIGITS),
    Fix("spNO.214_c", "apex", 1733, 20, "the midpoint that replaced the apex follows the wrong offset 3460"),
    Fix("spNO.149_d", "apex", 160, 123, _APEX_TYPO),
    Fix("spNO.149_d", "apex", 83, 123, _OF_PRODUCT),
    Fix("spNO.216_d", "onset", 3647, 2647, "the onset lies behind the apex; two mended copies have 2647"),
)
SAMM = (
    Fix("032_032_3_1", "apex", 1930, 4930, "the apex lies before the onset: one digit is wrong"),
    Fix("028_028_4_1", "apex", 1143, 1105, "the apex lies behind the offset; one of two mended copies has 1105"),
)


def mend(
    recording: str, frames: dict[str, int | None], fixes: tuple[Fix, ...]
) -> tuple[dict[str, int | None], list[str]]:
    """Correct known errors in the frame numbers of a row, with a note about each; the first fix that fits is used.

    >>> mend("spNO.40_e", {"onset": 1812, "apex": 1824, "offset": 0}, CASME3)[0]["offset"]
    1845
    >>> mend("spNO.40_e", {"onset": 2327, "apex": 2363, "offset": 0}, CASME3)[0]["offset"]
    2403
    """
    hits: dict[str, Fix] = {}
    for fix in fixes:
        mended = frames | {fix.column: fix.right}
        onset, later = mended.get("onset"), mended.get("apex" if fix.column == "onset" else fix.column)
        fits = fix.recording == recording and frames.get(fix.column) == fix.wrong
        if fits and onset is not None and later is not None and onset < later:
            hits.setdefault(fix.column, fix)
    notes = [f"known mistake: {fix.column} {fix.wrong} read as {fix.right} ({fix.reason})" for fix in hits.values()]
    return frames | {column: fix.right for column, fix in hits.items()}, notes
