"""DFME, full release: part folders with ``micro/<emotion>/<filename>/*.png`` and one workbook.

Columns 0, 1, 6 and ``fps`` stand where real copies have them; the names and places of the others, and the
five-digit frame names, are inferred from the challenge release.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS
from fedpsyau_jax.synthesis.layouts.entry import (
    Entry,
    Quirk,
    coded,
    missing_apex_frame,
    missing_onset_frame,
    onset_is_apex,
    ordinary,
    told_as,
)
from fedpsyau_jax.synthesis.layouts.layout import Layout, Place
from fedpsyau_jax.synthesis.layouts.tables import write_xlsx
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

TABLE = PurePosixPath("DFME_data_coding.xlsx")
COLUMNS = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "AU", "Emotion", "fps")


class Part(NamedTuple):
    """A folder of the release: its subjects, their frame rate, the subset of the papers it belongs to."""

    folder: str
    subjects: range
    fps: int
    subset: str
    pictures: str = "micro"


PARTS = (
    Part("USTC_MEv4_partA_sub0001_sub0015", range(1, 16), 500, "A"),
    Part("USTC_MEv4_partB_sub0016_sub0110", range(16, 111), 300, "B"),
    Part("USTC_MEv4_partC_sub0111_sub0300", range(111, 301), 200, "C", "micro_static_aligned_croped"),
    Part("USTC_MEv4_partD_sub0301_sub0671_500fps", range(301, 672, 2), 500, "A"),
    Part("USTC_MEv4_partD_sub0301_sub0671_200fps", range(302, 672, 2), 200, "C"),
)


def _subjects(num_subjects: int) -> list[int]:
    """The first of each part, then the second of each, and so on."""
    most = max(len(part.subjects) for part in PARTS)
    turns = (part.subjects[turn] for turn in range(most) for part in PARTS if turn < len(part.subjects))
    return sorted(list(turns)[:num_subjects])


def _entry(clip: Clip, place: int) -> Entry:
    number = int(clip.subject.removeprefix("sub"))
    part = next(part for part in PARTS if number in part.subjects)
    emotion = EMOTIONS[clip.emotion or 0]
    folder = f"{part.folder}/{part.pictures}/{emotion}/{clip.name}"
    clip = short(clip, place, part.fps)
    return ordinary(clip, clip.subject, clip.name, emotion, folder, "{:05d}.png")._replace(group=part.subset)


def _folder_of_other_case(entry: Entry) -> Entry:
    emotion = entry.folder.parent
    return entry._replace(folder=emotion.with_name(emotion.name.capitalize()) / entry.folder.name)


QUIRKS: dict[str, Quirk] = {
    "onset is apex": onset_is_apex,
    "apex frame missing": missing_apex_frame,
    "onset frame missing": missing_onset_frame,
    "emotion folder of other case": _folder_of_other_case,
    "capital emotion": told_as(str.capitalize, "emotion"),
    "numbers as text": told_as(str, "onset", "apex", "offset", "fps"),
    "blanks round the name": told_as(" {} ".format, "filename"),
    **{name: coded(CODING_QUIRKS[name]) for name in ("unknown AU", "blank AU", "whole number", "intensities")},
}


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del seed
    columns = ("subject", "filename", "onset", "apex", "offset", "au", "emotion", "fps")
    rows = [[entry.cell(column) for column in columns] for entry in entries]
    write_xlsx(root / TABLE, {"Sheet1": [COLUMNS, *rows]})
    return [Place(TABLE, row) for row in range(2, len(entries) + 2)]


DFME = Layout("dfme", _entry, _annotate, QUIRKS, subjects=_subjects)
