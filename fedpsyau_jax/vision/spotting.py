"""Which frame of a clip shows its expression most strongly, where nobody has marked it."""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from fedpsyau_jax.vision.crop import crop, crop_points
from fedpsyau_jax.vision.flow import Flow as FlowMethod
from fedpsyau_jax.vision.landmarks import BROWS, EYES, MOUTH
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.strain import optical_strain

Picture = UInt8[np.ndarray, "rows columns"]
Flow = Float[np.ndarray, "height width 2"]
Strength = Callable[[Flow], Float[np.ndarray, "height width"]]

EXPRESSIVE_POINTS = BROWS + EYES + tuple(range(31, 36)) + MOUTH
_DEFAULTS = Settings()


def dense_inverse_search(onset: Picture, apex: Picture) -> Flow:
    """Flow by dense inverse search with OpenCV's medium preset: coarser than TV-L1, and 40 times as fast.

    Source: Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016.
    """
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(onset, apex, np.empty(0, np.float32))


def magnitude(flow: Flow) -> Float[np.ndarray, "height width"]:
    """Length of each flow vector, pixels."""
    return np.hypot(flow[..., 0], flow[..., 1])


def spot_apex(
    frames: Iterable[Picture],
    points: Float[np.ndarray, "68 2"],
    settings: Settings = _DEFAULTS,
    strength: Strength = optical_strain,
    flow: FlowMethod = dense_inverse_search,
) -> int:
    """Index of the frame whose flow from the first is strongest, after smoothing.

    Args:
        frames: grey frames from the onset to the offset; only two are held at a time.
        points: (x, y) of the first frame's 68 landmarks.
        settings: how faces are aligned, head motion is taken out and frames without the face are told.
        strength: what is measured of the flow: its strain, or its ``magnitude``. What is left of the head's
            motion adds to the magnitude everywhere, but hardly to the strain: its error is a third as large.
        flow: (onset, frame) -> (u, v). TV-L1 is slower, and no better at it (docs/vision.md).

    Returns:
        1 or more; 0 is the onset.

    Raises:
        ValueError: fewer than two frames, or the landmarks are no face.

    Source: Patel, Zhao, Pietikäinen, "Spatiotemporal integration of optical flow vectors for micro-expression
    detection", ACIVS 2015 (flow against time, smoothed); Shreve et al., "Macro- and micro-expression spotting in
    long videos using spatio-temporal strain", FG 2011; Liong et al., "Automatic apex frame spotting in
    micro-expression database", ACPR 2015 (regions). The released implementation has no spotting.
    """
    return 1 + int(np.argmax(smooth(motion_curve(frames, points, settings, strength, flow))[1:]))


def motion_curve(
    frames: Iterable[Picture],
    points: Float[np.ndarray, "68 2"],
    settings: Settings = _DEFAULTS,
    strength: Strength = optical_strain,
    flow: FlowMethod = dense_inverse_search,
) -> Float[np.ndarray, "frames"]:
    """How strong each frame's flow from the first is round brows, eyes, nostrils and mouth.

    The 90th percentile over these regions, as most expressions move a small part of them; 0 of a frame that shows
    something else than the face, by the settings' bound. Arguments as of ``spot_apex``.
    """
    box, size = settings.square(points), settings.face_size
    placed = crop_points(points, box, size)
    region = expressive_region(placed, size)
    faces = (crop(frame, box, size) for frame in frames)
    onset = next(faces, np.empty((0, 0), np.uint8))
    curve = [0.0]
    for face in faces:
        still = settings.stabilise(onset, face, placed)
        motion = flow(onset, still)
        shown = not settings.bound(onset, still, motion, placed)
        curve.append(float(np.percentile(strength(motion)[region], 90)) if shown else 0.0)
    if len(curve) < 2:
        raise ValueError("apex spotting needs at least two frames")
    return np.array(curve)


def expressive_region(points: Float[np.ndarray, "68 2"], size: int) -> Bool[np.ndarray, "height width"]:
    """Discs of a sixteenth of the face round the landmarks that expressions move."""
    region = np.zeros((size, size), np.uint8)
    for x, y in points[list(EXPRESSIVE_POINTS)]:
        cv2.circle(region, (round(x), round(y)), size // 16, 1, -1)
    return region == 1


def smooth(curve: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames"]:
    """A curve's average under a Hann window over a fifth of it, three frames at least; its ends are repeated.

    >>> smooth(np.array([0.0, 0.0, 4.0, 0.0, 0.0])).tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    reach = max(1, round(len(curve) / 10))
    window = np.hanning(2 * reach + 3)[1:-1]
    return np.convolve(np.pad(curve, reach, mode="edge"), window / window.sum(), "valid")
