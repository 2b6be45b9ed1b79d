"""Find the frames of a clip, in folders of numbered pictures or in videos."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from data.picture_types import PICTURE_SUFFIXES
from data.walking import Walked, walk

_CLIPS_KEPT = 8
_FIRST = 20
_TEXTS = frozenset({".txt", ".pts", ".csv", ".json"})
DEPTH = 8
"""How many levels below the named folder the folders of a copy are looked for."""


class VideoFrame(NamedTuple):
    """A frame of a video, counted from 1."""

    video: Path
    number: int

    def __str__(self) -> str:
        """For messages."""
        return f"{self.video}, frame {self.number}"


Frame = Path | VideoFrame


class Footage(NamedTuple):
    """The available frames of a clip.

    Attributes:
        folder: its place within the copy, which landmark folders mirror.
        frames: number -> picture.
        whole: whether these frames are the clip and nothing else.
        notes: what had to be assumed to find or to count them.
    """

    folder: Path
    frames: Mapping[int, Frame]
    whole: bool
    notes: tuple[str, ...] = ()


class Tree:
    """The folders of a copy, each listed once; names are compared without case.

    Of the pictures only the last few clips' are kept: copies hold millions of them.

    Args:
        root: the copy.
        depth: levels below it that are looked through.
    """

    def __init__(self, root: Path, depth: int = DEPTH) -> None:
        """Start at a folder."""
        self.root, self.depth = root, depth
        self._listings: dict[Path, dict[str, list[Path]]] = {}
        self._matched: dict[str, list[Path]] = {}
        self._numbered: dict[tuple[Path, frozenset[str]], dict[int, Path]] = {}

    def children(self, folder: Path) -> list[Path]:
        """Files and folders in a folder, sorted; none if there is no such folder. Hidden ones are passed over."""
        return [path for paths in self._listing(folder).values() for path in paths]

    def folders(self, folder: Path) -> list[Path]:
        """The folders in a folder, sorted."""
        return [path for path in self.children(folder) if path.is_dir()]

    def find(self, *names: str, start: Path | None = None) -> Path | None:
        """The file or folder at a path below ``start`` (default: the root), whatever its case."""
        return next(self.every(*names, start=start), None)

    @cached_property
    def _walked(self) -> Walked:
        return walk(self.root, self.depth)

    @property
    def unread(self) -> tuple[str, ...]:
        """Folders that the system does not let us read, a sentence each."""
        return self._walked.unread

    @cached_property
    def upper(self) -> list[Path]:
        """The root and the first folders in it."""
        return [self.root, *self.folders(self.root)[:_FIRST]]

    @property
    def table_files(self) -> list[Path]:
        """The files at any depth that may be annotation tables, the highest first."""
        return self._walked.tables

    def videos(self, stem: str) -> list[Path]:
        """The videos of a name, whatever its suffix, at any depth; the highest first."""
        return self._walked.videos.get(stem.lower(), [])

    def named(self, name: str) -> list[Path]:
        """The folders of a name at any depth, as archives unpack; the highest first."""
        return self._walked.folders.get(name.lower(), [])

    def matching(self, pattern: str) -> list[Path]:
        """The folders at any depth whose whole names match a regular expression, whatever their case."""
        if pattern not in self._matched:
            fits = re.compile(pattern, re.IGNORECASE).fullmatch
            self._matched[pattern] = [
                path for name, paths in self._walked.folders.items() if fits(name) for path in paths
            ]
        return self._matched[pattern]

    def nears(self, *names: str) -> Iterator[Path]:
        """All files or folders at a path that begins with a folder at any depth; those among landmarks come last."""
        for start in sorted(self.named(names[0]), key=self._among_landmarks):
            yield from self.every(*names[1:], start=start)

    def _among_landmarks(self, folder: Path) -> bool:
        return any("landmark" in part.lower() for part in folder.relative_to(self.root).parts)

    def near(self, *names: str) -> Path | None:
        """The first file or folder at a path that begins with a folder at any depth."""
        return next(self.nears(*names), None)

    def every(self, *names: str, start: Path | None = None) -> Iterator[Path]:
        """All files or folders at a path, where some differ in case only."""
        place = self.root if start is None else start
        if not names:
            yield place
            return
        for path in self._listing(place).get(names[0].lower(), []):
            yield from self.every(*names[1:], start=path)

    def _listing(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._listings:
            listing: dict[str, list[Path]] = {}
            for path in _visible(folder):
                listing.setdefault(path.name.lower(), []).append(path)
            self._listings[folder] = listing
        return self._listings[folder]

    def numbered(self, folder: Path, suffixes: frozenset[str] = PICTURE_SUFFIXES) -> Mapping[int, Path]:
        """As the function ``numbered``; the last few folders are not listed again."""
        if (folder, suffixes) not in self._numbered:
            found = numbered(folder, suffixes)
            while len(self._numbered) >= _CLIPS_KEPT:
                self._numbered.pop(next(iter(self._numbered)))
            self._numbered[folder, suffixes] = found
        return self._numbered[folder, suffixes]


def numbered(folder: Path, suffixes: frozenset[str] = PICTURE_SUFFIXES) -> dict[int, Path]:
    """Files of a folder by the last number in their names, padded or not.

    Of several with one number (``img46.jpg``, ``reg_img46.jpg``) the one with the shortest name.
    """
    found: dict[int, Path] = {}
    for name in sorted(_names(folder), key=lambda name: (len(name), name)):
        stem, _, suffix = name.rpartition(".")
        number = number_of(stem)
        if f".{suffix}".lower() in suffixes and number is not None:
            found.setdefault(number, folder / name)
    return found


def _visible(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder)]


def _names(folder: Path) -> list[str]:
    """What is in a folder, sorted: names, as paths that were compared hold 1 kB each (Python 3.13)."""
    try:
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise OSError(f"{folder}: cannot be read ({error.strerror})") from error


def footage_in(tree: Tree, folder: Path, whole: bool) -> Footage:
    """The pictures of a folder, or where it holds nothing but a folder, of that one."""
    frames = tree.numbered(folder)
    inside = [] if frames else _visible(folder)
    if len(inside) == 1 and inside[0].is_dir():
        return footage_in(tree, inside[0], whole)
    return Footage(folder, frames, whole)


def fullest(found: Iterable[Footage]) -> Footage | None:
    """The first that holds pictures, or else the first that is not a folder of texts (landmarks, labels)."""
    first = None
    for footage in found:
        if footage.frames:
            return footage
        kinds = {path.suffix.lower() for path in _visible(footage.folder)}
        first = first or (footage if not kinds or kinds - _TEXTS else None)
    return first


def in_subject_folder(tree: Tree, subject: str, filename: str) -> Footage | str:
    """A clip's folder in its subject's, wherever that lies; which folder is missing, if one is."""
    found = fullest(footage_in(tree, folder, whole=True) for folder in tree.nears(subject, filename))
    return found or (f"folder {subject}/{filename}" if tree.named(subject) else f"folder {subject}")


def number_of(stem: str) -> int | None:
    """The last number in a name.

    >>> number_of("reg_img46"), number_of("S005_001_00000011_landmarks"), number_of("notes")
    (46, 11, None)
    """
    numbers = re.findall(r"\d+", stem)
    return int(numbers[-1]) if numbers else None


def nearest(frames: Mapping[int, Frame], number: int, reach: int) -> int | None:
    """The existing frame nearest to a number, the earlier of two; None if it is more than ``reach`` away.

    >>> nearest({3: Path("3.jpg"), 5: Path("5.jpg")}, 4, reach=1)
    3
    """
    if number in frames:
        return number
    found = min(frames, key=lambda other: (abs(other - number), other), default=None)
    return found if found is not None and abs(found - number) <= reach else None
