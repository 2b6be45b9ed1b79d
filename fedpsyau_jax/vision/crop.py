"""The square crop around a face, from the landmarks of the onset frame."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.vision.landmarks import INNER_EYE_CORNERS, network_landmarks


class FaceBox(NamedTuple):
    """A square in a picture: left, top and side in pixels; it may extend beyond the picture."""

    left: float
    top: float
    side: float


Square = Callable[[Float[np.ndarray, "68 2"]], FaceBox]
_MARGIN = 0.07
_LARGEST = 20


def eye_square(points: Float[np.ndarray, "68 2"]) -> FaceBox:
    """The square that only the eyes place: x in c +- 4u, y from c - 3u to c + 5u.

    c is the midpoint of the inner eye corners, u half their distance. The chin of most faces lies below it.

    Raises:
        ValueError: the eye corners coincide.
    """
    centre, unit = _eyes(points)
    return FaceBox(float(centre[0] - 4 * unit), float(centre[1] - 3 * unit), 8 * unit)


def wide_square(points: Float[np.ndarray, "68 2"]) -> FaceBox:
    """A larger one, placed by the eyes too: x in c +- 5.25u, y from c - 3u to c + 7.5u; see ``eye_square``.

    Raises:
        ValueError: the eye corners coincide.
    """
    centre, unit = _eyes(points)
    return FaceBox(float(centre[0] - 5.25 * unit), float(centre[1] - 3 * unit), 10.5 * unit)


def landmark_square(points: Float[np.ndarray, "68 2"]) -> FaceBox:
    """The square that follows the face: it holds the network's 65 landmarks, from brows to chin, and a margin.

    The margin is 7 % of the side, 9 of 128 pixels, on the sides that the landmarks come near to: half a window,
    and as far as the expressions of ``FixedRange`` move. Its side is about 8 u, as that of ``eye_square``.

    Raises:
        ValueError: the eye corners coincide, or a landmark lies 20 u from the others: not a face.
    """
    _, unit = _eyes(points)
    held = network_landmarks(points)
    low, high = held.min(axis=0), held.max(axis=0)
    side = float((high - low).max()) / (1 - 2 * _MARGIN)
    if side > _LARGEST * unit:
        raise ValueError(
            f"the landmarks span {side / unit:.0f} times half the distance of the inner eye corners, and those of a "
            f"face at most {_LARGEST}: not a face seen from the front, or one of its points is wrong"
        )
    left, top = ((low + high - side) / 2).tolist()
    return FaceBox(left, top, side)


def _eyes(points: Float[np.ndarray, "68 2"]) -> tuple[Float[np.ndarray, "2"], float]:
    left_corner, right_corner = points[list(INNER_EYE_CORNERS)]
    unit = float(np.linalg.norm(right_corner - left_corner)) / 2
    if not unit > 0:
        raise ValueError("the two inner eye corners (landmarks 39 and 42) coincide: not a face")
    return (left_corner + right_corner) / 2, unit


face_box: Square = landmark_square
"""The square that is cut by default."""
SQUARES: Mapping[str, Square] = {"eyes": eye_square, "wide": wide_square, "landmarks": landmark_square}


def to_crop(box: FaceBox, size: int) -> Float[np.ndarray, "2 3"]:
    """The affine map from picture to crop coordinates (pixel centres at integers, one scale)."""
    scale = size / box.side
    shift = 0.5 * scale - 0.5
    return np.array([[scale, 0, shift - scale * box.left], [0, scale, shift - scale * box.top]])


def crop(picture: UInt8[np.ndarray, "rows columns"], box: FaceBox, size: int) -> UInt8[np.ndarray, "height width"]:
    """Resize the box to size x size pixels, with smoothing if it shrinks; border pixels are repeated outside."""
    shrink = max(1.0, box.side / size)
    if shrink > 1:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrink)
    border = cv2.BORDER_REPLICATE
    return cv2.warpAffine(picture, to_crop(box, size), (size, size), flags=cv2.INTER_LINEAR, borderMode=border)


def crop_points(points: Float[np.ndarray, "points 2"], box: FaceBox, size: int) -> Float[np.ndarray, "points 2"]:
    """Transform points from picture to crop coordinates (pixel centres at integers)."""
    matrix = to_crop(box, size)
    return points @ matrix[:, :2].T + matrix[:, 2]
