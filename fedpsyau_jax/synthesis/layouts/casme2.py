"""CASME II: ``sub01/EP02_01f/img46.jpg`` and a workbook of which three versions circulate."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS
from fedpsyau_jax.synthesis.layouts.entry import (
    Entry,
    Quirk,
    coded,
    missing_apex_frame,
    no_apex,
    onset_is_apex,
    ordinary,
    told_as,
)
from fedpsyau_jax.synthesis.layouts.layout import Layout, Place
from fedpsyau_jax.synthesis.layouts.tables import write_xlsx
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

TABLE = PurePosixPath("CASME2-coding.xlsx")
HEADERS = (
    ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units", "Estimated Emotion"),
    ("Subject", "Filename", None, "Onset Frame", "Apex Frame", "OffsetFrame", None, "Action Units", "emotion", "au"),
    ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Emotion"),
)
SPELLING = {"anger": "others", "contempt": "repression"}
FRAMES_PER_SECOND = 200


def _entry(clip: Clip, place: int) -> Entry:
    number = int(clip.subject.removeprefix("sub"))
    emotion = EMOTIONS[clip.emotion or 0]
    subject, filename = f"sub{number:02d}", f"EP{place + 1:02d}_{number:02d}" + "f" * (place % 2)
    clip = short(clip, place, FRAMES_PER_SECOND)
    return ordinary(clip, subject, filename, SPELLING.get(emotion, emotion), f"{subject}/{filename}", "img{}.jpg")


def _cropped(entry: Entry) -> Entry:
    return entry._replace(picture="reg_img{}.jpg")


QUIRKS: dict[str, Quirk] = {
    "no apex": no_apex,
    "onset is apex": onset_is_apex,
    "apex frame missing": missing_apex_frame,
    "cropped pictures": _cropped,
    "capital emotion": told_as(str.capitalize, "emotion"),
    "numbers as text": told_as(str, "onset", "apex", "offset"),
    **{
        name: coded(CODING_QUIRKS[name])
        for name in ("unknown AU", "whole number", "both sides", "alternative", "unseen AUs")
    },
}  # fmt: skip


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    """Header and the type of the subject's cell change from version to version: seed modulo 3."""
    header = HEADERS[seed % 3]
    write_xlsx(root / TABLE, {"Sheet1": [header, *(_line(entry, header) for entry in entries)], "Sheet2": []})
    return [Place(TABLE, row) for row in range(2, len(entries) + 2)]


def _line(entry: Entry, header: Sequence[str | None]) -> list[Any]:
    subject = entry.subject.removeprefix("sub")
    onset, apex, offset, au, emotion = (entry.cell(name) for name in ("onset", "apex", "offset", "au", "emotion"))
    if header == HEADERS[0]:
        return [int(subject), entry.filename, None, onset, apex, offset, None, au, emotion]
    if header == HEADERS[1]:
        split = ",".join(map(str, (*(entry.coding.action_units or ()), *entry.coding.uncertain)))
        return [subject, entry.filename, None, onset, apex, offset, None, au, emotion, split]
    return [entry.subject, entry.filename, onset, apex, offset, au, emotion]


CASME2 = Layout("casme2", _entry, _annotate, QUIRKS)
