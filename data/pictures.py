"""Pictures and landmark files, read or refused with one sentence."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.vision.landmarks import read_landmarks

_ENDINGS = {b"\x89PNG": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}
_TRAILING_BYTES = 64


class PictureError(ValueError):
    """A picture or landmark file that cannot be used; the message names it."""


def read_grey(path: Path) -> UInt8[np.ndarray, "rows columns"]:
    """A picture as grey levels.

    Raises:
        PictureError: it is missing, truncated or no picture.
    """
    content = _content(path)
    for magic, ending in _ENDINGS.items():
        if content.startswith(magic) and ending not in content[-_TRAILING_BYTES:]:
            raise PictureError(f"{path}: the picture is truncated; copy it again")
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if content else None
    if picture is None:
        raise PictureError(f"{path}: not a picture that OpenCV can read; copy it again")
    return np.asarray(picture, np.uint8)


def read_landmark_file(path: Path) -> Float[np.ndarray, "68 2"]:
    """68 landmarks of a frame, one ``x y`` a line.

    Raises:
        PictureError: it is missing or does not hold 68 points.
    """
    try:
        return read_landmarks(_content(path).decode("ascii"))
    except (ValueError, UnicodeDecodeError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{path}: {error}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from error
