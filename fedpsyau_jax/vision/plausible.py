"""Whether what moved from onset to apex can be a face: a bound on its flow, which no expression reaches."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

Grey = UInt8[np.ndarray, "height width"]
Flow = Float[np.ndarray, "height width 2"]
Bound = Callable[[Grey, Grey, Flow, Float[np.ndarray, "68 2"]], str]
"""(onset, apex, flow between them, 68 landmarks) of an aligned face -> why this is no face's motion; empty if it is."""


class MotionError(ValueError):
    """The apex shows something else than the onset's face; the message says what speaks for it."""


@dataclass(frozen=True)
class MotionBound:
    """Muscles move parts of a face by parts of its width, and what they move can be found again.

    Attributes:
        half: half of the face may not move further, against the other half, than this share of the square's side.
            The jaw, dropped by a third of the face's width, moves less than a third of the face; the strongest
            expressions of synthetic faces reached .013, and .042 where the head's motion was not found.
        agreement: least correlation of the onset with the apex whose motion is undone. Closed eyes, bared teeth and
            a jaw dropped as far as it goes cannot be undone: together they left .74.

    Source: the figures are ours, by ``tests/test_vision_plausible.py``; displacements at full intensity as in
    ``synthesis/muscles.py``.
    """

    half: float = 0.0235
    agreement: float = 0.65

    def __call__(self, onset: Grey, apex: Grey, motion: Flow, points: Float[np.ndarray, "68 2"]) -> str:
        """Why this is no face's motion; empty if it is."""
        face = face_region(points, len(onset))
        against = motion[face] - np.median(motion[face], axis=0)
        half = float(np.median(np.hypot(*against.T))) / len(onset)
        agreement = _agreement(onset, apex, motion, face)
        if half > self.half:
            return (
                f"no motion of a face: half of it moves by {half:.1%} of its square or more, no expression so much "
                f"by {self.half:.1%}; the apex shows another scene, place or light, or the head's motion was not found"
            )
        if agreement < self.agreement:
            return (
                f"no motion of a face: with it undone, onset and apex correlate by {agreement:.2f}, those of one face "
                f"by {self.agreement} or more; the apex shows another scene, or something before the face"
            )
        return ""


def unbounded(onset: Grey, apex: Grey, motion: Flow, points: Float[np.ndarray, "68 2"]) -> str:
    """Any motion will do."""
    del onset, apex, motion, points
    return ""


def face_region(points: Float[np.ndarray, "68 2"], size: int) -> Bool[np.ndarray, "height width"]:
    """What lies within the landmarks."""
    region = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(region, cv2.convexHull(np.round(points).astype(np.int32)), (1,))
    return region == 1


def _agreement(onset: Grey, apex: Grey, motion: Flow, face: Bool[np.ndarray, "height width"]) -> float:
    """Correlation of the onset with the apex whose motion is undone; 0 where one of them is blank."""
    y, x = np.mgrid[: onset.shape[0], : onset.shape[1]].astype(np.float32)
    places = np.dstack([x, y]) + motion.astype(np.float32)
    undone = cv2.remap(apex, places, np.empty(0, np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    before, after = onset[face].astype(float), undone[face].astype(float)
    if not before.size or not before.std() or not after.std():
        return 0.0
    return float(np.corrcoef(before, after)[0, 1])
