"""The shape of a face: 68 landmarks in units of the face's width, varied from person to person.

Coordinates are (x, y) with y down; the origin is midway between the inner eye corners; landmarks 0 and 16
are one unit apart in the mean face. Points follow the 68-point order of iBUG 300-W.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

MIDLINE = (8, 27, 28, 29, 30, 33, 51, 57, 62, 66)
LEFT_TO_RIGHT = {
    **{i: 16 - i for i in range(8)},
    **{17 + i: 26 - i for i in range(5)},
    **{31: 35, 32: 34},
    **{36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46},
    **{48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64, 61: 63, 67: 65},
}

_LEFT_HALF = {
    0: (-0.500, 0.000), 1: (-0.495, 0.120), 2: (-0.478, 0.240), 3: (-0.440, 0.355), 4: (-0.380, 0.460),
    5: (-0.300, 0.545), 6: (-0.205, 0.610), 7: (-0.100, 0.650), 8: (0.000, 0.660),
    17: (-0.415, -0.095), 18: (-0.350, -0.145), 19: (-0.265, -0.163), 20: (-0.180, -0.150),
    21: (-0.095, -0.120),
    27: (0.000, -0.010), 28: (0.000, 0.080), 29: (0.000, 0.165), 30: (0.000, 0.245),
    31: (-0.088, 0.290), 32: (-0.045, 0.310), 33: (0.000, 0.320),
    36: (-0.318, -0.003), 37: (-0.265, -0.042), 38: (-0.195, -0.042), 39: (-0.135, 0.000),
    40: (-0.195, 0.024), 41: (-0.262, 0.026),
    48: (-0.185, 0.447), 49: (-0.120, 0.420), 50: (-0.045, 0.405), 51: (0.000, 0.413),
    57: (0.000, 0.512), 58: (-0.055, 0.506), 59: (-0.120, 0.483),
    60: (-0.160, 0.448), 61: (-0.055, 0.447), 62: (0.000, 0.450), 66: (0.000, 0.454), 67: (-0.055, 0.452),
}  # fmt: skip


def mirror_order() -> Int[np.ndarray, "68"]:
    """Index of every landmark's mirror image.

    >>> mirror_order()[[0, 36, 48, 30]].tolist()
    [16, 45, 54, 30]
    """
    pairs = {**LEFT_TO_RIGHT, **{right: left for left, right in LEFT_TO_RIGHT.items()}}
    return np.array([pairs.get(i, i) for i in range(68)])


def mean_shape() -> Float[np.ndarray, "68 2"]:
    """The symmetric mean face, in face widths."""
    points = dict(_LEFT_HALF)
    points |= {right: (-_LEFT_HALF[left][0], _LEFT_HALF[left][1]) for left, right in LEFT_TO_RIGHT.items()}
    return np.array([points[i] for i in range(68)])


@dataclass(frozen=True)
class Proportions:
    """How one face departs from the mean: factors around 1, shifts in face widths around 0."""

    jaw_width: float
    face_length: float
    eye_distance: float
    eye_size: float
    eye_tilt: float
    brow_height: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_fullness: float


def draw_proportions(generator: np.random.Generator, variety: float = 1.0) -> Proportions:
    """A random person's proportions; ``variety`` scales how far they are from the mean face."""
    spread = {
        "jaw_width": 0.07, "face_length": 0.05, "eye_distance": 0.04, "eye_size": 0.09, "eye_tilt": 0.008,
        "brow_height": 0.012, "brow_arch": 0.010, "nose_length": 0.06, "nose_width": 0.11,
        "mouth_width": 0.08, "lip_fullness": 0.18,
    }  # fmt: skip
    shifts = {"eye_tilt", "brow_height", "brow_arch"}
    draws = {
        name: float((name not in shifts) + variety * sd * np.clip(generator.standard_normal(), -2, 2))
        for name, sd in spread.items()
    }
    return Proportions(**draws)


def shape_of(proportions: Proportions) -> Float[np.ndarray, "68 2"]:
    """The landmarks of a face with these proportions, in face widths."""
    shape = mean_shape()
    p = proportions
    lowness = np.clip(shape[:17, 1] / 0.66, 0, 1)
    shape[:17, 0] *= 1 + (p.jaw_width - 1) * np.sin(np.pi * lowness)
    _brows_and_eyes(shape, p)
    nose = slice(27, 36)
    shape[nose, 1] *= p.nose_length
    shape[31:36, 0] *= p.nose_width
    mouth, centre = slice(48, 68), np.array([0.0, 0.45])
    shape[mouth] = centre + (shape[mouth] - centre) * (p.mouth_width, p.lip_fullness)
    shape[mouth, 1] += 0.3 * (p.nose_length - 1)
    below_eyes = shape[:, 1] > 0.05
    shape[below_eyes, 1] *= p.face_length
    return shape


def _brows_and_eyes(shape: Float[np.ndarray, "68 2"], p: Proportions) -> None:
    side = np.sign(shape[:, :1])
    for eye in (slice(36, 42), slice(42, 48)):
        centre = shape[eye].mean(0)
        shape[eye] = centre * (p.eye_distance, 1) + (shape[eye] - centre) * (1, p.eye_size)
    for outer in (36, 45):
        shape[outer, 1] -= p.eye_tilt
    brows = slice(17, 27)
    shape[brows, 1] -= p.brow_height
    shape[[19, 24], 1] -= p.brow_arch
    shape[brows] += 0.08 * side[brows] * (p.eye_distance - 1) * (1, 0)
