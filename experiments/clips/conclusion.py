"""The end of the reading of a clip: its parts become tables, and what is known of it as a whole is counted."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.clips.footage import Footage
from experiments.clips.networks import Ensemble
from experiments.clips.parts import earlier_parts, join_parts, remove_parts
from experiments.clips.results import event_table
from experiments.run.folder import RunFolder

ROWS = 20_000


def conclude(
    ensemble: Ensemble, clip: Footage, folder: RunFolder, kind: str, notes: list[str], abstained: list[str]
) -> None:
    """Write the tables and the facts of a clip; result.json comes last, and says that it is read.

    Args:
      ensemble: what read it.
      clip: which.
      folder: of it, with the parts of frames.csv.
      kind: "clip" or "video".
      notes: what else there is to know.
      abstained: why nothing can be said of it; empty if something can.
    """
    frames, records, _ = earlier_parts(folder)
    summary: dict[str, Any] = {"num_frames": 0, "num_seen": 0, "most_faces": 0, "face_side": None}
    if frames:
        join_parts(folder)
        summary = summary_of(folder.path / "frames.csv")
    if clip.stated and summary["num_frames"] not in (0, clip.stated):
        notes.append(f"its container states {clip.stated} frames, and {summary['num_frames']} could be decoded")
    if not abstained and not summary["num_seen"]:
        abstained.append("no face is found in any frame")
    if summary["most_faces"] > 1:
        notes.append(
            f"up to {summary['most_faces']} faces in a frame: the largest is followed, the others are not read"
        )
    folder.write_table("events.csv", event_table(records, ensemble.au_names, ensemble.class_names))
    facts = {"name": clip.name, "path": str(clip.path), "kind": kind, "fps": clip.fps} | summary
    folder.write_json("result.json", facts | {"notes": notes, "abstained": abstained, "events": records})
    remove_parts(folder)


def summary_of(table: Path) -> dict[str, Any]:
    """Counts of frames.csv, read in pieces: frames, with the face, most faces, median side of the face."""
    frames, seen, faces, sides = 0, 0, 0, Counter[float]()
    for rows in pd.read_csv(table, usecols=["success", "faces", "face_side"], chunksize=ROWS):
        frames, seen = frames + len(rows), seen + int(rows["success"].sum())
        faces = max(faces, int(rows["faces"].max()))
        sides.update(rows["face_side"].dropna().tolist())
    return {"num_frames": frames, "num_seen": seen, "most_faces": faces, "face_side": _median(sides)}


def _median(counts: Mapping[float, int]) -> float | None:
    """The lower median of counted values; None of none."""
    below = 0
    for value, count in sorted(counts.items()):
        below += count
        if 2 * below >= sum(counts.values()):
            return value
    return None
