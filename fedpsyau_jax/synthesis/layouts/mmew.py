"""MMEW: ``Micro_Expression/happiness/S03-01-002/1.jpg``, and a workbook whose frames may count from elsewhere."""

from collections.abc import Mapping, Sequence
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

TABLE = PurePosixPath("MMEW_Micro_Exp.xlsx")
COLUMNS = (
    "Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion", "remarks",
)  # fmt: skip
SPELLING = {"contempt": "others"}
FRAMES_PER_SECOND = 90


def _entry(clip: Clip, place: int) -> Entry:
    """Pictures 1, 2, ...; the table counts in the same way."""
    subject = f"S{int(clip.subject.removeprefix('sub')):02d}"
    emotion = SPELLING.get(EMOTIONS[clip.emotion or 0], EMOTIONS[clip.emotion or 0])
    filename = f"{subject}-{1 + (clip.emotion or 0):02d}-{place:03d}"
    timed = short(clip, place, FRAMES_PER_SECOND)
    before = timed.onset - 1
    cut = timed._replace(onset=1, apex=timed.apex - before, offset=timed.offset - before)
    return ordinary(cut, subject, filename, emotion, f"Micro_Expression/{emotion}/{filename}", "{}.jpg")


def _frames_of_recording(entry: Entry) -> Entry:
    """The table counts from the recording's first frame, the pictures from 1."""
    clip, before = entry.clip, 700
    later = clip._replace(onset=clip.onset + before, apex=clip.apex + before, offset=clip.offset + before)
    return entry._replace(clip=later, frames=tuple(n + before for n in entry.frames), uncounted=before)


def _by_subject(entry: Entry) -> Entry:
    """``S03/happiness/S03-01-002``, as the provider describes it."""
    return entry._replace(folder=PurePosixPath("MMEW", entry.subject, *entry.folder.parts[1:]))


def _repression_folder(entry: Entry) -> Entry:
    """A folder's name for what the table calls others."""
    folder = PurePosixPath("Micro_Expression", "repression", entry.filename)
    return entry._replace(emotion="others", folder=folder)


QUIRKS: Mapping[str, Quirk] = {
    "frames of the recording": _frames_of_recording,
    "by subject": _by_subject,
    "folder repression": _repression_folder,
    "onset is apex": onset_is_apex,
    "apex frame missing": missing_apex_frame,
    "folder of other case": lambda entry: entry._replace(folder=entry.folder.with_name(entry.filename.lower())),
    "subject as a number": told_as(lambda subject: int(subject[1:]), "subject"),
    "blanks round the name": told_as(" {} ".format, "filename"),
    "numbers as text": told_as(str, "onset", "apex", "offset"),
    "capital emotion": told_as(str.capitalize, "emotion"),
    **{
        name: coded(CODING_QUIRKS[name])
        for name in ("whole number", "unknown AU", "intensities", "other sides", "alternative", "commas")
    },
}  # fmt: skip


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del seed
    columns = ("subject", "filename", "onset", "apex", "offset", "au", "emotion")
    rows = [[*(entry.cell(column) for column in columns), None] for entry in entries]
    write_xlsx(root / TABLE, {"Sheet1": [COLUMNS, *rows]})
    return [Place(TABLE, row) for row in range(2, len(entries) + 2)]


MMEW = Layout("mmew", _entry, _annotate, QUIRKS)
