"""Frames of a face as a camera records them: before an expression, at its peak, or throughout."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.synthesis.muscles import Action, control_points, displacement
from fedpsyau_jax.synthesis.portrait import Portrait
from fedpsyau_jax.synthesis.warp import SmoothMotion, backward_field, smooth_motion

FRAME_SIZE = 256
_NO_MAP = np.empty(0, np.float32)
Affine = Float[np.ndarray, "2 3"]


@dataclass(frozen=True)
class Conditions:
    """Disturbances of a recording: standard deviations, in the unit of each line.

    Attributes:
        skin_reach: distance over which skin follows a muscle, face widths.
        shift: head translation between the frames, face widths.
        turn: in-plane head rotation between the frames, degrees.
        zoom: relative change of the face's size between the frames.
        grain: sensor noise, grey levels of 255.
        flicker: change of lighting between the frames, relative.
    """

    skin_reach: float = 0.09
    shift: float = 0.008
    turn: float = 0.5
    zoom: float = 0.004
    grain: float = 2.0
    flicker: float = 0.008


class Take(NamedTuple):
    """Onset and apex frame (RGB), their landmarks, the muscles' share of the motion (onset-frame pixels)."""

    onset: UInt8[np.ndarray, "rows columns 3"]
    apex: UInt8[np.ndarray, "rows columns 3"]
    onset_landmarks: Float[np.ndarray, "68 2"]
    apex_landmarks: Float[np.ndarray, "68 2"]
    muscle_motion: Float[np.ndarray, "68 2"]


class Footage(NamedTuple):
    """Frames (RGB) with the landmarks of each, and the muscles' share of the motion (first-frame pixels)."""

    frames: tuple[UInt8[np.ndarray, "rows columns 3"], ...]
    landmarks: Float[np.ndarray, "frames 68 2"]
    muscle_motion: Float[np.ndarray, "frames 68 2"]


def film_sequence(
    portrait: Portrait,
    actions: Iterable[Action],
    expression: Sequence[float],
    conditions: Conditions,
    generator: np.random.Generator,
) -> Footage:
    """Film a person whose expression follows a curve while the head drifts evenly.

    Args:
        portrait: the neutral face.
        actions: the active AUs.
        expression: share of the actions' intensities in each frame, 0 to 1.
        conditions: head motion between first and last frame; light and noise of each frame.
        generator: source of all randomness.
    """
    pose = _pose(portrait, generator)
    drift = _drift(pose, portrait, conditions, generator)
    poses = [_compose(drift(time), pose) for time in np.linspace(0, 1, len(expression))]
    centres = control_points(portrait.landmarks)
    peak = smooth_motion(centres, portrait.unit * displacement(actions), conditions.skin_reach * portrait.unit)
    skins = [peak._replace(weights=share * peak.weights) for share in expression]
    moved = [portrait.landmarks + skin(portrait.landmarks) for skin in skins]
    return Footage(
        tuple(
            _expose(_view(portrait, placed, skin if share else None), conditions, generator)
            for placed, skin, share in zip(poses, skins, expression, strict=True)
        ),
        np.stack([apply(placed, points) for placed, points in zip(poses, moved, strict=True)]),
        np.stack([apply(pose, points) - apply(pose, portrait.landmarks) for points in moved]),
    )


def film(
    portrait: Portrait,
    actions: Iterable[Action],
    conditions: Conditions,
    generator: np.random.Generator,
    shown: tuple[float, float] = (0.0, 1.0),
) -> Take:
    """Record a person before and at the peak of an expression.

    Args:
        portrait: the neutral face.
        actions: the active AUs at the apex.
        conditions: head motion, light and noise between the two frames.
        generator: source of all randomness.
        shown: shares of the expression in the two frames; others than 0 and 1 miss the true onset and apex.
    """
    frames, landmarks, motion = film_sequence(portrait, actions, shown, conditions, generator)
    return Take(frames[0], frames[1], landmarks[0], landmarks[1], motion[1] - motion[0])


def apply(transform: Affine, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """An affine map of points."""
    return points @ transform[:, :2].T + transform[:, 2]


def similarity(centre: Float[np.ndarray, "2"], angle: float, scale: float, shift: Float[np.ndarray, "2"]) -> Affine:
    """Rotate by ``angle`` (degrees) and scale about ``centre``, then translate by ``shift``."""
    cosine, sine = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, centre + shift - linear @ centre])


def _compose(second: Affine, first: Affine) -> Affine:
    return np.column_stack([second[:, :2] @ first[:, :2], apply(second, first[:, 2:].T)[0]])


def _pose(portrait: Portrait, generator: np.random.Generator) -> Affine:
    size = portrait.picture.shape[0]
    to_frame = FRAME_SIZE / size * generator.uniform(0.97, 1.03)
    angle, shift = generator.normal(0, 1.5), generator.normal(0, 3, 2)
    return similarity(np.full(2, size / 2), angle, to_frame, shift + (FRAME_SIZE - size) / 2)


def _drift(
    pose: Affine, portrait: Portrait, conditions: Conditions, generator: np.random.Generator
) -> Callable[[float], Affine]:
    neck = apply(pose, portrait.landmarks[[8]])[0]
    unit = np.hypot(*pose[:, 0]) * portrait.unit
    angle, zoom = generator.normal(0, (conditions.turn, conditions.zoom))
    shift = generator.normal(0, conditions.shift * unit, 2)
    return lambda time: similarity(neck, time * angle, 1 + time * zoom, time * shift)


def _view(portrait: Portrait, pose: Affine, skin: SmoothMotion | None) -> Float[np.ndarray, "rows columns 3"]:
    back = cv2.invertAffineTransform(pose)
    pixels = np.stack(np.meshgrid(*[np.arange(FRAME_SIZE, dtype=np.float32)] * 2), -1)
    source = (pixels @ back[:, :2].T + back[:, 2]).astype(np.float32)
    if skin is not None:
        offset = backward_field(skin, portrait.picture.shape[0])
        source += cv2.remap(offset, source, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.remap(portrait.picture, source, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _expose(
    view: Float[np.ndarray, "rows columns 3"], conditions: Conditions, generator: np.random.Generator
) -> UInt8[np.ndarray, "rows columns 3"]:
    level, across, down = (
        1 + generator.normal(0, conditions.flicker),
        *generator.normal(0, conditions.flicker, 2),
    )
    ramp = np.linspace(-0.5, 0.5, FRAME_SIZE, dtype=np.float32)
    light = np.float32(level) + np.float32(across) * ramp + np.float32(down) * ramp[:, None]
    grain = conditions.grain * generator.standard_normal(view.shape, np.float32)
    return np.clip(np.rint(255 * view * light[..., None] + grain), 0, 255).astype(np.uint8)
