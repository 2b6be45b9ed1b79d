"""SAMM: ``006/006_1_2/006_05562.jpg`` and a workbook whose header stands below a page of prose."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS
from fedpsyau_jax.synthesis.layouts.entry import (
    Entry,
    Quirk,
    coded,
    missing_apex_frame,
    onset_is_apex,
    ordinary,
    told_as,
)
from fedpsyau_jax.synthesis.layouts.layout import Layout, Place
from fedpsyau_jax.synthesis.layouts.tables import write_xlsx
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

TABLE = PurePosixPath("SAMM_Micro_FACS_Codes_v2.xlsx")
COLUMNS = (
    "Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro",
    "Action Units", "Estimated Emotion", "Objective Classes", "Notes",
)  # fmt: skip
SPELLING = {"anger": "Anger", "fear": "Other"}
FRAMES_PER_SECOND = 200
HEADER_ROW = 14


def _entry(clip: Clip, place: int) -> Entry:
    """Four-digit frame numbers in even clips, five digits in odd ones."""
    subject = f"{int(clip.subject.removeprefix('sub')) + 5:03d}"
    filename = f"{subject}_{place}_{1 + place % 7}"
    emotion = EMOTIONS[clip.emotion or 0]
    picture = f"{subject}_{{:0{4 + place % 2}d}}.jpg"
    clip = short(clip, place, FRAMES_PER_SECOND)
    spelt = SPELLING.get(emotion, emotion.capitalize())
    return ordinary(clip, subject, filename, spelt, f"{subject}/{filename}", picture)


QUIRKS: dict[str, Quirk] = {
    "onset is apex": onset_is_apex,
    "apex frame missing": missing_apex_frame,
    "subject as a number": told_as(int, "subject"),
    "numbers as text": told_as(str, "onset", "apex", "offset"),
    **{
        name: coded(CODING_QUIRKS[name])
        for name in (
            "whole number", "intensities", "other sides", "spaces", "alternative", "alternative in brackets",
            "slash", "two intensities", "action descriptor", "head movement",
        )
    },
}  # fmt: skip


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del seed
    prose: list[list[str | None]] = [[None]] * (HEADER_ROW - 1)
    prose[0] = ["Synthetic micro-movements in the layout of SAMM"]
    prose[2] = ["Frame numbers count from the first frame of the recording, at 200 frames a second."]
    rows = [
        [entry.cell("subject"), entry.filename, place % 7 + 1,
         *(entry.cell(name) for name in ("onset", "apex", "offset")), f"=SUM(F{row}-D{row})+1", "Micro - 1/2",
         entry.cell("au"), entry.cell("emotion"), 7, None]
        for place, (row, entry) in enumerate(enumerate(entries, HEADER_ROW + 1))
    ]  # fmt: skip
    write_xlsx(root / TABLE, {"MICRO_ONLY": [*prose, COLUMNS, *rows]})
    return [Place(TABLE, row) for row in range(HEADER_ROW + 1, HEADER_ROW + 1 + len(entries))]


SAMM = Layout("samm", _entry, _annotate, QUIRKS)
