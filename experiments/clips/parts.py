"""The rows of a clip in parts, each written whole or not at all, so that an interrupted reading can go on."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from experiments.clips.pauses import Pause, arrays_of, pause_from
from experiments.run import arrays
from experiments.run.folder import RunFolder
from fedpsyau_jax.vision.crop import Square

FOLDER = "parts"
CHUNK = 1 << 20


class Earlier(NamedTuple):
    """What has been read of a clip: number of frames, records of its events, and where the reading stands."""

    frames: int
    events: list[dict[str, Any]]
    pause: Pause | None = None


def write_part(
    folder: RunFolder, start: int, rows: pd.DataFrame, events: Sequence[dict[str, Any]], pause: Pause | None = None
) -> None:
    """Write the rows of some frames and the events decided meanwhile; the JSON file says that all is there.

    Args:
      folder: of the clip.
      start: number of frames before them.
      rows: of frames.csv.
      events: records.
      pause: where the reading stands after them; None if it need not go on from there.
    """
    if pause is not None:
        end = start + len(rows)
        arrays.write(folder, _standing(end), end, arrays_of(pause))
    folder.write_table(f"{FOLDER}/{start:09d}.csv", rows)
    folder.write_json(f"{FOLDER}/{start:09d}.json", {"frames": len(rows), "events": list(events)})


def earlier_parts(folder: RunFolder) -> Earlier:
    """The parts that are there without a gap from the first frame on; a damaged one ends them."""
    return _together(list(_parts(folder)), None)


def paused(folder: RunFolder, square: Square) -> Earlier:
    """The parts up to where the reading can go on: all that are whole, unless files were damaged.

    Args:
      folder: of the clip.
      square: 68 landmarks -> square of the face.
    """
    parts = list(_parts(folder))
    while parts:
        end = sum(facts["frames"] for facts in parts)
        try:
            return _together(parts, pause_from(arrays.read(folder, _standing(end), end), square))
        except (arrays.Damaged, FileNotFoundError):
            parts.pop()
    return Earlier(0, [])


def join_parts(folder: RunFolder) -> None:
    """Write frames.csv from the parts, without holding it in memory."""
    unfinished = folder.path / ".frames.csv.unfinished"
    start, header = 0, b""
    with unfinished.open("wb") as joined:
        for facts in _parts(folder):
            with _table(folder, start).open("rb") as part:
                first = part.readline()
                joined.write(b"" if header else first)
                header = first
                while block := part.read(CHUNK):
                    joined.write(block)
            start += facts["frames"]
    unfinished.replace(folder.path / "frames.csv")


def remove_parts(folder: RunFolder) -> None:
    """Remove the parts of a clip that is read, if they are still there."""
    shutil.rmtree(folder.path / FOLDER, ignore_errors=True)


def _parts(folder: RunFolder) -> Iterator[dict[str, Any]]:
    start = 0
    while (facts := _facts(folder, start)) is not None:
        yield facts
        start += facts["frames"]


def _together(parts: Sequence[Mapping[str, Any]], pause: Pause | None) -> Earlier:
    events = [event for facts in parts for event in facts["events"]]
    return Earlier(sum(facts["frames"] for facts in parts), events, pause)


def _facts(folder: RunFolder, start: int) -> dict[str, Any] | None:
    path = folder.path / FOLDER / f"{start:09d}.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        whole = facts["frames"] > 0 and _table(folder, start).is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts if whole else None


def _table(folder: RunFolder, start: int) -> Path:
    return folder.path / FOLDER / f"{start:09d}.csv"


def _standing(frames: int) -> str:
    """Name of the file that says where the reading stands after so many frames."""
    return f"{FOLDER}/{frames:09d}.npz"
