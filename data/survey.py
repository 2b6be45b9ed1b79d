"""Survey a whole copy before building anything: future samples, dropped rows, and all problems."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from data.annotations import Annotation, Dropped, Table
from data.apex import ApexPolicy, drop
from data.cache import glimpse
from data.clips import Clip, files_of, find_clip, pictures_of
from data.emotion_numbers import EmotionNumbers, with_emotions
from data.frames import Footage, Frame, Tree, VideoFrame
from data.hints import neighbour
from data.landmark_files import faces_in, file_beside, landmark_trees, marks_beside, marks_of
from data.picture_types import unreadable_kinds, why_no_pictures
from data.pictures import PictureError, check_frame
from data.telling import told_once

_ADVICE = "; --skip-broken drops such rows"


class CopyError(ValueError):
    """A copy that cannot be used as it is; the message lists everything that is wrong, a line each."""


@dataclass(frozen=True)
class Choices:
    """What a user may decide about reading a copy.

    Attributes:
        apex: what to do with rows without a usable apex; None for what is usual of the database.
        table: the annotation table; None to look for it in the copy.
        landmarks: folder of landmark files that mirrors the copy; None for the copy's own, if it has some.
        detects: whether faces without a landmark file can be detected.
        skip_broken: drop clips whose files are missing or broken rather than refuse the copy.
        emotions: what numbers in the column of emotions mean; None for the usual.
    """

    apex: ApexPolicy | None = None
    table: Path | None = None
    landmarks: Path | None = None
    detects: bool = False
    skip_broken: bool = False
    emotions: EmotionNumbers | None = None


Locate = Callable[[Tree, Annotation], Footage | str]


class Layout(NamedTuple):
    """The folder layout of one database.

    Attributes:
        title: its name in prose.
        expected: how the folder should look, a few lines.
        read: (copy, configuration, table or None) -> tables; TableError or OSError if there is none.
        locate: (copy, annotation) -> the clip's frames, or in words where they should be.
        labelled: AUs that its coders looked for.
        landmark_folder: name of the copy's own folder of landmark files.
        missing_part: (copy, a table of which no clip is there) -> the folder that is missing, if there is telling.
        locators: configuration -> ``locate`` of it, where clips of several configurations bear the same names.
        apex: what becomes of rows without a usable apex unless the user says otherwise.
    """

    title: str
    expected: str
    read: Callable[[Tree, str, Path | None], Sequence[Table]]
    locate: Locate
    labelled: frozenset[int]
    landmark_folder: str = "landmarks"
    missing_part: Callable[[Tree, Table], str] = lambda tree, table: ""
    locators: Mapping[str, Locate] = {}
    apex: ApexPolicy = drop


class Survey(NamedTuple):
    """The content of a copy.

    Attributes:
        root: the copy.
        tables: what the annotation tables say.
        clips: samples to be.
        dropped: rows that become none.
        problems: what must be corrected first, one line each.
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
    layout = layout._replace(locate=layout.locators.get(config, layout.locate), apex=choices.apex or layout.apex)
    if nowhere := _nowhere(layout, root, choices):
        return _unusable(root, nowhere)
    tree = Tree(root)
    meant = partial(neighbour, root, lambda other: layout.read(other, config, None), layout.locate)
    try:
        tables = tuple(with_emotions(table, choices.emotions) for table in layout.read(tree, config, choices.table))
    except (ValueError, OSError) as error:
        return _unusable(root, "\n".join([f"{error}{'' if choices.table else meant()}", *tree.unread, layout.expected]))
    rows = [(table, annotation) for table in tables for annotation in table.annotations]
    landmarks = landmark_trees(tree, layout.landmark_folder, choices.landmarks)
    looked = [one for table in tables for one in _look(layout, table, tree, landmarks, choices)]
    missing, items = [place for place, _ in looked], [item for _, item in looked]
    told = [problem for table in tables for problem in table.problems]
    if missing and all(missing):
        lost = f"{root}: none of {len(rows)} clips is there, e.g. {missing[0]}{meant()}"
        return _unusable(root, "\n".join([*told, lost, *tree.unread, layout.expected]))
    clips = tuple(item for item in items if isinstance(item, Clip))
    dropped = [row for table in tables for row in table.dropped] + [row for row in items if isinstance(row, Dropped)]
    problems = [
        *told,
        *(tree.unread if any(missing) else ()),
        *told_once(
            (table.path, row, item) for (table, row), item in zip(rows, items, strict=True) if isinstance(item, str)
        ),
    ]
    if not clips and not problems:
        reasons = Counter(row.reason.partition(" (")[0] for row in dropped).most_common(3)
        asked = layout.apex is drop and any("apex" in told for told, _ in reasons)
        hint = "; --apex midpoint or spot finds one" if asked else ""
        problems.append(f"{root}: no row becomes a sample ({'; '.join(told for told, _ in reasons)}{hint})")
    return Survey(root, tables, clips, tuple(dropped), (*problems, *_without_landmarks(clips, choices)))


def _nowhere(layout: Layout, root: Path, choices: Choices) -> str:
    """What to say of folders that are not there, or empty."""
    if not root.is_dir() or not any(root.iterdir()):
        state = "is empty" if root.is_dir() else "is no folder"
        return f"{root}: {state}; put your copy of {layout.title} there\n{layout.expected}"
    if choices.landmarks and not choices.landmarks.is_dir():
        return f"{choices.landmarks}: is no folder; name the folder of your landmark files"
    return ""


def _unusable(root: Path, problem: str) -> Survey:
    return Survey(root, (), (), (), (problem,))


def _look(
    layout: Layout, table: Table, tree: Tree, landmarks: Sequence[Tree], choices: Choices
) -> list[tuple[str, Clip | Dropped | str]]:
    """Of each row where its clip should be if it is not there, and: its clip, why it is dropped, or what is wrong.

    Where no clip of a table is there, what is missing is its part of the release, if the layout can tell.
    """
    rows, looked = table.annotations, list[tuple[str, Clip | Dropped | str]]()
    for row in rows:
        try:
            found = layout.locate(tree, row)
            item = _missing(found) if isinstance(found, str) else _clip(layout, row, found, tree, landmarks, choices)
        except (PictureError, OSError) as error:
            found, item = None, str(error)
        looked.append((found if isinstance(found, str) else "", item))
    part = layout.missing_part(tree, table) if looked and all(place for place, _ in looked) else ""
    if part:
        looked = [(part, _missing(part))] * len(rows)
    if not choices.skip_broken:
        return looked
    return [
        (place, Dropped(row.row, row.clip, item.removesuffix(_ADVICE)) if isinstance(item, str) else item)
        for row, (place, item) in zip(rows, looked, strict=True)
    ]


def _missing(place: str) -> str:
    return f"{place} is missing{_ADVICE}"


def _clip(
    layout: Layout, annotation: Annotation, found: Footage, tree: Tree, landmarks: Sequence[Tree], choices: Choices
) -> Clip | Dropped | str:
    """The clip, why it is dropped, or what is wrong.

    Raises:
        PictureError: its landmarks cannot be read.
    """
    if not found.frames:
        return f"{found.folder}: {why_no_pictures(found.folder)}"
    marks = marks_of(landmarks, tree.root, annotation, found) if landmarks else {}
    if not marks and not choices.landmarks:
        marks = marks_beside(tree, found)
    item = find_clip(annotation, found, layout.apex, marks)
    if isinstance(item, Clip):
        return _broken(item) or item
    unreadable = unreadable_kinds(found.folder) if "missing" in item.reason and found.folder.is_dir() else ""
    return item._replace(reason=f"{item.reason}; its folder {unreadable}") if unreadable else item


def _broken(clip: Clip) -> str:
    frames = [picture.frame for picture in pictures_of(clip)]
    last: dict[Path, Frame] = {frame.video: frame for frame in frames if isinstance(frame, VideoFrame)}
    try:
        for frame in (*(frame for frame in frames if isinstance(frame, Path)), *last.values()):
            check_frame(frame)
        for marks in clip.marks.values():
            faces_in(marks)
    except PictureError as error:
        return str(error)
    return ""


def _without_landmarks(clips: Sequence[Clip], choices: Choices) -> list[str]:
    without = [clip.annotation.clip for clip in clips if clip.landmarks is None]
    if choices.landmarks and clips and len(without) == len(clips):
        return [
            f"{choices.landmarks}: holds no landmark file of any clip; it must mirror the copy's folders, with a "
            f"file a picture or a table a clip, e.g. {file_beside(clips[0].onset.frame)}"
        ]
    if not without or choices.detects:
        return []
    return [
        f"{len(without)} clips (e.g. {without[0]}) have no landmark file and no face detector is installed: "
        "run `pip install 'fedpsyau-jax[faces]'`, or name a folder of landmark files with --landmarks"
    ]
