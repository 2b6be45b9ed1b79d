"""From annotated clips on disk to samples: the part that every database shares."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.annotations import Annotation, Table
from data.parallel import in_processes
from data.pictures import read_grey, read_landmark_file
from data.progress import Progress
from fedpsyau_jax.vision.sample import Sample, Settings, make_sample

APEX_KINDS = ("annotated", "spotted", "midpoint")


class Clip(NamedTuple):
    """An annotated clip and the files its sample is made of."""

    annotation: Annotation
    onset: Path
    apex: Path
    landmarks: Path
    apex_kind: str = "annotated"


class Dropped(NamedTuple):
    """A row that becomes no sample, and why."""

    row: int
    clip: str
    reason: str


class Prepared(NamedTuple):
    """A clip with the network's inputs."""

    clip: Clip
    sample: Sample


class ClipError(ValueError):
    """A clip whose files cannot be used; the message names file and row."""


def clips_of(table: Table, picture_folder: Path, landmark_folder: Path, pattern: str) -> list[Clip | Dropped]:
    """The clips of a table whose folders are named by the clip's key.

    Args:
        table: its annotations.
        picture_folder: holds one folder a clip.
        landmark_folder: the same, with a ``.txt`` for each picture.
        pattern: file name of a frame, e.g. ``{:05d}.png``.
    """
    return [_clip(annotation, picture_folder, landmark_folder, pattern) for annotation in table.annotations]


def _clip(annotation: Annotation, pictures: Path, landmarks: Path, pattern: str) -> Clip | Dropped:
    if annotation.onset == annotation.apex:
        return Dropped(annotation.row, annotation.clip, "onset and apex are the same frame")
    onset, apex = (pictures / annotation.clip / pattern.format(n) for n in (annotation.onset, annotation.apex))
    points = (landmarks / annotation.clip / pattern.format(annotation.onset)).with_suffix(".txt")
    return Clip(annotation, onset, apex, points)


def prepare(clip: Clip, settings: Settings) -> Prepared:
    """Read a clip's files and make its sample.

    Raises:
        ClipError: a file is missing or broken, or the landmarks are no face.
    """
    try:
        onset, apex = read_grey(clip.onset), read_grey(clip.apex)
        return Prepared(clip, make_sample(onset, apex, read_landmark_file(clip.landmarks), settings))
    except ValueError as error:
        raise ClipError(f"table row {clip.annotation.row}, clip {clip.annotation.clip}: {error}") from error


def prepare_all(
    clips: Sequence[Clip], settings: Settings, progress: Progress, num_workers: int | None = None
) -> Iterator[Prepared]:
    """Make all samples on all cores, in the clips' order."""
    made = in_processes(partial(prepare, settings=settings), clips, num_workers)
    yield from progress(made, len(clips), "optical flow")


def au_targets(annotation: Annotation, au_names: Iterable[int], labelled: frozenset[int]) -> dict[str, Any]:
    """Which AUs are present (0 or 1), and for which AUs the database knows (mask 0 or 1).

    Args:
        annotation: its ``action_units`` may be unknown: all masked.
        au_names: AU numbers, in the order of the output.
        labelled: AUs that the database's coders looked for.
    """
    units = annotation.action_units
    present = frozenset() if units is None else units.present
    known = frozenset() if units is None else labelled
    numbers = list(au_names)
    return {
        "au": np.array([number in present & known for number in numbers], np.float32),
        "au_mask": np.array([number in known for number in numbers], np.float32),
    }
