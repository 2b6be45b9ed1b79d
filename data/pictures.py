"""Read pictures and frames of videos, or refuse them with one sentence."""

import os
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8

from data.frames import Frame, VideoFrame

_HEAD = 8
_TRAILING_BYTES = 4096  # some cameras pad behind the ending
_NOT_STATED = 0xFFFFFFFF  # what recorders write that do not know how long a video will be
_JPEG = b"\xff\xd8\xff"
_ENDINGS = {b"\x89PNG": b"IEND\xaeB`\x82", _JPEG: b"\xff\xd9"}
_DAMAGE = ("Corrupt", "Premature")  # other warnings of libjpeg are about oddities that harm no pixel


class PictureError(ValueError):
    """A picture, video or landmark file that cannot be used; the message names it."""


def read_grey(frame: Frame) -> UInt8[np.ndarray, "rows columns"]:
    """A frame as grey levels.

    Raises:
        PictureError: it is missing, truncated or no picture.
    """
    if isinstance(frame, VideoFrame):
        return np.asarray(cv2.cvtColor(_read_video_frame(frame), cv2.COLOR_BGR2GRAY), np.uint8)
    return _decode(frame, cv2.IMREAD_GRAYSCALE)


def read_colour(frame: Frame) -> UInt8[np.ndarray, "rows columns 3"]:
    """A frame as blue, green, red.

    Raises:
        PictureError: it is missing, truncated or no picture.
    """
    return _read_video_frame(frame) if isinstance(frame, VideoFrame) else _decode(frame, cv2.IMREAD_COLOR)


def check_frame(frame: Frame) -> None:
    """Look at the ends of a picture, or whether a video is long enough, without decoding the rest.

    Raises:
        PictureError: it is missing, truncated, empty or no picture.
    """
    if isinstance(frame, VideoFrame):
        _check_video(frame)
        return
    try:
        with frame.open("rb") as stream:
            start, size = stream.read(_HEAD), frame.stat().st_size
            stream.seek(max(0, size - _TRAILING_BYTES))
            _check_ending(frame, start, stream.read(), size)
    except OSError as error:
        raise PictureError(f"{frame}: cannot be read ({error.strerror})") from error


def num_video_frames(path: Path) -> int:
    """How many frames a video says it has.

    Raises:
        PictureError: it is missing or no video.
    """
    video = _open(path)
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    return count


def _check_video(frame: VideoFrame) -> None:
    count = num_video_frames(frame.video)
    if _is_cut(frame.video):
        raise PictureError(f"{frame.video}: the video is truncated; copy it again")
    if frame.number > count:
        raise PictureError(f"{frame}: the video ends after {count} frames; copy it again")


def _decode(path: Path, mode: int) -> np.ndarray:
    content = content_of(path)
    _check_ending(path, content[:_HEAD], content[-_TRAILING_BYTES:], len(content))
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), mode)
    except cv2.error:  # its sizes cannot be true
        picture = None
    if picture is None:
        raise PictureError(f"{path}: cannot be decoded; copy it again")
    if content.startswith(_JPEG):
        _check_inside(path, content)
    return np.asarray(picture, np.uint8)


def _check_inside(path: Path, content: bytes) -> None:
    """Refuse damaged JPEGs, whose damaged parts OpenCV silently fills with grey; it refuses damaged PNGs itself."""
    try:
        simplejpeg.decode_jpeg(content, colorspace="GRAY", strict=True)
    except ValueError as error:
        if str(error).startswith(_DAMAGE):
            raise PictureError(f"{path}: the picture is damaged inside ({error}); copy it again") from error


def _read_video_frame(frame: VideoFrame) -> UInt8[np.ndarray, "rows columns 3"]:
    video = _open(frame.video)
    video.set(cv2.CAP_PROP_POS_FRAMES, frame.number - 1)
    found, picture = video.read()
    video.release()
    if not found:
        raise PictureError(f"{frame}: cannot be decoded; copy the video again")
    return np.asarray(picture, np.uint8)


def _is_cut(video: Path) -> bool:
    """Whether an AVI file ends before the end that it states."""
    with video.open("rb") as stream:
        head = stream.read(8)
    stated = int.from_bytes(head[4:], "little")
    return head.startswith(b"RIFF") and video.stat().st_size < 8 + stated < _NOT_STATED


def _open(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise PictureError(f"{path}: no such file")
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from error
    video = cv2.VideoCapture(os.fspath(path)) if not empty else None
    if video is None or not video.isOpened():
        raise PictureError(f"{path}: not a video that OpenCV can read; copy it again")
    return video


def _check_ending(path: Path, start: bytes, end: bytes, size: int) -> None:
    if not start:
        raise PictureError(f"{path}: not a picture that OpenCV can read (it is empty); copy it again")
    ending = next((ending for magic, ending in _ENDINGS.items() if start.startswith(magic)), None)
    if ending is None and not cv2.haveImageReader(os.fspath(path)):
        raise PictureError(f"{path}: not a picture that OpenCV can read; copy it again")
    if (ending is not None and ending not in end) or size < _stated_size(start):
        raise PictureError(f"{path}: the picture is truncated; copy it again")


def _stated_size(start: bytes) -> int:
    """Bytes that a BMP, WebP or TIFF says it has, or at least; 0 where it does not say."""
    if start.startswith(b"BM"):
        return int.from_bytes(start[2:6], "little")
    if start.startswith(b"RIFF"):
        return 8 + int.from_bytes(start[4:8], "little")
    order: Literal["little", "big"] = "little" if start.startswith(b"II") else "big"
    return int.from_bytes(start[4:8], order) if start.startswith((b"II*\0", b"MM\0*")) else 0


def content_of(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from error
