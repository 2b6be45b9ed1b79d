"""The rows of a clip in parts, each written whole or not at all, so that an interrupted reading can go on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from experiments.run.folder import RunFolder

FOLDER = "parts"
CHUNK = 1 << 20


class Earlier(NamedTuple):
    """What has been read of a clip: number of frames, and the records of its events."""

    frames: int
    events: list[dict[str, Any]]


def write_part(folder: RunFolder, start: int, rows: pd.DataFrame, events: Sequence[dict[str, Any]]) -> None:
    """Write the rows of some frames and the events decided meanwhile; the JSON file says that both are there.

    Args:
      folder: of the clip.
      start: number of frames before them.
      rows: of frames.csv.
      events: records.
    """
    folder.write_table(f"{FOLDER}/{start:09d}.csv", rows)
    folder.write_json(f"{FOLDER}/{start:09d}.json", {"frames": len(rows), "events": list(events)})


def earlier_parts(folder: RunFolder) -> Earlier:
    """The parts that are there without a gap from the first frame on; a damaged one ends them."""
    frames, events = 0, list[dict[str, Any]]()
    while (facts := _facts(folder, frames)) is not None:
        frames, events = frames + facts["frames"], [*events, *facts["events"]]
    return Earlier(frames, events)


def join_parts(folder: RunFolder) -> None:
    """Write frames.csv from the parts, without holding it in memory, and remove these."""
    unfinished = folder.path / ".frames.csv.unfinished"
    start, header = 0, b""
    with unfinished.open("wb") as joined:
        while (facts := _facts(folder, start)) is not None:
            with _table(folder, start).open("rb") as part:
                first = part.readline()
                joined.write(b"" if header else first)
                header = first
                while block := part.read(CHUNK):
                    joined.write(block)
            start += facts["frames"]
    unfinished.replace(folder.path / "frames.csv")
    for path in (folder.path / FOLDER).glob("*"):
        path.unlink()
    (folder.path / FOLDER).rmdir()


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
