"""One sample from two pictures: the whole chain, its choices as values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.vision.crop import Square, crop, crop_points, face_box
from fedpsyau_jax.vision.flow import Flow, Grey, JaxTVL1
from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.patches import cut_patches
from fedpsyau_jax.vision.plausible import Bound, MotionBound, MotionError
from fedpsyau_jax.vision.scaling import FixedRange, FlowImage, Scaling
from fedpsyau_jax.vision.stabilise import without_head_motion
from fedpsyau_jax.vision.strain import optical_strain


@dataclass(frozen=True)
class Settings:
    """How pictures become samples.

    Attributes:
        square: the onset's 68 landmarks -> the square that is cut from both frames.
        stabilise: (onset, apex, 68 landmarks) -> apex with the head kept still.
        flow: (onset, apex) -> (u, v) in pixels: ``JaxTVL1()``, or OpenCV's ``tvl1``.
        bound: (onset, apex, flow, 68 landmarks) -> why this can be no face's motion, or nothing.
        scaling: (u, v, strain) -> picture in [0, 1].
        face_size: side of the aligned face, pixels; landmarks and patches live there.
        flow_size: side of the whole-face flow image, pixels.
    """

    square: Square = face_box
    stabilise: Callable[..., Grey] = without_head_motion
    flow: Flow = field(default_factory=JaxTVL1)
    bound: Bound = field(default_factory=MotionBound)
    scaling: Scaling = field(default_factory=FixedRange)
    face_size: int = 128
    flow_size: int = 28

    def description(self) -> dict[str, str | int]:
        """The choices by name, for a file."""
        choices = {name: getattr(self, name) for name in ("square", "stabilise", "flow", "bound", "scaling")}
        return {name: name_of(choice) for name, choice in choices.items()} | {
            "face_size": self.face_size,
            "flow_size": self.flow_size,
        }


def name_of(choice: Callable[..., object]) -> str:
    """How a choice of ``Settings`` is described: a function by its name, one with numbers by its representation."""
    return getattr(choice, "__name__", repr(choice))


class Sample(NamedTuple):
    """What the network sees of a clip; ``landmarks`` are (x, y) on the aligned face."""

    flow: Float[np.ndarray, "height=28 width=28 channels=3"]
    patches: Float[np.ndarray, "landmarks=65 5 5 channels=3"]
    landmarks: Float[np.ndarray, "landmarks=65 2"]


def flow_image(
    onset: UInt8[np.ndarray, "rows columns"],
    apex: UInt8[np.ndarray, "rows columns"],
    points: Float[np.ndarray, "68 2"],
    settings: Settings,
) -> FlowImage:
    """Motion of the aligned face from onset to apex: (u, v) in its pixels, and strain.

    Args:
        onset: grey frame.
        apex: grey frame of the same size.
        points: (x, y) of the onset's 68 landmarks, frame pixels.
        settings: the chain's choices.
    """
    faces = aligned_faces(onset, apex, points, settings)
    return with_strain(settings.flow(faces.onset, faces.apex))


class AlignedFaces(NamedTuple):
    """The face in both frames, with the head kept still, and the onset's 68 landmarks (x, y) on it."""

    onset: Grey
    apex: Grey
    points: Float[np.ndarray, "68 2"]


def aligned_faces(
    onset: UInt8[np.ndarray, "rows columns"],
    apex: UInt8[np.ndarray, "apex_rows apex_columns"],
    points: Float[np.ndarray, "68 2"],
    settings: Settings,
) -> AlignedFaces:
    """Cut the face from both frames by the onset's square, and take the head's motion out.

    Raises:
        ValueError: the frames differ in size, or the landmarks are no face.
    """
    if onset.shape != apex.shape:
        raise ValueError(f"onset is {onset.shape} pixels but apex {apex.shape}: frames of one clip must agree")
    box, size = settings.square(points), settings.face_size
    placed = crop_points(points, box, size)
    before = crop(onset, box, size)
    return AlignedFaces(before, settings.stabilise(before, crop(apex, box, size), placed), placed)


def with_strain(motion: Float[np.ndarray, "height width 2"]) -> FlowImage:
    """(u, v, strain) of a flow."""
    return np.dstack([motion, optical_strain(motion)]).astype(np.float32)


def sample_of(faces: AlignedFaces, motion: Float[np.ndarray, "height width 2"], settings: Settings) -> Sample:
    """The network's inputs from aligned faces and the flow between them.

    Raises:
        MotionError: the motion can be no face's.
    """
    moved = with_strain(motion)
    if why := settings.bound(faces.onset, faces.apex, moved[..., :2], faces.points):
        raise MotionError(why)
    image, landmarks = settings.scaling(moved), network_landmarks(faces.points)
    shrunk = cv2.resize(image, (settings.flow_size, settings.flow_size), interpolation=cv2.INTER_AREA)
    return Sample(
        np.clip(shrunk, 0, 1).astype(np.float32),
        cut_patches(image, landmarks).astype(np.float32),
        landmarks.astype(np.float32),
    )


def make_sample(
    onset: UInt8[np.ndarray, "rows columns"],
    apex: UInt8[np.ndarray, "apex_rows apex_columns"],
    points: Float[np.ndarray, "68 2"],
    settings: Settings = Settings(),
) -> Sample:
    """The network's inputs from two grey frames and the onset's landmarks.

    The face is cut from both frames by the onset's box; the head's motion is taken out; the flow of the rest
    is scaled to [0, 1], shrunk (area average) for the whole face, and cut at full size round the landmarks.

    Raises:
        ValueError: the frames differ in size, or the landmarks are no face.
        MotionError: the motion can be no face's.
    """
    faces = aligned_faces(onset, apex, points, settings)
    return sample_of(faces, settings.flow(faces.onset, faces.apex), settings)
