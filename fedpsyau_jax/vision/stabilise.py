"""Removal of head motion between two frames, measured where facial muscles hardly move the skin."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.vision.landmarks import NOSE

EYE_CORNERS = (36, 39, 42, 45)
NOSE_BRIDGE = NOSE[:4]
STABLE_POINTS = EYE_CORNERS + NOSE_BRIDGE

Grey = UInt8[np.ndarray, "height width"]
Affine = Float[np.ndarray, "2 3"]
_STILL = np.eye(2, 3)
_FEWEST_MATCHES = 6


def head_motion(onset: Grey, apex: Grey, points: Float[np.ndarray, "68 2"]) -> Affine:
    """The similarity transform of the head from onset to apex.

    Texture corners around the eye corners and the nose bridge are tracked forward and backward (pyramidal
    Lucas-Kanade); a RANSAC fit rejects those that move with a lid or a brow.

    Args:
        onset: grey face.
        apex: grey face of the same size.
        points: (x, y) of the onset's 68 landmarks.

    Returns:
        The map from onset to apex coordinates; the identity if too little texture can be tracked.

    Source: Lucas & Kanade 1981; Fischler & Bolles, RANSAC, 1981.
    """
    corners = cv2.goodFeaturesToTrack(
        onset, maxCorners=120, qualityLevel=0.005, minDistance=2, mask=_stable_area(onset.shape, points)
    )
    if corners is None:
        return _STILL
    tracked, found = _track(onset, apex, corners)
    returned, found_back = _track(apex, onset, tracked)
    good = found & found_back & (np.abs(corners - returned).max(axis=(1, 2)) < 0.3)
    if good.sum() < _FEWEST_MATCHES:
        return _STILL
    motion, _ = cv2.estimateAffinePartial2D(corners[good], tracked[good], ransacReprojThreshold=0.3)
    return _STILL if motion is None else motion


def _stable_area(shape: tuple[int, ...], points: Float[np.ndarray, "68 2"]) -> Grey:
    radius = max(3, shape[1] // 16)
    area = np.zeros(shape, np.uint8)
    for x, y in points[list(STABLE_POINTS)]:
        cv2.circle(area, (round(x), round(y)), radius, 255, -1)
    return area


def _track(first: Grey, second: Grey, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        first, second, corners, np.empty(0, np.float32), winSize=(11, 11), maxLevel=2
    )
    return moved, status[:, 0] == 1


def without_head_motion(onset: Grey, apex: Grey, points: Float[np.ndarray, "68 2"]) -> Grey:
    """Warp the apex to undo the head motion."""
    return undone(apex, head_motion(onset, apex, points))


def undone(face: Grey, motion: Affine) -> Grey:
    """A face without a known motion of the head."""
    return cv2.warpAffine(
        face,
        motion,
        face.shape[::-1],
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def as_filmed(onset: Grey, apex: Grey, points: Float[np.ndarray, "68 2"]) -> Grey:
    """Return the apex unchanged, so that the flow includes head motion."""
    del onset, points
    return apex
