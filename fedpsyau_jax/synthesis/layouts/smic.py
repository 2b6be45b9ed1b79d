"""SMIC-HS: ``HS/s1/micro/negative/s1_ne_01/reg_image000123.bmp``, cropped or raw, and no table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS
from fedpsyau_jax.synthesis.layouts.entry import Entry, Quirk, ordinary
from fedpsyau_jax.synthesis.layouts.layout import NO_TABLE, Layout, Place
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

FRAMES_PER_SECOND = 100
NUMBERS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20)
KINDS = {"negative": "ne", "positive": "po", "surprise": "sur"}
_CLASSES = {"happiness": "positive", "surprise": "surprise"}
_EIGHT_DIGITS = 17_500_000


def subjects(num_subjects: int) -> list[int]:
    """The numbers of SMIC's subjects; then those from 21 on."""
    return [*NUMBERS, *range(21, 21 + num_subjects)][:num_subjects]


def unlabelled(clip: Clip, place: int, folder: str, picture: str) -> Entry:
    """The row of a clip: a class, no apex and no AUs.

    Args:
        clip: as drawn.
        place: which of its subject's clips it is.
        folder: of its pictures, with the fields ``subject``, ``emotion`` and ``clip``.
        picture: file name of a frame.
    """
    subject = f"s{int(clip.subject.removeprefix('sub'))}"
    emotion = _CLASSES.get(EMOTIONS[clip.emotion or 0], "negative")
    filename = f"{subject}_{KINDS[emotion]}_{place:02d}"
    path = folder.format(subject=subject, emotion=emotion, clip=filename)
    entry = ordinary(short(clip, place, FRAMES_PER_SECOND), subject, filename, emotion, path, picture)
    return entry._replace(coding=CODING_QUIRKS["blank AU"], problem="no apex")


def eight_digits(entry: Entry) -> Entry:
    """A recording whose frames are numbered in the millions."""
    clip = entry.clip
    onset, apex, offset = (_EIGHT_DIGITS + frame for frame in (clip.onset, clip.apex, clip.offset))
    frames = tuple(_EIGHT_DIGITS + frame for frame in entry.frames)
    return entry._replace(clip=clip._replace(onset=onset, apex=apex, offset=offset), frames=frames)


def _folder(spell: Callable[[str], str], level: int) -> Quirk:
    """Another spelling of a folder's name, by its place above the pictures."""

    def plant(entry: Entry) -> Entry:
        parts = list(entry.folder.parts)
        parts[-level] = spell(parts[-level])
        return entry._replace(folder=PurePosixPath(*parts))

    return plant


QUIRKS: Mapping[str, Quirk] = {
    "eight digits": eight_digits,
    "class folder of other case": _folder(str.capitalize, 2),
    "clip folder of other case": _folder(str.upper, 1),
    "zero before the subject": _folder(lambda name: name.replace("s", "s0", 1), 1),
    "in the folder of another class": _folder(lambda name: "negative" if name == "positive" else "positive", 2),
    "picture missing": lambda entry: entry._replace(frames=tuple(n for n in entry.frames if n != entry.clip.apex)),
    "folder in the clip's folder": lambda entry: entry._replace(folder=entry.folder / entry.folder.name),
}


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del root, seed
    return [NO_TABLE] * len(entries)


def _cropped(clip: Clip, place: int) -> Entry:
    return unlabelled(clip, place, "SMIC_all_cropped/HS/{subject}/micro/{emotion}/{clip}", "reg_image{:06d}.bmp")


def _raw(clip: Clip, place: int) -> Entry:
    return unlabelled(clip, place, "SMIC_all_raw/HS/{subject}/micro/{emotion}/{clip}", "image{:06d}.bmp")


SMIC = Layout("smic", _cropped, _annotate, QUIRKS, subjects=subjects)
SMIC_RAW = SMIC._replace(name="smic-raw", entry=_raw)
