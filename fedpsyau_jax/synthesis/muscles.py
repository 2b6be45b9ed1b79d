"""Displacement of the landmarks by each action unit (AU) at full intensity, in face widths, y down.

Control points are the 68 landmarks and, from 68, the six cheek points of ``vision.landmarks.CHEEKS``.
The AUs are in the order of the network.
Source: CANDIDE-3's animation units (Ahlberg 2001); AU 6, 12, 14, 17 and point 18 of AU 4 are inferred.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from fedpsyau_jax.synthesis.anatomy import LEFT_TO_RIGHT, MIDLINE
from fedpsyau_jax.vision.landmarks import CHEEKS

Side = Literal["", "L", "R"]
NUM_CONTROL_POINTS = 68 + len(CHEEKS)

_MIRROR = {**LEFT_TO_RIGHT, **{i: i for i in MIDLINE}, 68: 71, 69: 72, 70: 73}

MOTION: dict[int, dict[int, tuple[float, float]]] = {
    1: {21: (0.010, -0.070), 20: (0.006, -0.042), 19: (0.0025, -0.0175)},
    2: {18: (-0.015, -0.095), 19: (-0.015, -0.095), 17: (-0.012, -0.076), 20: (-0.0075, -0.0475)},
    4: {19: (0.04, 0.041), 20: (0.04, 0.041), 21: (0.04, 0.041), 18: (0.028, 0.0287), 17: (0.016, 0.0164)},
    5: {37: (0, -0.020), 38: (0, -0.020)},
    6: {40: (0, -0.012), 41: (0, -0.012), 68: (-0.005, -0.030), 69: (-0.005, -0.030), 70: (-0.005, -0.030),
        48: (-0.010, -0.010)},
    7: {37: (0, 0.015), 38: (0, 0.015), 40: (0, -0.018), 41: (0, -0.018)},
    9: {31: (0, -0.060), 32: (0, -0.045), 27: (0, -0.01), 28: (0, -0.01), 21: (0.01, 0.015)},
    10: {51: (0, -0.070), 50: (0, -0.054), 49: (0, -0.041), 31: (0, -0.02)},
    12: {48: (-0.060, -0.050), 49: (-0.030, -0.020), 59: (-0.030, -0.020), 60: (-0.050, -0.040)},
    14: {48: (0.015, -0.005)},
    15: {48: (0, 0.115), 60: (0, 0.082), 59: (0, 0.033), 49: (0, 0.025)},
    17: {57: (0, -0.060), 58: (0, -0.060), 66: (0, -0.060), 67: (0, -0.060), 7: (0, -0.050), 8: (0, -0.050)},
}  # fmt: skip


class Action(NamedTuple):
    """One active AU: ``intensity`` in [0, 1]; ``side`` of the picture, or both."""

    au: int
    intensity: float
    side: Side = ""


def control_points(shape: Float[np.ndarray, "68 2"]) -> Float[np.ndarray, "74 2"]:
    """The 68 landmarks followed by the six cheek points."""
    return np.concatenate([shape, shape[np.array(CHEEKS)].mean(axis=1)])


def displacement(actions: Iterable[Action]) -> Float[np.ndarray, "74 2"]:
    """Sum of the actions' displacements of the control points, in face widths.

    A one-sided action moves the midline by half.

    >>> displacement([Action(2, 1.0)])[[18, 25]].tolist()
    [[-0.015, -0.095], [0.015, -0.095]]
    """
    moved = np.zeros((NUM_CONTROL_POINTS, 2))
    for action in actions:
        for point, (dx, dy) in MOTION[action.au].items():
            if point in MIDLINE:
                moved[point] += action.intensity * np.array([dx, dy]) * (0.5 if action.side else 1)
                continue
            if action.side != "R":
                moved[point] += action.intensity * np.array([dx, dy])
            if action.side != "L":
                moved[_MIRROR[point]] += action.intensity * np.array([-dx, dy])
    return moved
