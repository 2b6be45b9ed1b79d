"""DISFA: spontaneous expressions on video, the intensity of twelve AUs in every frame."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from data.action_units import ActionUnits, Side
from data.annotations import Annotation, Dropped, Table
from data.frames import Footage, Tree, VideoFrame, footage_in, fullest
from data.sheets import TableError, content_of
from data.survey import Layout
from data.text import decoded

LABELLED = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
FPS = 20
PRESENT = 2  # least intensity, of 0 to 5, that counts as present
_STRONGEST = 5
_APART = FPS
_LONGEST_RISE = 10 * FPS
_LABELS = "ActionUnit_Labels"
_VIDEOS = "Videos_LeftCamera"


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """Pairs of a neutral and an expressive frame from each subject's label files; see ``pairs``."""
    del config, table
    labels = tree.named(_LABELS)
    found = [folder for place in labels for folder in tree.folders(place) if folder.name.lower() != _LABELS.lower()]
    subjects = list({folder.name.upper(): folder for folder in reversed(found)}.values())[::-1]
    if not subjects:
        raise TableError(f"{labels[0] if labels else tree.root}: no folder {'SN001' if labels else _LABELS}")
    digest = hashlib.sha256()
    rows: list[Annotation | Dropped] = []
    problems = []
    for folder in subjects:
        try:
            rows += _subject(tree, folder, len(rows), digest)
        except TableError as error:
            problems.append(str(error))
    annotations = tuple(row for row in rows if isinstance(row, Annotation))
    dropped = tuple(row for row in rows if isinstance(row, Dropped))
    return [Table(subjects[0].parent, digest.hexdigest(), annotations, dropped, tuple(problems))]


def pairs(levels: Int[np.ndarray, "frames labelled"]) -> list[tuple[int | None, int]]:
    """Places (neutral, expressive) of frames that make samples.

    A frame is neutral if all its AUs have intensity 0. An event is an unbroken run of frames that are not; its
    neutral frame is the one just before it, None if there is none. Its expressive frames are chosen from the
    greatest sum of intensities down, each at least a second from those chosen before, at most ten seconds from
    the event's beginning, and with an AU of intensity 2 or more.

    Args:
        levels: intensity 0 to 5.

    >>> pairs(np.array([[0, 0], [1, 0], [3, 2], [2, 0], [0, 0], [0, 1]]))
    [(0, 2)]
    """
    active = np.concatenate([[False], levels.any(axis=1), [False]])
    starts, ends = np.flatnonzero(np.diff(active.astype(int)) == 1), np.flatnonzero(np.diff(active.astype(int)) == -1)
    found: list[tuple[int | None, int]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        event = levels[start : min(end, start + _LONGEST_RISE)]
        chosen: list[int] = []
        for place in np.argsort(-event.sum(axis=1), kind="stable").tolist():
            if event[place].max() >= PRESENT and all(abs(place - other) >= _APART for other in chosen):
                chosen.append(place)
        found += [(start - 1 if start else None, start + place) for place in sorted(chosen)]
    return found


def _subject(tree: Tree, folder: Path, num_rows: int, digest: "hashlib._Hash") -> Iterator[Annotation | Dropped]:
    """Rows of a subject; AUs without a label file are unknown."""
    subject = folder.name.upper()
    series = _series(tree, folder, digest)
    frames = sorted(set.intersection(*(set(levels) for levels in series.values())))
    num_partial = len(set.union(*(set(levels) for levels in series.values()))) - len(frames)
    if not frames:
        raise TableError(f"{folder}: its label files have no frame in common; copy them again")
    _check_every_frame_is_there(tree, subject, frames[-1])
    table = np.array([[series[au][frame] for au in series] for frame in frames]).reshape(len(frames), len(series))
    unknown = frozenset(LABELLED) - series.keys()
    notes = [f"AU {au} unknown: {subject} has no label file of it" for au in sorted(unknown)]
    notes += [f"{num_partial} frames of {subject} are not in all its label files: left out"] if num_partial else []
    for row, (neutral, apex) in enumerate(pairs(table), num_rows + 1):
        clip = f"{subject}_{frames[apex]:04d}"
        if neutral is None:
            yield Dropped(row, clip, "no neutral frame before the expression")
            continue
        present: dict[int, Side] = {au: "" for au, level in zip(series, table[apex], strict=True) if level >= PRESENT}
        units = ActionUnits(present, False, unknown)
        yield Annotation(
            row, subject, subject, clip, frames[neutral], frames[apex], None, FPS, None, units, notes=tuple(notes)
        )


def _series(tree: Tree, folder: Path, digest: "hashlib._Hash") -> dict[int, dict[int, int]]:
    """AU -> frame -> intensity; what is wrong with several files is said at once."""
    series, complaints = {}, []
    for au in LABELLED:
        path = tree.find(f"{folder.name}_au{au}.txt", start=folder)
        try:
            if path:
                series[au] = _levels(path, digest)
        except TableError as error:
            complaints.append(str(error))
    if not series and not complaints:
        complaints.append(f"{folder}: no file {folder.name}_au1.txt")
    if complaints:
        raise TableError("\n".join(complaints))
    return series


def _levels(path: Path, digest: "hashlib._Hash") -> dict[int, int]:
    content = content_of(path)
    digest.update(content)
    try:
        lines = decoded(content).text.splitlines()
    except ValueError as error:
        raise TableError(f"{path}: {error}; copy it again") from error
    levels = {}
    for number, line in enumerate(lines, 1):
        try:
            frame, level = (int(float(cell)) for cell in re.split(r"[,;\s]+", line.strip())) if line.strip() else (0, 0)
        except ValueError as error:
            raise TableError(f"{path}, row {number}: {line!r} is not `frame,intensity`") from error
        if not 0 <= level <= _STRONGEST:
            raise TableError(f"{path}, row {number}: intensity {level} is not from 0 to {_STRONGEST}")
        levels[frame] = level
    return {frame: level for frame, level in levels.items() if frame > 0}


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``LeftVideoSN001_comp.avi`` at any depth, else its frames as pictures; see ``_extracted``."""
    videos = tree.videos(f"LeftVideo{annotation.subject}_comp")
    if not videos:
        name = f"{_VIDEOS}/LeftVideo{annotation.subject}_comp.avi"
        return _extracted(tree, annotation.subject) or f"video {name}, and a folder of its frames,"
    needed = (annotation.onset, annotation.apex)
    frames = {number: VideoFrame(videos[0], number) for number in needed if number is not None}
    return Footage(videos[0].with_suffix(""), frames, whole=False)


def _extracted(tree: Tree, subject: str) -> Footage | None:
    """The frames of a left video, in ``LeftVideoSN001_comp/``, ``LeftVideoSN001/`` or ``SN001/``.

    Pictures that count from 0 are one behind the labels, which count from 1.
    """
    names = (f"LeftVideo{subject}_comp", f"LeftVideo{subject}", subject)
    folders = [folder for name in names for folder in tree.named(name)]
    left = [folder for folder in folders if "right" not in str(folder.relative_to(tree.root)).lower()]
    found = fullest(footage_in(tree, folder, whole=False) for folder in left)
    if not found or 0 not in found.frames:
        return found
    shifted = {number + 1: picture for number, picture in found.frames.items()}
    return found._replace(
        frames=shifted, notes=("pictures count from 0 and labels from 1: each frame is the one before",)
    )


def _check_every_frame_is_there(tree: Tree, subject: str, last: int) -> None:
    """Pictures of every other frame, numbered anew, would be taken for others."""
    shown = None if tree.videos(f"LeftVideo{subject}_comp") else _extracted(tree, subject)
    if shown and shown.frames and max(shown.frames) < last - FPS:
        raise TableError(
            f"{shown.folder}: its pictures end with frame {max(shown.frames)}, the labels of {subject} with {last}: "
            "extract every frame of the video, numbered from 1"
        )


LAYOUT = Layout(
    title="DISFA",
    expected=(
        "expected: ActionUnit_Labels/SN001/SN001_au1.txt and Videos_LeftCamera/LeftVideoSN001_comp.avi,\n"
        "  or every frame of it as LeftVideoSN001_comp/1.png"
    ),
    read=read,
    locate=locate,
    labelled=frozenset(LABELLED),
)
