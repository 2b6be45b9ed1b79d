"""SMIC-E, HS camera: long clips, and a workbook of up to three intervals a row."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fedpsyau_jax.synthesis.layouts.entry import Entry, Quirk, missing_onset_frame, saying, told_as
from fedpsyau_jax.synthesis.layouts.layout import Layout, Place
from fedpsyau_jax.synthesis.layouts.smic import eight_digits, subjects, unlabelled
from fedpsyau_jax.synthesis.layouts.tables import write_xlsx
from fedpsyau_jax.synthesis.population import Clip

TABLE = PurePosixPath("SMIC-E_raw image/HS_long/SMIC-HS-E_annotation_2019.xlsx")
COLUMNS = (
    "Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", None, "FirstF",
    "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL", "Emotion",
)  # fmt: skip
AROUND = 5
REMARKS = ("FirstF and LastF are the first and last frame of the clip.", "Frames at 100 frames a second.")


def _entry(clip: Clip, place: int) -> Entry:
    folder = "SMIC-E_raw image/HS_long/SMIC-HS-E/{subject}/{clip}"
    entry = unlabelled(clip, place, folder, "image{:06d}.jpg")
    return entry._replace(said={"subject": int(entry.subject[1:]), "later": ()})


def _in_long_clip(entry: Entry) -> Entry:
    """Neutral frames before and after."""
    first, last = entry.clip.onset, entry.clip.offset
    before, after = range(max(1, first - AROUND), first), range(last + 1, last + 1 + AROUND)
    return entry._replace(frames=(*before, *entry.frames, *after))


def _third_too_early(entry: Entry) -> Entry:
    """As in rows of the real table: the formula of Onset3F gives a frame before the first."""
    return saying(later=(None, None, max(1, entry.clip.onset - 30), entry.clip.offset))(entry)


def _second_repeated(entry: Entry) -> Entry:
    """The interval itself once more."""
    return saying(later=(entry.clip.onset, entry.clip.offset))(entry)


QUIRKS: Mapping[str, Quirk] = {
    "eight digits": eight_digits,
    "third interval before the first": _third_too_early,
    "interval twice": _second_repeated,
    "onset frame missing": missing_onset_frame,
    "numbers as text": told_as(str, "subject", "onset", "offset"),
    "subject spelt out": told_as("s{:02d}".format, "subject"),
    "table says another class": saying(emotion="others"),
    "capital class": told_as(str.capitalize, "emotion"),
}


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    """A sheet for the HS camera, one for VIS that is not meant, and sentences below the rows."""
    del seed
    remarks = [[], *([text] for text in REMARKS)]
    (root / TABLE).parent.mkdir(parents=True, exist_ok=True)
    rows = [_line(entry) for entry in entries]
    vis = [[entry.said["subject"], entry.filename, None, 10, 14] for entry in entries]
    write_xlsx(root / TABLE, {"HS": [COLUMNS, *rows, *remarks], "VIS": [COLUMNS[:5], *vis, *vis[:1]], "Sheet3": []})
    return [Place(TABLE, row) for row in range(2, len(entries) + 2)]


def _line(entry: Entry) -> list[Any]:
    later = [*entry.cell("later"), *[None] * 4][:4]
    subject, onset, offset, emotion = (entry.cell(name) for name in ("subject", "onset", "offset", "emotion"))
    first, last = entry.frames[0], entry.frames[-1]
    length = entry.clip.offset - entry.clip.onset + 1
    return [
        subject, entry.filename, None, onset, offset, *later, None, first, last, length, None, None, last - first + 1,
        emotion,
    ]  # fmt: skip


SMIC_E = Layout("smic-e", _entry, _annotate, QUIRKS, arrange=_in_long_clip, subjects=subjects)
