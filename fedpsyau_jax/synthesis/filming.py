"""Two frames of a face as a camera takes them: before an expression and at its peak."""

from collections.abc import Iterable
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
    """How hard a recording is: standard deviations, in the unit of each line.

    Attributes:
        skin_reach: how far skin follows a muscle, face widths.
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


def film(portrait: Portrait, actions: Iterable[Action], conditions: Conditions, generator: np.random.Generator) -> Take:
    """Take a person's picture before and at the peak of an expression.

    Args:
        portrait: the neutral face.
        actions: the AUs at work at the apex.
        conditions: head motion, light and noise between the two frames.
        generator: everything random is drawn from it.
    """
    at_onset = _pose(portrait, generator)
    at_apex = _moved_head(at_onset, portrait, conditions, generator)
    centres = control_points(portrait.landmarks)
    reach = conditions.skin_reach * portrait.unit
    skin = smooth_motion(centres, portrait.unit * displacement(actions), reach)
    moved = portrait.landmarks + skin(portrait.landmarks)
    return Take(
        onset=_expose(_view(portrait, at_onset, None), conditions, generator),
        apex=_expose(_view(portrait, at_apex, skin), conditions, generator),
        onset_landmarks=apply(at_onset, portrait.landmarks),
        apex_landmarks=apply(at_apex, moved),
        muscle_motion=apply(at_onset, moved) - apply(at_onset, portrait.landmarks),
    )


def apply(transform: Affine, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """An affine map of points."""
    return points @ transform[:, :2].T + transform[:, 2]


def similarity(centre: Float[np.ndarray, "2"], angle: float, scale: float, shift: Float[np.ndarray, "2"]) -> Affine:
    """Turn by ``angle`` (degrees) and scale about ``centre``, then move by ``shift``."""
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


def _moved_head(pose: Affine, portrait: Portrait, conditions: Conditions, generator: np.random.Generator) -> Affine:
    neck = apply(pose, portrait.landmarks[[8]])[0]
    unit = np.hypot(*pose[:, 0]) * portrait.unit
    angle, zoom = generator.normal(0, (conditions.turn, conditions.zoom))
    shift = generator.normal(0, conditions.shift * unit, 2)
    return _compose(similarity(neck, angle, 1 + zoom, shift), pose)


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
