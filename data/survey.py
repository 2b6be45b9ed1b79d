"""Looking through a whole copy before anything is built: samples to be, drops, and everything that is wrong."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from data.annotations import Annotation, Dropped, Table
from data.apex import ApexPolicy, drop
from data.cache import glimpse
from data.clips import Clip, files_of, find_clip, pictures_of
from data.emotion_numbers import EmotionNumbers, with_emotions
from data.frames import LANDMARK_SUFFIXES, Footage, Tree
from data.pictures import PictureError, check_frame, read_landmark_file
from data.telling import told_once


class CopyError(ValueError):
    """A copy that cannot be used as it is; the message lists everything that is wrong, a line each."""


@dataclass(frozen=True)
class Choices:
    """What a user may decide about reading a copy.

    Attributes:
        apex: what to do with rows without a usable apex.
        table: the annotation table; None to look for it in the copy.
        landmarks: folder of landmark files that mirrors the copy; None for the copy's own, if it has some.
        detects: whether faces without a landmark file can be detected.
        skip_broken: drop clips whose files are missing or broken rather than refuse the copy.
        emotions: what numbers in the column of emotions mean; None for the usual.
    """

    apex: ApexPolicy = drop
    table: Path | None = None
    landmarks: Path | None = None
    detects: bool = False
    skip_broken: bool = False
    emotions: EmotionNumbers | None = None


class Layout(NamedTuple):
    """How one database lies on a disk.

    Attributes:
        title: its name in prose.
        expected: how the folder should look, a few lines.
        read: (copy, configuration, table or None) -> tables; TableError or OSError if there is none.
        locate: (copy, annotation) -> the clip's frames, or in words where they should be.
        labelled: AUs that its coders looked for.
        landmark_folder: name of the copy's own folder of landmark files.
    """

    title: str
    expected: str
    read: Callable[[Tree, str, Path | None], Sequence[Table]]
    locate: Callable[[Tree, Annotation], Footage | str]
    labelled: frozenset[int]
    landmark_folder: str = "landmarks"


class Survey(NamedTuple):
    """What a copy holds.

    Attributes:
        root: the copy.
        tables: what the annotation tables say.
        clips: samples to be.
        dropped: rows that become none.
        problems: what must be mended first, a line each.
    """

    root: Path
    tables: tuple[Table, ...]
    clips: tuple[Clip, ...]
    dropped: tuple[Dropped, ...]
    problems: tuple[str, ...]

    def digest(self) -> str:
        """SHA-256 over the tables, the frames found, a glimpse of each and the drops: changes when the copy does."""
        look = cache(glimpse)
        clips = [
            (clip.annotation, clip.onset.number, clip.apex and clip.apex.number, clip.apex_kind, bool(clip.landmarks),
             [look(path) for path in files_of(clip)])
            for clip in self.clips
        ]  # fmt: skip
        return hashlib.sha256(repr(([table.sha256 for table in self.tables], clips, self.dropped)).encode()).hexdigest()

    def usable(self) -> "Survey":
        """This survey, if nothing is wrong.

        Raises:
            CopyError: something is.
        """
        if self.problems:
            raise CopyError("\n".join(self.problems))
        return self


def survey(layout: Layout, root: Path, config: str, choices: Choices) -> Survey:
    """Read the tables of a copy and look for the files of every row.

    Args:
        layout: the database.
        root: the user's copy.
        config: configuration of the database.
        choices: the user's.
    """
    if not root.is_dir() or not any(root.iterdir()):
        state = "is empty" if root.is_dir() else "is no folder"
        return _unusable(root, f"{root}: {state}; put your copy of {layout.title} there\n{layout.expected}")
    if choices.landmarks and not choices.landmarks.is_dir():
        return _unusable(root, f"{choices.landmarks}: is no folder; name the folder of your landmark files")
    tree = Tree(root)
    try:
        tables = tuple(with_emotions(table, choices.emotions) for table in layout.read(tree, config, choices.table))
    except (ValueError, OSError) as error:
        hint = "" if choices.table else _neighbour(layout, root, config)
        return _unusable(root, f"{error}{hint}\n{layout.expected}")
    rows = [(table, annotation) for table in tables for annotation in table.annotations]
    landmarks = _landmark_tree(layout, tree, choices)
    missing, items = _look(layout, [row for _, row in rows], tree, landmarks, choices)
    told = [problem for table in tables for problem in table.problems]
    if missing and len(missing) == len(rows):
        lost = f"{root}: none of {len(rows)} clips is there, e.g. {missing[0]}{_neighbour(layout, root, config)}"
        return _unusable(root, "\n".join([*told, lost, layout.expected]))
    clips = tuple(item for item in items if isinstance(item, Clip))
    dropped = [row for table in tables for row in table.dropped] + [row for row in items if isinstance(row, Dropped)]
    problems = [
        *told,
        *told_once(
            (table.path, row, item) for (table, row), item in zip(rows, items, strict=True) if isinstance(item, str)
        ),
    ]
    if not clips and not problems:
        reasons = Counter(row.reason.partition(" (")[0] for row in dropped).most_common(3)
        hint = (
            ""
            if choices.apex is not drop
            else "; --apex midpoint or spot finds one" * any("apex" in told for told, _ in reasons)
        )
        problems.append(f"{root}: no row becomes a sample ({'; '.join(told for told, _ in reasons)}{hint})")
    return Survey(root, tables, clips, tuple(dropped), (*problems, *_without_landmarks(clips, choices)))


def _unusable(root: Path, problem: str) -> Survey:
    return Survey(root, (), (), (), (problem,))


def _neighbour(layout: Layout, root: Path, config: str) -> str:
    """Which folder was probably meant, if a table and its first clip are one level deeper, or up to two higher."""
    for folder in (*Tree(root).folders(root), *root.resolve().parents[:2]):
        tree = Tree(folder)
        with suppress(ValueError, OSError):
            rows = [row for table in layout.read(tree, config, None) for row in table.annotations]
            if rows and not isinstance(layout.locate(tree, rows[0]), str):
                return f"; is {folder} the folder that you mean?"
    return ""


def _look(
    layout: Layout, rows: Sequence[Annotation], tree: Tree, landmarks: Tree | None, choices: Choices
) -> tuple[list[str], list[Clip | Dropped | str]]:
    """Where clips should be that are not there; and of each row its clip, why it is dropped, or what is wrong."""
    missing, items = list[str](), list[Clip | Dropped | str]()
    for row in rows:
        try:
            found = layout.locate(tree, row)
            items.append(_clip(row, found, tree, landmarks, choices))
        except OSError as error:
            items.append(Dropped(row.row, row.clip, str(error)) if choices.skip_broken else str(error))
            continue
        missing += [found] if isinstance(found, str) else []
    return missing, items


def _clip(
    annotation: Annotation, found: Footage | str, tree: Tree, landmarks: Tree | None, choices: Choices
) -> Clip | Dropped | str:
    if isinstance(found, str):
        trouble = f"{found} is missing, or holds no picture"
    elif not found.frames:
        trouble = f"{found.folder}: the folder is empty"
    else:
        item = find_clip(annotation, found, choices.apex, landmark_files(tree, landmarks, found.folder))
        trouble = "" if isinstance(item, Dropped) else _broken(item)
        if not trouble:
            return item
    return Dropped(annotation.row, annotation.clip, trouble) if choices.skip_broken else trouble


def _broken(clip: Clip) -> str:
    try:
        for picture in pictures_of(clip):
            check_frame(picture.frame)
        if clip.landmarks:
            read_landmark_file(clip.landmarks)
    except PictureError as error:
        return str(error)
    return ""


def _landmark_tree(layout: Layout, tree: Tree, choices: Choices) -> Tree | None:
    folder = choices.landmarks or tree.find(layout.landmark_folder)
    return Tree(folder) if folder else None


def landmark_files(tree: Tree, landmarks: Tree | None, folder: Path) -> Mapping[int, Path]:
    """Frame number -> landmark file, from the clip's own path, or the end of it, below the landmarks' root."""
    parts = folder.relative_to(tree.root).parts
    for start in range(len(parts) if landmarks else 0):
        found = landmarks.find(*parts[start:]) if landmarks else None
        if landmarks and found:
            return landmarks.numbered(found, LANDMARK_SUFFIXES)
    return {}


def _without_landmarks(clips: Sequence[Clip], choices: Choices) -> list[str]:
    without = [clip.annotation.clip for clip in clips if clip.landmarks is None]
    if choices.landmarks and clips and len(without) == len(clips):
        return [f"{choices.landmarks}: holds no landmark file of any clip; it must mirror the copy's folders"]
    if not without or choices.detects:
        return []
    return [
        f"{len(without)} clips (e.g. {without[0]}) have no file of 68 landmarks and no face detector is installed: "
        "run `pip install 'fedpsyau-jax[faces]'`, or name a folder of landmark files with --landmarks"
    ]
