"""The square crop around a face, from the landmarks of the onset frame."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.vision.landmarks import INNER_EYE_CORNERS


class FaceBox(NamedTuple):
    """A square in a picture: left, top and side in pixels; it may extend beyond the picture."""

    left: float
    top: float
    side: float


def face_box(points: Float[np.ndarray, "68 2"]) -> FaceBox:
    """The face's square: x in c +- 4u, y from c - 3u to c + 5u.

    c is the midpoint of the inner eye corners, u half their distance.

    Raises:
        ValueError: the eye corners coincide.
    """
    left_corner, right_corner = points[list(INNER_EYE_CORNERS)]
    unit = float(np.linalg.norm(right_corner - left_corner)) / 2
    if not unit > 0:
        raise ValueError("the two inner eye corners (landmarks 39 and 42) coincide: not a face")
    centre = (left_corner + right_corner) / 2
    return FaceBox(float(centre[0] - 4 * unit), float(centre[1] - 3 * unit), 8 * unit)


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
