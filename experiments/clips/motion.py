"""The motion of a face between two frames: how much of it is the head's, and how strong the rest is."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from fedpsyau_jax.vision.crop import crop, crop_points
from fedpsyau_jax.vision.landmarks import BROWS, EYES, MOUTH
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.spotting import dense_inverse_search, expressive_region
from fedpsyau_jax.vision.stabilise import Affine, head_motion, undone, without_head_motion
from fedpsyau_jax.vision.strain import optical_strain

Grey = UInt8[np.ndarray, "rows columns"]
Points = Float[np.ndarray, "68 2"]
PARTS = {"brows": BROWS, "eyes": EYES, "lower": (*range(31, 36), *MOUTH)}
"""Landmarks of the parts of a face: brows, lids, nostrils and mouth."""


class Motion(NamedTuple):
    """Motion of the aligned face from one frame to another.

    Attributes:
      head: mean motion of the landmarks with the head, pixels of the aligned face.
      strain: 90th percentile of the strain round brows, eyes, nostrils and mouth.
      brows, eyes, lower: the same round the brows, round the eyes, round nostrils and mouth.
      agreement: correlation of the two faces within the landmarks, head motion taken out; 1 for the same picture.
    """

    head: float
    strain: float
    brows: float
    eyes: float
    lower: float
    agreement: float


NONE = Motion(0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def motion_between(before: Grey, after: Grey, points: Points, settings: Settings) -> Motion:
    """Measure the motion between two frames, with fast flow (dense inverse search).

    Args:
      before: a grey frame.
      after: a later one of the same size.
      points: (x, y) of the 68 landmarks of the first.
      settings: how faces are cut and head motion is taken out.
    """
    box, size = settings.square(points), settings.face_size
    placed = crop_points(points, box, size)
    first, second = crop(before, box, size), crop(after, box, size)
    transform = head_motion(first, second, placed)
    usual = settings.stabilise is without_head_motion
    still = undone(second, transform) if usual else settings.stabilise(first, second, placed)
    strain = optical_strain(dense_inverse_search(first, still))
    whole, brows, eyes, lower = (float(np.percentile(strain[region], 90)) for region in regions(placed, size))
    return Motion(moved_by(transform, placed), whole, brows, eyes, lower, agreement_of(first, still, placed))


def moved_by(transform: Affine, points: Points) -> float:
    """Mean motion of points under the head's similarity transform, pixels."""
    moved = points @ transform[:, :2].T + transform[:, 2] - points
    return float(np.hypot(moved[:, 0], moved[:, 1]).mean())


def regions(points: Points, size: int) -> list[Bool[np.ndarray, "height width"]]:
    """Where expressions move: in all, and each of ``PARTS``."""
    parts = []
    for places in PARTS.values():
        discs = np.zeros((size, size), np.uint8)
        for x, y in points[list(places)]:
            cv2.circle(discs, (round(x), round(y)), size // 24, (1,), -1)
        parts.append(discs == 1)
    return [expressive_region(points, size), *parts]


def agreement_of(first: Grey, second: Grey, points: Points) -> float:
    """Correlation of two faces within their landmarks; 0 where one of them is blank."""
    hull = np.zeros(first.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(points).astype(np.int32)), (1,))
    before, after = first[hull == 1].astype(float), second[hull == 1].astype(float)
    if not before.size or not before.std() or not after.std():
        return 0.0
    return float(np.corrcoef(before, after)[0, 1])
