"""Find and read the file that holds the landmarks of a picture."""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.annotations import Annotation
from data.frames import Footage, Frame, Tree, VideoFrame, number_of
from data.pictures import PictureError, content_of
from fedpsyau_jax.vision.landmark_formats import Faces, Points, largest, parse_faces

LANDMARK_SUFFIXES = frozenset({".txt", ".pts", ".csv", ".json"})
_OF_CLIPS = (".csv", ".json")


class Marks(NamedTuple):
    """Where the landmarks of a picture are: a file, and the frame in it, None where it is of this picture alone."""

    path: Path
    frame: int | None = None


def landmark_trees(tree: Tree, name: str, chosen: Path | None) -> list[Tree]:
    """The folders of landmark files: the one the user names, else those of a name at any depth of the copy."""
    folders = [chosen] if chosen else tree.named(name)
    outer = [folder for folder in folders if not any(other in folder.parents for other in folders)]
    return [Tree(folder) for folder in outer]


def marks_of(trees: Sequence[Tree], root: Path, annotation: Annotation, footage: Footage) -> Mapping[int, Marks]:
    """A clip's landmarks by the number in its pictures' names: one file per picture, or one table per clip.

    Looked for at the clip's own path, or the end of it from the subject's name on, at any depth of each tree.

    Args:
        trees: of landmark files.
        root: of the copy.
        annotation: of the clip.
        footage: its pictures.

    Raises:
        PictureError: a table of the clip cannot be read, or its frames are not those of the pictures.
    """
    for names in _ends(footage.folder.relative_to(root).parts, annotation):
        for tree in trees:
            found = _files(tree, names, annotation)
            if found:
                return found
            table = _table(tree, names, annotation)
            if table:
                return _rows(table, footage)
    return {}


def marks_beside(tree: Tree, footage: Footage) -> Mapping[int, Marks]:
    """The ``.pts`` files beside a clip's pictures, as 300-W has them; the meaning of other files there is unknown."""
    folder = footage.folder
    return {number: Marks(path) for number, path in tree.numbered(folder, frozenset({".pts"})).items()}


def _ends(parts: tuple[str, ...], annotation: Annotation) -> list[tuple[str, ...]]:
    """A path and its ends that still name the subject: what is left alone could be any subject's.

    Also without folders inside the clip's, such as ``color``.
    """
    subject, clip = annotation.subject.lower(), {annotation.filename.lower(), annotation.clip.lower()}
    last = max((place for place, part in enumerate(parts) if subject in part.lower()), default=len(parts) - 1)
    own = max((place for place, part in enumerate(parts) if part.lower() in clip), default=len(parts) - 1)
    stops = range(len(parts), max(own, last), -1)
    return [parts[start:stop] for stop in stops for start in range(last + 1)]


def _files(tree: Tree, names: tuple[str, ...], annotation: Annotation) -> dict[int, Marks]:
    """A file a picture, of all folders whose names differ in case only; first of the one that is spelt alike."""
    tables = {names[-1].lower(), annotation.clip.lower()}
    folders = [folder for folder in _places(tree, names) if folder.is_dir()]
    found = dict[int, Marks]()
    for folder in sorted(folders, key=lambda folder: folder.parts[-len(names) :] != names):
        inside = [folder] if tree.numbered(folder, LANDMARK_SUFFIXES) else tree.folders(folder)
        numbered = tree.numbered(inside[0], LANDMARK_SUFFIXES) if len(inside) == 1 else {}
        for number, path in numbered.items():
            if path.stem.lower() not in tables:
                found.setdefault(number, Marks(path))
    return found


def _table(tree: Tree, names: tuple[str, ...], annotation: Annotation) -> Path | None:
    stems = {names[-1]: names[:-1], f"{annotation.subject}_{annotation.filename}": (), annotation.clip: ()}
    for stem, above in stems.items():
        for suffix in _OF_CLIPS:
            file = f"{stem}{suffix}"
            inside = (tree.find(*above, file, start=root) for root in tree.upper)
            nested = (*_places(tree, (*above, file)), *_places(tree, (*names, file)))
            found = next((path for path in (*inside, *nested) if path and path.is_file()), None)
            if found:
                return found
    return None


def _places(tree: Tree, names: tuple[str, ...]) -> Iterator[Path]:
    yield from tree.every(*names)
    yield from tree.nears(*names)


def _rows(table: Path, footage: Footage) -> dict[int, Marks]:
    """Own number of each picture -> its row: of the same number, or of its place among the files' names.

    OpenFace numbers the pictures of a folder from 1 in the order of their names, in which img10 comes before img2.
    Where both numberings fit, the one in which the face moves less from picture to picture is right.
    """
    faces = faces_of(table)
    frames = sorted(frame for frame in faces if frame is not None)
    own = {own_number(frame): frame for frame in footage.frames.values()}
    by_number = {number: Marks(table, number) for number in own} if set(own) <= set(frames) else {}
    names = sorted(own, key=lambda number: str(own[number])) if len(frames) == len(own) else []
    by_name = {number: Marks(table, frame) for number, frame in zip(names, frames, strict=True)} if names else {}
    if any(isinstance(frame, VideoFrame) for frame in own.values()):
        by_name = {}
    if not by_number and not by_name:
        held = f"frames {frames[0]} to {frames[-1]}" if frames else "no column of frames"
        lacking = min(set(own) - set(frames))
        raise PictureError(
            f"{table}: has {held}, not {lacking}, which is one of the {len(own)} that are needed of {footage.folder}: "
            "give a row for each picture, or the picture's number in a column `frame`"
        )
    fitting = [rows for rows in (by_number, by_name) if rows]
    return min(fitting, key=lambda rows: _unrest(faces, [rows[number].frame for number in sorted(own)]))


def _unrest(faces: Faces, frames: Sequence[int | None]) -> float:
    """How far a face moves in all from frame to frame."""
    shown = [faces[frame][0].mean(axis=0) for frame in frames if faces.get(frame)]
    return float(np.abs(np.diff(shown, axis=0)).sum()) if len(shown) > 1 else 0.0


def own_number(frame: Frame) -> int:
    """The number in a picture's own name, which may count otherwise than the table does."""
    return frame.number if isinstance(frame, VideoFrame) else number_of(frame.stem) or 0


def file_beside(frame: Frame) -> str:
    """How a picture's landmark file, or that of a video, may be called; for messages."""
    if isinstance(frame, VideoFrame):
        return f"{frame.video.stem}.csv"
    return "/".join([*frame.parts[-3:-1], f"{frame.stem}.txt"])


def faces_in(marks: Marks) -> list[Points]:
    """The faces that a file has of a picture, in its own unit; none where its program found none.

    Raises:
        PictureError: the file cannot be read, or does not hold the picture.
    """
    faces = faces_of(marks.path)
    if marks.frame not in faces and not (marks.frame is None and len(faces) == 1):
        where = "more than one frame" if marks.frame is None else f"no frame {marks.frame}"
        raise PictureError(f"{marks.path}: has {where}, and one picture's landmarks are needed")
    found = faces[marks.frame] if marks.frame in faces else next(iter(faces.values()))
    place = largest(found) if found else 0
    return [*found[place : place + 1], *found[:place], *found[place + 1 :]]


def faces_of(path: Path) -> Faces:
    """All that a landmark file says.

    Raises:
        PictureError: it cannot be read, or is none.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from error
    return _parsed(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=2)
def _parsed(path: Path, size: int, changed: int) -> Faces:
    del size, changed
    content = content_of(path)
    try:
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return parse_faces(content.decode("utf-16" if wide else "utf-8-sig"), path.suffix.lower())
    except UnicodeDecodeError as error:
        raise PictureError(f"{path}: not a text file in UTF-8; a landmark file must be text") from error
    except ValueError as error:
        raise PictureError(f"{path}: {error}") from error
