"""Frames of a clip, one after another: from a video, a folder of pictures, or single pictures."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from data.frames import numbered
from data.picture_types import PICTURE_SUFFIXES, VIDEO_SUFFIXES, why_no_pictures
from data.pictures import PictureError, read_colour

Colour = UInt8[np.ndarray, "rows columns 3"]
MOST_FPS = 2000.0


class Frame(NamedTuple):
    """A frame.

    Attributes:
      number: counted from 1 in a video; the last number in the name of a picture.
      timestamp: seconds from the start, as the container says; by the frame rate for pictures, NaN without one.
      picture: blue, green, red.
    """

    number: int
    timestamp: float
    picture: Colour


@dataclass(frozen=True)
class Footage:
    """A clip whose frames are read one at a time, from the start, as often as wanted.

    Attributes:
      name: of the file or folder.
      path: of it.
      fps: frames a second; None where nothing says.
      stated: number of frames that the container states, or that the folder has.
      read: function from how many frames to pass over to the frames after them.
      notes: what is odd about it.
    """

    name: str
    path: Path
    fps: float | None
    stated: int
    read: Callable[[int], Iterator[Frame]]
    notes: tuple[str, ...] = ()

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """The frames after the first ``skip``.

        Raises:
          ValueError: a picture is broken, or has another size than the others.
        """
        size = None
        for frame in self.read(skip):
            size = size or frame.picture.shape
            if frame.picture.shape != size:
                raise PictureError(
                    f"{self.path}: frame {frame.number} has {_sides(frame.picture.shape)} pixels and those before it "
                    f"{_sides(size)}: frames of one clip must agree"
                )
            yield frame


def clips_at(path: Path, fps: float | None) -> list[Footage]:
    """The clips of a path: one of a video or a folder of pictures, or those in a folder of clips.

    Args:
      path: a video; a folder of numbered pictures; or a folder of these.
      fps: frames a second of pictures, and of videos whose container is wrong.

    Raises:
      ValueError: there is none, or it cannot be told what the folder holds.
    """
    if path.is_file():
        return [video(path, fps)]
    if not path.is_dir():
        raise ValueError(f"--clip={path}: there is no such video or folder")
    inside = sorted(one for one in path.iterdir() if not one.name.startswith("."))
    videos = [one for one in inside if one.suffix.lower() in VIDEO_SUFFIXES and one.is_file()]
    pictures = numbered(path)
    folders = [one for one in inside if one.is_dir() and numbered(one)]
    if pictures and (videos or folders):
        other = (videos or folders)[0].name
        raise ValueError(
            f"--clip={path}: it holds pictures ({pictures[min(pictures)].name}) beside clips ({other}); put the "
            "pictures of each clip into a folder of their own"
        )
    if pictures:
        return [pictures_in(path, pictures, fps)]
    if not videos and not folders:
        raise ValueError(f"--clip={path}: {why_no_pictures(path)}")
    return [
        video(one, fps) if one.is_file() else pictures_in(one, numbered(one), fps)
        for one in inside
        if one in videos or one in folders
    ]


def pictures_in(path: Path, pictures: dict[int, Path], fps: float | None) -> Footage:
    """A folder of numbered pictures."""
    order = sorted(pictures)
    missing = order[-1] - order[0] + 1 - len(order)
    notes = (f"{missing} numbers are missing between {order[0]} and {order[-1]}",) if missing else ()

    def read(skip: int) -> Iterator[Frame]:
        for number in order[skip:]:
            seconds = (number - order[0]) / fps if fps else float("nan")
            yield Frame(number, seconds, read_colour(pictures[number]))

    return Footage(path.name, path, fps, len(order), read, notes)


def two_pictures(onset: Path, apex: Path) -> Footage:
    """The onset and the apex frame of a clip, as frames 1 and 2.

    Raises:
      ValueError: one is missing, or no picture.
    """
    for option, path in (("--onset", onset), ("--apex", apex)):
        if not path.is_file():
            raise ValueError(f"{option}={path}: there is no such picture; a frame's number needs --clip")
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            raise ValueError(f"{option}={path}: it is no picture that can be read")

    def read(skip: int) -> Iterator[Frame]:
        for number, path in [*enumerate((onset, apex), 1)][skip:]:
            yield Frame(number, float("nan"), read_colour(path))

    return Footage(f"{onset.stem}-{apex.stem}", onset.parent, None, 2, read)


def video(path: Path, fps: float | None) -> Footage:
    """A video, decoded from its start, with the timestamps of its container.

    Raises:
      ValueError: it cannot be opened, or shows nothing.
    """
    capture = _opened(path)
    stated, own_fps = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
    seen = capture.grab()
    capture.release()
    if not seen:
        raise PictureError(f"{path}: not one of its frames can be decoded; copy it again, or convert it")
    usable = 0 < own_fps <= MOST_FPS
    notes = () if usable or fps else (f"its container states {own_fps:g} frames a second: give --fps",)
    return Footage(path.stem, path, fps or (own_fps if usable else None), max(stated, 0), _decoder(path, fps), notes)


def _decoder(path: Path, fps: float | None) -> Callable[[int], Iterator[Frame]]:
    def read(skip: int) -> Iterator[Frame]:
        capture = _opened(path)
        try:
            number = 0
            while capture.grab():
                number += 1
                if number > skip:
                    found, picture = capture.retrieve()
                    if not found:
                        raise PictureError(f"{path}: frame {number} cannot be decoded; copy the video again")
                    seconds = (number - 1) / fps if fps else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield Frame(number, seconds, np.asarray(picture, np.uint8))
        finally:
            capture.release()

    return read


def _opened(path: Path) -> cv2.VideoCapture:
    if not path.is_file() or not path.stat().st_size:
        raise PictureError(f"{path}: {'the file is empty' if path.is_file() else 'no such file'}")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        raise PictureError(f"{path}: it is one picture; give two, with --onset and --apex, or a folder of them")
    capture = cv2.VideoCapture(os.fspath(path))
    if not capture.isOpened():
        raise PictureError(f"{path}: not a video that OpenCV can read; convert it, or extract its frames into a folder")
    return capture


def _sides(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
