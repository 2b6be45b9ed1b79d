"""TensorBoard's event files in the run folder: a folder of curves for each row and repeat.

The files are written record by record and closed in between, so a kill loses nothing, and a table of a thousand rows
holds no file open. Without TensorFlow: only the format's messages and its record writer are used.
"""

import re
import shutil
import struct
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from experiments.trackers.protocol import POOLED, End, Point, Start, Tracker

FOLDER, VERSION = "tensorboard", "brain.Event:2"
COLOURS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Channels of a PNG file, by its colour type."""


class Session(NamedTuple):
    """The folder of the event files, and the second of the start, which is part of their names."""

    folder: Path
    second: int


def start(run: Start) -> Session:
    """Delete the event files of an interrupted run, as all its points are told again; write the settings."""
    session = Session(run.folder / FOLDER, int(time.time()))
    shutil.rmtree(session.folder, ignore_errors=True)
    _write(session, "", 0, text_pb("settings", _table(run.settings)))
    return session


def log(session: Session, points: Sequence[Point]) -> None:
    """Append the points of whole repeats."""
    pooled = sorted((one for one in points if one.client == POOLED), key=lambda one: (one.row, one.repeat, one.round))
    for (row, repeat), of_curve in groupby(pooled, key=lambda one: (one.row, one.repeat)):
        for point in of_curve:
            _write(session, f"{_name(row)}/repeat {repeat}", point.round, _scalars(point.values))


def finish(session: Session, end: End) -> None:
    """Write the scores of each row, and the figures."""
    for row, scores in end.scores.items():
        _write(session, _name(row), 0, _scalars({f"score/{name}": value for name, value in scores.items()}))
    for path in end.figures:
        _write(session, "", 0, Summary(value=[Summary.Value(tag=path.stem, image=_image(path.read_bytes()))]))


TRACKER = Tracker(start, log, finish)


def _write(session: Session, place: str, step: int, summary: Any) -> None:
    folder = session.folder / place
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{session.second}.fedpsyau"
    events = [Event(wall_time=time.time(), step=step, summary=summary)]
    if not path.exists():
        events.insert(0, Event(wall_time=time.time(), file_version=VERSION))
    with path.open("ab") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())


def _scalars(values: Mapping[str, float]) -> Any:
    return Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])


def _image(png: bytes) -> Any:
    """A PNG file with its size and number of channels, which its header has at bytes 16 to 25."""
    width, height, _, colour = struct.unpack(">IIBB", png[16:26])
    return Summary.Image(width=width, height=height, colorspace=COLOURS[colour], encoded_image_string=png)


def _table(settings: Mapping[str, Any]) -> str:
    lines = [f"| {name} | {value} |" for name, value in settings.items()]
    return "\n".join(["| setting | value |", "|---|---|", *lines])


def _name(row: str) -> str:
    """The title of a row as the name of a folder."""
    return re.sub(r"[^\w=.,()+ -]", "_", row)
