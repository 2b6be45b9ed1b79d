"""A video of a clip with its face, events and action units drawn into it; one frame is held at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from experiments.clips.footage import Colour, Footage
from experiments.clips.lettering import lines_of, write
from experiments.run.progress import Stage

WIDEST = 640
FALLBACK_FPS = 10.0
ROWS = 2000
LETTERS, LINE, EDGE = 0.45, 18, 6
SEEN, LOST, EVENT = (0, 158, 115), (120, 120, 120), (0, 94, 213)


def write_annotated(footage: Footage, table: Path, target: Path, labels: dict[int, str], stage: Stage) -> None:
    """Write an mp4 beside the tables; a partly written one is removed.

    Args:
      footage: the clip.
      table: its frames.csv.
      target: file to write.
      labels: what to say during each event.
      stage: its progress.

    Raises:
      OSError: OpenCV cannot write the video.
    """
    unfinished = target.with_name(f".{target.stem}.unfinished.mp4")
    writer = None
    try:
        for frame, row in zip(footage.frames(), _rows(table), strict=True):
            drawn = annotated(frame.picture, row, labels)
            if writer is None:
                code = cv2.VideoWriter.fourcc(*"mp4v")
                size = (drawn.shape[1], drawn.shape[0])
                writer = cv2.VideoWriter(str(unfinished), code, footage.fps or FALLBACK_FPS, size)
                if not writer.isOpened():
                    raise OSError(f"{target}: this OpenCV cannot write mp4; leave it out with --no-annotate")
            writer.write(drawn)
            stage.advance()
    finally:
        if writer is not None:
            writer.release()
    unfinished.replace(target)


def annotated(picture: Colour, row: Any, labels: dict[int, str]) -> Colour:
    """A frame with the square of its face, its number and time, and its event."""
    scale = min(1.0, WIDEST / max(picture.shape[:2]))
    height, width = (2 * max(1, round(side * scale / 2)) for side in picture.shape[:2])
    drawn = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    colour = EVENT if row.event else SEEN if row.success else LOST
    if row.success:
        left, top = round(row.face_left * scale), round(row.face_top * scale)
        side = round(row.face_side * scale)
        cv2.rectangle(drawn, (left, top), (left + side, top + side), colour, 2)
    time = "" if np.isnan(row.timestamp) else f"{row.timestamp:.3f} s  "
    lines = [f"{row.frame}  {time}{'' if row.success else 'no face'}"]
    if row.event:
        lines += lines_of(labels.get(row.event, f"event {row.event}"), width - 2 * EDGE, LETTERS)
    for number, line in enumerate(lines):
        write(drawn, line, (EDGE, LINE * (number + 1)), LETTERS, colour)
    return np.asarray(drawn, np.uint8)


def _rows(table: Path) -> Iterator[Any]:
    for chunk in pd.read_csv(table, chunksize=ROWS):
        yield from chunk.itertuples(index=False)
