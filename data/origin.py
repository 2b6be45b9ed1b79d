"""A digest that identifies the copy of a database that a dataset was made from; it changes when the copy is edited."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from data.apex import spot
from data.cache import glimpse
from data.clips import files_of
from data.survey import Choices, CopyError, Layout, survey

OF_CHOICES = ("apex", "table", "landmarks", "skip_broken", "emotions")
OPTIONS: Mapping[str, str] = {
    **{name: f"--{name.replace('_', '-')}" for name in OF_CHOICES},
    "pipeline": "--crop, --flow, --scaling or --keep-head-motion",
    "landmarker": "--landmarker",
}
"""What a dataset records of a user's decisions -> the option of ``data.prepare`` that decides it."""


def origin_digest(layout: Layout, root: Path, config: str, choices: Choices) -> str:
    """SHA-256 over a copy: its tables, and name, size and some bytes of every file that a sample may be made of.

    It is the same wherever the copy lies, and whatever is decided about rows without an apex and broken files.

    Args:
        layout: the database.
        root: the user's copy.
        config: configuration of the database.
        choices: which table, landmarks and meaning of numbers.

    Raises:
        CopyError: there is no such copy, or its table cannot be used.
    """
    found = survey(layout, root, config, replace(choices, apex=spot, detects=True, skip_broken=True))
    if found.problems and not found.clips:
        raise CopyError("\n".join(found.problems))
    look = cache(_look_of(tuple(place for place in (root, choices.landmarks) if place)))
    digest = hashlib.sha256(repr([table.sha256 for table in found.tables]).encode())
    for clip in found.clips:
        told = (
            clip.annotation,
            clip.onset.number,
            clip.apex and clip.apex.number,
            [look(path) for path in files_of(clip)],
        )
        digest.update(repr(told).encode())
    digest.update(repr([(row.row, row.clip) for row in found.dropped]).encode())
    return digest.hexdigest()


def recorded(choices: Choices) -> dict[str, Any]:
    """The choices that a dataset records beside its apex policy, as values of JSON."""
    table, landmarks = (path and str(path.resolve()) for path in (choices.table, choices.landmarks))
    emotions = None if choices.emotions is None else {str(number): name for number, name in choices.emotions.items()}
    return {"table": table, "landmarks": landmarks, "skip_broken": choices.skip_broken, "emotions": emotions}


def as_recorded(told: Mapping[str, Any]) -> Choices:
    """The choices that a dataset recorded; of files that are gone, the usual."""
    table, landmarks = (Path(told[name]) if told.get(name) else None for name in ("table", "landmarks"))
    emotions = told.get("emotions")
    return Choices(
        table=table if table and table.is_file() else None,
        landmarks=landmarks if landmarks and landmarks.is_dir() else None,
        skip_broken=bool(told.get("skip_broken")),
        emotions=emotions and {int(number): name for number, name in emotions.items()},
    )


def _look_of(places: tuple[Path, ...]) -> Callable[[Path], tuple[str, int, str]]:
    def look(path: Path) -> tuple[str, int, str]:
        """Name below its place, size, and a hash of what stands in the middle."""
        name = next((str(path.relative_to(place)) for place in places if path.is_relative_to(place)), path.name)
        return name, *glimpse(path)

    return look
