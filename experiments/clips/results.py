"""What is found in a clip, and the tables that say so."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.clips.domain import Measure
from experiments.clips.predictor import Reading, Score
from experiments.clips.windows import Entry
from fedpsyau_jax.types import Float

DETECTED = 0.5


class Event(NamedTuple):
    """An expression, from onset to offset.

    Attributes:
      number: counted from 1.
      entries: first frame, apex and last frame.
      strength: strain in units of what noise and the head leave.
      reading: of the networks.
      doubts: why the reading is not to be used; empty if nothing speaks against it.
    """

    number: int
    entries: tuple[Entry, Entry, Entry]
    strength: float
    reading: Reading
    doubts: tuple[str, ...]


class Mark(NamedTuple):
    """What a frame of an event adds to its row: the event's number and the mean probability of every AU."""

    event: int
    aus: Float[np.ndarray, "aus"]


def au_columns(au_names: Sequence[str]) -> dict[str, str]:
    """Names of the columns of each AU, as OpenFace has them, without their ending.

    >>> au_columns(["AU1", "AU12"])
    {'AU1': 'AU01', 'AU12': 'AU12'}
    """
    return {name: f"AU{int(name.removeprefix('AU')):02d}" for name in au_names}


def frame_rows(entries: Sequence[Entry], marks: Mapping[int, Mark], au_names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of frames.csv: one for each frame.

    Outside events no AU is looked for: ``_c`` is 0 and ``_p`` empty. Without a face everything measured is empty.
    """
    return [_row(entry, marks.get(entry.seen.number), au_names) for entry in entries]


def _row(entry: Entry, mark: Mark | None, au_names: Sequence[str]) -> dict[str, Any]:
    seen, motion, nothing = entry.seen, entry.motion, float("nan")
    measured = (motion.head, motion.strain) if seen.success else (nothing, nothing)
    box = seen.box or (nothing, nothing, nothing)
    row: dict[str, Any] = {
        "frame": seen.number,
        "timestamp": round(seen.timestamp, 6),
        "confidence": round(seen.confidence, 4),
        "success": int(seen.success),
        "faces": seen.faces,
        "face_left": round(box[0], 1),
        "face_top": round(box[1], 1),
        "face_side": round(box[2], 1),
        "head_motion": round(measured[0], 3),
        "strain": round(measured[1], 5),
        "event": mark.event if mark else 0,
    }
    columns = au_columns(au_names).values()
    values = mark.aus if mark else [nothing] * len(au_names)
    row |= {f"{name}_c": int(value > DETECTED) for name, value in zip(columns, values, strict=True)}
    return row | {f"{name}_p": round(float(value), 4) for name, value in zip(columns, values, strict=True)}


def event_record(event: Event, measures: Sequence[Measure]) -> dict[str, Any]:
    """What is said of an event, for machines; unknown numbers are null.

    Args:
      event: which.
      measures: how far it is from the training examples.
    """
    record: dict[str, Any] = {"event": event.number}
    for name, entry in zip(("onset", "apex", "offset"), event.entries, strict=True):
        record |= {name: entry.seen.number, f"{name}_seconds": _known(entry.seen.timestamp)}
    first, apex, last = event.entries
    reading = event.reading
    return record | {
        "seconds": _known(last.seen.timestamp - first.seen.timestamp),
        "strength": round(event.strength, 3),
        "head_motion": round(apex.motion.head, 3),
        "strain": round(apex.motion.strain, 5),
        "emotion": None if event.doubts else reading.emotion,
        "agreement": round(reading.agreement, 4),
        "abstained": list(event.doubts),
        "emotions": {name: _score(score) for name, score in reading.emotions.items()},
        "aus": {name: _score(score) for name, score in reading.aus.items()},
        "domain": [
            {name: _known(value) for name, value in one._asdict().items()} | {"outside": one.outside}
            for one in measures
        ],
    }


def event_table(
    records: Sequence[Mapping[str, Any]], au_names: Sequence[str], class_names: Sequence[str]
) -> pd.DataFrame:
    """Content of events.csv: one row for each event, with the mean of each probability and its spread."""
    times = [f"{name}{unit}" for name in ("onset", "apex", "offset") for unit in ("", "_seconds")]
    facts = ["event", *times, "seconds", "strength", "head_motion", "strain", "emotion", "agreement", "abstained"]
    names = [*class_names, *au_names]
    columns = [*facts, *(f"{kind}_{name}" for name in names for kind in ("p", "spread"))]
    return pd.DataFrame([_flat(record, facts) for record in records], columns=columns)


def _flat(record: Mapping[str, Any], facts: Sequence[str]) -> dict[str, Any]:
    row = {name: record[name] for name in facts} | {"abstained": "; ".join(record["abstained"])}
    for name, score in (record["emotions"] | record["aus"]).items():
        row |= {f"p_{name}": score["mean"], f"spread_{name}": score["spread"]}
    return row


def _score(score: Score) -> dict[str, float]:
    return {name: round(value, 4) for name, value in score._asdict().items()}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
