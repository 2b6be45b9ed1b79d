"""CAS(ME)^3 Part C: one recording a subject, ``part_C/01/a/color/``, and a table that marks no apex."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS, Coding
from fedpsyau_jax.synthesis.layouts.entry import Entry, Quirk, coded, missing_onset_frame, ordinary, told_as
from fedpsyau_jax.synthesis.layouts.layout import Layout, Place
from fedpsyau_jax.synthesis.layouts.tables import write_xlsx
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

TABLE = PurePosixPath("CAS(ME)3_part_C_ME.xlsx")
COLUMNS = ("sub", "count", "onset", "offset", "au", "emotion", "PHY")
SPELLING = {"contempt": "negative", "happiness": "positive", "sadness": "negative"}
FRAMES_PER_SECOND = 30


def _entry(clip: Clip, place: int) -> Entry:
    """AUs divided by commas; some emotions as words of three classes."""
    subject, emotion = f"{int(clip.subject.removeprefix('sub')):02d}", EMOTIONS[clip.emotion or 0]
    folder = f"part_C/{subject}/a/color"
    shown = short(clip, place, FRAMES_PER_SECOND)
    entry = ordinary(shown, subject, str(place), SPELLING.get(emotion, emotion), folder, "{}.jpg")
    commas = entry.coding._replace(cell=str(entry.coding.cell).replace("+", ","))
    return entry._replace(coding=commas, problem="no apex")


QUIRKS: Mapping[str, Quirk] = {
    "onset frame missing": missing_onset_frame,
    "numbers as text": told_as(str, "onset", "offset"),
    "full-width comma": coded(Coding("4\uff0c7", {4: "", 7: ""})),
    **{name: coded(CODING_QUIRKS[name]) for name in ("whole number", "commas", "unknown AU")},
}


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del seed
    rows = [
        [
            int(entry.subject),
            int(entry.filename),
            *(entry.cell(name) for name in ("onset", "offset", "au", "emotion")),
            None,
        ]
        for entry in entries
    ]
    write_xlsx(root / TABLE, {"Sheet1": [COLUMNS, *rows]})
    return [Place(TABLE, row) for row in range(2, len(entries) + 2)]


CASME3_PART_C = Layout("casme3-c", _entry, _annotate, QUIRKS)
