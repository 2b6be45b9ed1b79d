"""CK+: sequences from a neutral to a peak frame, annotated by text files beside them."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from data.action_units import ActionUnits
from data.annotations import Annotation, Dropped, Table
from data.frames import Footage, Tree, footage_in, fullest, number_of
from data.labels import SEVEN
from data.sheets import TableError, content_of
from data.survey import Layout
from data.text import decoded
from fedpsyau_jax.priors.action_units import ACTION_UNITS

_PICTURES = ("cohn-kanade-images", "extended-cohn-kanade-images")
_UNITS, _EMOTIONS = ("FACS", "FACS_labels"), ("Emotion", "Emotion_labels")
_SUBJECT = re.compile(r"S\d{3}", re.IGNORECASE)
_NEUTRAL = 0
_FPS = 30


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """A row for each sequence that has pictures or a FACS file: first frame onset, last frame apex.

    A sequence without a FACS file, or with an empty one, has unknown AUs; without an emotion file, or with 0
    (neutral), no emotion. The FACS file is named after the last frame: if that is not there, it is missing.
    """
    del config, table
    subjects = {names: _subjects(tree, names) for names in (_PICTURES, _UNITS)}
    for names, found in subjects.items():
        if not found:
            raise TableError(f"{tree.root}: no folder {names[0]} that holds S005/001 and the like")
    digest = hashlib.sha256()
    every = (clip for found in subjects.values() for subject in found for clip in tree.folders(subject))
    keys = sorted({(clip.parent.name.upper(), clip.name) for clip in every})
    rows, problems = list[Annotation | Dropped](), list[str]()
    for number, key in enumerate(keys, 1):
        try:
            rows.append(_sequence(tree, number, *key, digest))
        except (TableError, OSError) as error:
            problems.append(str(error))
    annotations = tuple(row for row in rows if isinstance(row, Annotation))
    dropped = tuple(row for row in rows if isinstance(row, Dropped))
    return [Table(subjects[_UNITS][0].parent, digest.hexdigest(), annotations, dropped, tuple(problems))]


def _subjects(tree: Tree, names: Sequence[str]) -> list[Path]:
    """The subjects' folders in all folders of some names, which may lie in one another as archives unpack."""
    places = [place for name in names for place in tree.named(name)]
    return [folder for place in places for folder in tree.folders(place) if _SUBJECT.fullmatch(folder.name)]


def _pictures(tree: Tree, subject: str, filename: str) -> Footage | None:
    folders = (folder for name in _PICTURES for folder in tree.nears(name, subject, filename))
    return fullest(footage_in(tree, folder, whole=True) for folder in folders)


def _sequence(tree: Tree, row: int, subject: str, filename: str, digest: "hashlib._Hash") -> Annotation | Dropped:
    clip, shown = f"{subject}_{filename}", _pictures(tree, subject, filename)
    frames = sorted(shown.frames) if shown else []
    if len(frames) == 1:
        return Dropped(row, clip, "a sequence needs two pictures")
    coded, felt = (_text_file(tree, names, subject, filename) for names in (_UNITS, _EMOTIONS))
    try:
        units, name = _units(coded, digest), _emotion(felt, digest)
    except TableError:
        raise
    except ValueError as error:
        return Dropped(row, clip, f"its FACS or emotion file is not understood ({error})")
    last = max([*frames[-1:], *([number_of(coded.stem) or 0] if coded else [])], default=None)
    notes = () if units else (f"AUs unknown: {'its FACS file is empty' if coded else 'it has no FACS file'}",)
    first = frames[0] if frames else None
    return Annotation(row, subject, filename, clip, first, last, last, _FPS, name, units, notes=notes)


def _units(path: Path | None, digest: "hashlib._Hash") -> ActionUnits | None:
    lines = _numbers(path, digest)
    return ActionUnits({int(line[0]): "" for line in lines}, False) if lines else None


def _emotion(path: Path | None, digest: "hashlib._Hash") -> str | None:
    lines = _numbers(path, digest)
    kind = int(lines[0][0]) if lines else _NEUTRAL
    if not _NEUTRAL <= kind <= len(SEVEN):
        raise ValueError(f"emotion {kind} is not from {_NEUTRAL} to {len(SEVEN)}")
    return None if kind == _NEUTRAL else SEVEN[kind - 1]


def _text_file(tree: Tree, names: Sequence[str], subject: str, filename: str) -> Path | None:
    """The one text file of a sequence in a folder of some names; of several, the last frame's."""
    folders = (folder for name in names for folder in tree.nears(name, subject, filename))
    files = [path for folder in folders for path in tree.children(folder) if path.suffix.lower() == ".txt"]
    return min(files, key=lambda path: (-(number_of(path.stem) or 0), path.name), default=None)


def _numbers(path: Path | None, digest: "hashlib._Hash") -> list[list[float]]:
    content = content_of(path) if path else b""
    digest.update(content)
    return [[float(cell) for cell in line.split()] for line in decoded(content).text.splitlines() if line.strip()]


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``cohn-kanade-images/S005/001/``, that folder at any depth."""
    subject, filename = annotation.subject, annotation.filename
    return _pictures(tree, subject, filename) or f"folder {_PICTURES[0]}/{subject}/{filename}"


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
