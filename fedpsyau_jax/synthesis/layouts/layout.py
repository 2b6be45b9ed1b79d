"""What tells one database's copy from another's: values and functions, filled in by one file a database."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fedpsyau_jax.synthesis.filming import Footage
from fedpsyau_jax.synthesis.layouts.entry import Entry, Quirk
from fedpsyau_jax.synthesis.layouts.pictures import write_pictures
from fedpsyau_jax.synthesis.population import Clip


class Place(NamedTuple):
    """Where a row is annotated: a table of the copy and its line from 1, or no table and 0."""

    table: PurePosixPath | None
    row: int


NO_TABLE = Place(None, 0)


def as_is(entry: Entry) -> Entry:
    """The entry itself."""
    return entry


def first_numbers(num_subjects: int) -> list[int]:
    """Subjects 1, 2, 3, ..."""
    return list(range(1, num_subjects + 1))


def beside_pictures(entry: Entry, frame: int) -> PurePosixPath:
    """``landmarks/`` and then the picture's own path, with ``.txt``."""
    return PurePosixPath("landmarks") / entry.frame_file(frame).with_suffix(".txt")


class Layout(NamedTuple):
    """A database's layout.

    Attributes:
        name: what users call it.
        entry: an ordinary row of a clip, the n-th of its subject (from 1).
        annotate: (copy, entries, seed) -> writes the tables and says where each entry is annotated.
        quirks: what is odd in real copies; each is planted in a row of its own.
        arrange: the finished entry -> where its pictures go.
        subjects: how many -> their numbers.
        emotional: AUs follow an emotion; otherwise each AU is as likely as another, and there is no emotion.
        intensity: range of the AUs' intensities, 1 = the strongest expression there is.
        store: (copy, footage of all entries of a subject) -> writes their pictures.
        landmark_file: where the landmarks of an entry's frame are.
        own_landmarks: the database itself comes with landmarks.
    """

    name: str
    entry: Callable[[Clip, int], Entry]
    annotate: Callable[[Path, Sequence[Entry], int], list[Place]]
    quirks: Mapping[str, Quirk]
    arrange: Callable[[Entry], Entry] = as_is
    subjects: Callable[[int], list[int]] = first_numbers
    emotional: bool = True
    intensity: tuple[float, float] = (0.05, 0.35)
    store: Callable[[Path, Sequence[tuple[Entry, Footage]]], None] = write_pictures
    landmark_file: Callable[[Entry, int], PurePosixPath] = beside_pictures
    own_landmarks: bool = False
