"""SMIC-HS: a folder of pictures is a clip, cropped to the face or raw; no table, the folder's name says the class."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from data.annotations import Annotation, Dropped, Table
from data.frames import Footage, Tree, footage_in, fullest
from data.sheets import TableError
from data.smic.known import remarks_on
from data.smic.names import CLIP_FOLDER, KINDS, SLOWER_CAMERA, clip_of, emotion_of, subject_of
from data.survey import Locate

FPS = 100
_LONGEST = 100  # pictures: an expression lasts half a second at most, the longest known clip has 58
_EXTENDED = re.compile(r"long|(?<![a-z0-9])e(?![a-z0-9])")
_LABELLED = re.compile(r"(?<![a-z])(crop|raw)")
_OTHERS = {"cropped": "raw", "raw": "cropped"}


def above(tree: Tree, folder: Path) -> list[str]:
    """The names of the folders in the copy that a clip's lies in, in lower case."""
    return [part.lower() for part in folder.relative_to(tree.root).parts[:-1]]


def is_high_speed(tree: Tree, folder: Path) -> bool:
    """Whether a folder is none of the two slower cameras', whose clips have the same names."""
    own = tree.root.name.lower()
    return not any(SLOWER_CAMERA.search(part) for part in (*([] if "hs" in own else [own]), *above(tree, folder)))


def is_extended(tree: Tree, folder: Path) -> bool:
    """Whether a folder is of SMIC-E, whose clips last seconds and have the same names."""
    return any(_EXTENDED.search(part) for part in above(tree, folder))


def pictures_are(tree: Tree, found: Footage) -> str:
    """``cropped`` or ``raw``, by the pictures' names, else by the folders'; empty if nothing tells.

    Cropped pictures are called ``reg_image000123.bmp``, raw ones ``image000123.bmp``.
    """
    first = next(iter(found.frames.values()), None)
    name = first.name.lower() if isinstance(first, Path) else ""
    if name.startswith("reg"):
        return "cropped"
    words = [said[1] for part in above(tree, found.folder)[::-1] for said in _LABELLED.finditer(part)]
    return {"crop": "cropped", "raw": "raw"}[words[0]] if words else "raw" if name.startswith("image") else ""


def _folders(tree: Tree, only: str = "") -> Mapping[str, list[Path]]:
    """Clip -> its folders in SMIC-HS; of one clip, if one is named."""
    folders: defaultdict[str, list[Path]] = defaultdict(list)
    for folder in tree.matching(CLIP_FOLDER):
        clip = clip_of(folder.name)
        if only in ("", clip) and is_high_speed(tree, folder) and not is_extended(tree, folder):
            folders[clip].append(folder)
    return folders


def _of_kind(tree: Tree, folders: Sequence[Path], kind: str) -> Footage | None:
    every = (footage_in(tree, folder, whole=True) for folder in folders)
    return fullest(found for found in every if pictures_are(tree, found) != _OTHERS.get(kind))


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """A row for each clip that is there: first picture onset, last picture offset.

    Raises:
        TableError: there is none, or no telling which pictures are meant.
    """
    if table is not None:
        raise TableError(f"{table}: SMIC-HS has no table; leave --table out, or choose --config e_hs")
    folders = _folders(tree)
    if not folders:
        raise TableError(f"{tree.root}: {_why_none(tree)}")
    every = (footage_in(tree, folder, whole=True) for clip in folders.values() for folder in clip)
    kinds = {pictures_are(tree, found) for found in every if found.frames} - {""}
    if config == "hs" and len(kinds) > 1:
        raise TableError(f"{tree.root}: holds cropped and raw pictures; choose --config cropped or --config raw")
    if kinds == {_OTHERS.get(config)}:
        (other,) = kinds
        raise TableError(f"{tree.root}: holds {other} pictures alone; choose --config {other}")
    chosen = {clip: _of_kind(tree, places, config) for clip, places in sorted(folders.items())}
    there = {clip: found for clip, found in chosen.items() if found}
    rows = [_row(tree, number, clip, found) for number, (clip, found) in enumerate(there.items(), 1)]
    annotations = tuple(row for row in rows if isinstance(row, Annotation))
    dropped = tuple(row for row in rows if isinstance(row, Dropped))
    digest = hashlib.sha256("\n".join(there).encode()).hexdigest()
    remarks = tuple(_remarks(there, config if config in kinds else "".join(kinds)))
    return [Table(tree.root, digest, annotations, dropped, remarks=remarks)]


def _row(tree: Tree, number: int, clip: str, found: Footage) -> Annotation | Dropped:
    frames = found.frames
    if len(frames) == 1:
        return Dropped(number, clip, "a clip needs two pictures")
    if len(frames) > _LONGEST:
        return Dropped(number, clip, f"{len(frames)} pictures are no clip of SMIC-HS: for SMIC-E choose --config e_hs")
    first, last = (min(frames), max(frames)) if frames else (None, None)
    subject, emotion = subject_of(clip.split("_")[0]), emotion_of(clip)
    notes = ("AUs unknown: SMIC has none", *_misplaced(tree, found.folder, subject, emotion))
    return Annotation(number, subject, clip, clip, first, None, last, FPS, emotion, None, notes=notes)


def _misplaced(tree: Tree, folder: Path, subject: str, emotion: str) -> Iterator[str]:
    """What the folders above a clip say other than its name, which counts."""
    for part in above(tree, folder):
        if part in KINDS.values() and part != emotion:
            yield f"it lies in a folder {part!r}: its name says {emotion}"
        if re.fullmatch(r"s\d{1,2}", part) and subject_of(part) != subject:
            yield f"it lies in a folder {part!r}: its name says {subject}"


def _remarks(clips: Iterable[str], kind: str) -> Iterator[str]:
    yield f"the pictures are {kind or 'called neither reg_image nor image: taken as they are'}"
    yield from remarks_on(clips)


def _why_none(tree: Tree) -> str:
    others = tree.matching(CLIP_FOLDER)
    if any(is_high_speed(tree, folder) for folder in others):
        return "holds clips of SMIC-E; choose --config e_hs"
    if others:
        return "holds clips of the VIS or NIR camera (25 frames a second) alone; SMIC-HS is needed"
    return "no folder is called as a clip of SMIC-HS, such as s1_ne_01"


def locate(kind: str) -> Locate:
    """Where the clips of one configuration lie: ``s1_ne_01/`` or ``s01_ne_01/``, at any depth."""
    return partial(_locate, kind=kind)


def _locate(tree: Tree, annotation: Annotation, kind: str) -> Footage | str:
    found = _of_kind(tree, _folders(tree, annotation.filename).get(annotation.filename, []), kind)
    return found or f"folder HS/{annotation.subject}/micro/{annotation.emotion}/{annotation.filename}"
