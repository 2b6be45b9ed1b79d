"""Walk through a copy, however deep its archives were unpacked: find folders, videos and possible tables."""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from data.picture_types import VIDEO_SUFFIXES
from data.sheets import TABLE_SUFFIXES

_SOUGHT = (*TABLE_SUFFIXES, *VIDEO_SUFFIXES)
_SOUGHT_BELOW = tuple(suffix for suffix in _SOUGHT if suffix != ".txt")
_UPPER = 1
_MOST_FOLDERS = 200_000
_MOST_TABLES = 50


class Walked(NamedTuple):
    """What was found, the highest first.

    Attributes:
        folders: name in lower case -> the folders of that name.
        videos: name without suffix, in lower case -> the videos of that name.
        tables: files that may be tables.
        unread: folders that the system does not let us read, a sentence each.
    """

    folders: Mapping[str, list[Path]]
    videos: Mapping[str, list[Path]]
    tables: list[Path]
    unread: tuple[str, ...]


def walk(root: Path, depth: int) -> Walked:
    """Look through a folder, level by level; pictures are neither looked at nor kept.

    Texts are taken for tables down to one folder below the top, as they are landmarks further down; and of more than
    fifty files in a folder only workbooks are. Nothing is that lies among landmarks.

    Args:
        root: where to begin.
        depth: levels below it to look through; fewer, if there are hundreds of thousands of folders.
    """
    folders, videos = defaultdict[str, list[Path]](list), defaultdict[str, list[Path]](list)
    tables, unread = list[Path](), list[str]()
    level = [root]
    for down in range(depth + 1):
        below: list[Path] = []
        for folder in level:
            inside, files = _scanned(folder, _SOUGHT if down <= _UPPER else _SOUGHT_BELOW, unread)
            below += inside
            filmed = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
            for path in filmed:
                videos[path.stem.lower()].append(path)
            others = [path for path in files if path.suffix.lower() not in VIDEO_SUFFIXES]
            books = [path for path in others if path.suffix.lower().startswith(".xls")]
            if not any("landmark" in part.lower() for part in folder.relative_to(root).parts):
                tables += others if len(others) <= _MOST_TABLES else books
        for path in below:
            folders[path.name.lower()].append(path)
        level = below if sum(map(len, folders.values())) < _MOST_FOLDERS else []
    return Walked(dict(folders), dict(videos), tables, tuple(unread))


def _scanned(folder: Path, sought: tuple[str, ...], unread: list[str]) -> tuple[list[Path], list[Path]]:
    """The folders in a folder, and the files with one of some endings."""
    try:
        with os.scandir(folder) as entries:
            seen = [entry for entry in entries if not entry.name.startswith((".", "__", "~"))]
    except OSError as error:
        unread.append(f"{folder}: cannot be read ({error.strerror})")
        return [], []
    folders = sorted(entry.name for entry in seen if entry.is_dir())
    files = sorted(entry.name for entry in seen if entry.name.lower().endswith(sought) and entry.is_file())
    return [folder / name for name in folders], [folder / name for name in files]
