"""CK+: sequences from a neutral to a peak frame, annotated by text files beside them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from data.action_units import ActionUnits
from data.annotations import Annotation, Dropped, Table
from data.frames import Footage, Tree, number_of
from data.labels import SEVEN
from data.sheets import TableError
from data.survey import Layout
from fedpsyau_jax.priors.action_units import ACTION_UNITS

_PICTURES, _UNITS, _EMOTIONS = "cohn-kanade-images", "FACS", "Emotion"
_NEUTRAL = 0
_FPS = 30


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """A row for each sequence folder: first frame onset, last frame apex.

    A sequence without a FACS file has unknown AUs; without an emotion file, or with 0 (neutral), none.
    """
    del config, table
    pictures, units = tree.find(_PICTURES), tree.find(_UNITS)
    if pictures is None or units is None:
        missing = _PICTURES if pictures is None else _UNITS
        raise TableError(f"{tree.root}: no folder {missing}")
    digest = hashlib.sha256()
    folders = [clip for subject in tree.folders(pictures) for clip in tree.folders(subject)]
    rows = [_sequence(tree, number, folder, digest) for number, folder in enumerate(folders, 1)]
    annotations = tuple(row for row in rows if isinstance(row, Annotation))
    return [Table(units, digest.hexdigest(), annotations, tuple(row for row in rows if isinstance(row, Dropped)))]


def _sequence(tree: Tree, row: int, folder: Path, digest: "hashlib._Hash") -> Annotation | Dropped:
    subject, filename = folder.parent.name.upper(), folder.name
    clip, frames = f"{subject}_{filename}", sorted(tree.numbered(folder))
    if len(frames) < 2:
        return Dropped(row, clip, "a sequence needs two pictures")
    try:
        lines = _numbers(tree.find(_UNITS, subject, filename), tree, digest)
        emotion = _numbers(tree.find(_EMOTIONS, subject, filename), tree, digest)
        units = None if lines is None else ActionUnits({int(line[0]): "" for line in lines}, False)
        kind = int(emotion[0][0]) if emotion else _NEUTRAL
        name = None if kind == _NEUTRAL else SEVEN[kind - 1]
    except (ValueError, IndexError) as error:
        return Dropped(row, clip, f"its FACS or emotion file is not understood ({error})")
    return Annotation(row, subject, filename, clip, frames[0], frames[-1], frames[-1], _FPS, name, units)


def _numbers(folder: Path | None, tree: Tree, digest: "hashlib._Hash") -> list[list[float]] | None:
    """The lines of the one text file of a folder; None if there is none."""
    files = [] if folder is None else [path for path in tree.children(folder) if path.suffix.lower() == ".txt"]
    if not files:
        return None
    content = min(files, key=lambda path: (-(number_of(path.stem) or 0), path.name)).read_bytes()
    digest.update(content)
    return [[float(cell) for cell in line.split()] for line in content.decode("ascii").splitlines() if line.strip()]


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``cohn-kanade-images/S005/001/``."""
    folder = tree.find(_PICTURES, annotation.subject, annotation.filename)
    if folder is None:
        return f"folder {_PICTURES}/{annotation.subject}/{annotation.filename}"
    return Footage(folder, tree.numbered(folder), whole=True)


LAYOUT = Layout(
    title="CK+",
    expected=(
        "expected: cohn-kanade-images/S005/001/S005_001_00000001.png, FACS/S005/001/S005_001_00000011_facs.txt, "
        "and if you have them\n  Emotion/S005/001/*_emotion.txt, Landmarks/S005/001/S005_001_00000001_landmarks.txt"
    ),
    read=read,
    locate=locate,
    labelled=frozenset(ACTION_UNITS),
    landmark_folder="Landmarks",
)
