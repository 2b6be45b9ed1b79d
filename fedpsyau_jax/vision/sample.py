"""One sample from two pictures: the whole preprocessing, with its choices as values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.vision.crop import crop, crop_points, face_box
from fedpsyau_jax.vision.flow import tvl1
from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.patches import cut_patches
from fedpsyau_jax.vision.scaling import FixedRange, FlowImage, Scaling
from fedpsyau_jax.vision.stabilise import without_head_motion
from fedpsyau_jax.vision.strain import optical_strain

Grey = UInt8[np.ndarray, "height width"]


@dataclass(frozen=True)
class Settings:
    """How pictures become samples.

    Attributes:
        stabilise: (onset, apex, 68 landmarks) -> apex without head motion.
        flow: (onset, apex) -> (u, v) in pixels.
        scaling: (u, v, strain) -> picture in [0, 1].
        face_size: side of the aligned face, pixels; landmarks and patches refer to it.
        flow_size: side of the whole-face flow image, pixels.
    """

    stabilise: Callable[..., Grey] = without_head_motion
    flow: Callable[[Grey, Grey], Float[np.ndarray, "height width 2"]] = tvl1
    scaling: Scaling = field(default_factory=FixedRange)
    face_size: int = 128
    flow_size: int = 28

    def description(self) -> dict[str, str | int]:
        """The choices by name, to be written to a file."""
        choices = {name: getattr(self, name) for name in ("stabilise", "flow", "scaling")}
        named = {name: getattr(choice, "__name__", repr(choice)) for name, choice in choices.items()}
        return named | {"face_size": self.face_size, "flow_size": self.flow_size}


class Sample(NamedTuple):
    """The network's inputs from one clip; ``landmarks`` are (x, y) on the aligned face."""

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
        settings: choices of the preprocessing.
    """
    box, size = face_box(points), settings.face_size
    before, after = crop(onset, box, size), crop(apex, box, size)
    motion = settings.flow(before, settings.stabilise(before, after, crop_points(points, box, size)))
    return np.dstack([motion, optical_strain(motion)]).astype(np.float32)


def make_sample(
    onset: UInt8[np.ndarray, "rows columns"],
    apex: UInt8[np.ndarray, "apex_rows apex_columns"],
    points: Float[np.ndarray, "68 2"],
    settings: Settings = Settings(),
) -> Sample:
    """The network's inputs from two grey frames and the onset's landmarks.

    Both frames are cropped to the face box of the onset; head motion is removed; the remaining flow is scaled to
    [0, 1], downsampled (area average) for the whole face, and cut into full-resolution patches around the landmarks.

    Args:
        onset: greyscale frame.
        apex: greyscale frame of the same size.
        points: (x, y) of the onset's 68 landmarks, frame pixels.
        settings: choices of the preprocessing.

    Raises:
        ValueError: the frames differ in size, or the landmarks are not those of a face.
    """
    if onset.shape != apex.shape:
        raise ValueError(f"onset is {onset.shape} pixels but apex {apex.shape}: frames of one clip must agree")
    image = settings.scaling(flow_image(onset, apex, points, settings))
    landmarks = network_landmarks(crop_points(points, face_box(points), settings.face_size))
    shrunk = cv2.resize(image, (settings.flow_size, settings.flow_size), interpolation=cv2.INTER_AREA)
    return Sample(
        np.clip(shrunk, 0, 1).astype(np.float32),
        cut_patches(image, landmarks).astype(np.float32),
        landmarks.astype(np.float32),
    )
