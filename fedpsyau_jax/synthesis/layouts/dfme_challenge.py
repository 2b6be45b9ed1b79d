"""DFME, challenge release (CCAC 2024): three splits of disjoint subjects, five-digit PNG frames, CSV tables.

The tables' file names are ours.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fedpsyau_jax.synthesis.challenge_layout import COLUMNS
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
from fedpsyau_jax.synthesis.layouts.tables import write_csv
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

SPLITS = {
    "train": ("train_data", "DFME_train.csv"),
    "test_A": ("test_data_A", "DFME_test_A.csv"),
    "test_B": ("test_data_B", "DFME_test_B.csv"),
}
SPLIT_OF_SUBJECTS = ("train", "train", "test_A", "test_B")


def _entry(clip: Clip, place: int) -> Entry:
    """Of four subjects two are for training, one for each test."""
    split = SPLIT_OF_SUBJECTS[(int(clip.subject.removeprefix("sub")) - 1) % len(SPLIT_OF_SUBJECTS)]
    folder = f"{SPLITS[split][0]}/{clip.name}"
    emotion = EMOTIONS[clip.emotion or 0]
    clip = short(clip, place, clip.fps)
    return ordinary(clip, clip.subject, clip.name, emotion, folder, "{:05d}.png")._replace(group=split)


QUIRKS: dict[str, Quirk] = {
    "onset is apex": onset_is_apex,
    "apex frame missing": missing_apex_frame,
    "onset frame missing": missing_onset_frame,
    "capital emotion": told_as(str.capitalize, "emotion"),
    "whole floats": told_as("{}.0".format, "onset", "apex", "offset", "fps"),
    **{
        name: coded(CODING_QUIRKS[name])
        for name in ("unknown AU", "blank AU", "both sides", "commas", "action descriptor", "head movement")
    },
}  # fmt: skip


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del seed
    columns = ("subject", "filename", "onset", "apex", "offset", "emotion", "id", "fps", "au")
    places: dict[str, Place] = {}
    for split, (_, name) in SPLITS.items():
        members = [entry for entry in entries if entry.group == split]
        if not members:
            continue
        rows = [
            [EMOTIONS.index(entry.emotion or "") if column == "id" else entry.cell(column) for column in columns]
            for entry in members
        ]
        write_csv(root / name, [COLUMNS, *rows, [None] * len(COLUMNS)])
        places |= {entry.filename: Place(PurePosixPath(name), row) for row, entry in enumerate(members, 2)}
    return [places[entry.filename] for entry in entries]


DFME_CHALLENGE = Layout("dfme-challenge", _entry, _annotate, QUIRKS)
