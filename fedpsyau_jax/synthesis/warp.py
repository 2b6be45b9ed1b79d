"""Smooth motion of the whole picture that moves chosen points to given positions."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

_RIDGE = 0.02
_GRID_STEP = 8


class SmoothMotion(NamedTuple):
    """Gaussian radial basis motion: moves x by sum_i weight_i exp(-|x - centre_i|^2 / (2 reach^2))."""

    centres: Float[np.ndarray, "points 2"]
    weights: Float[np.ndarray, "points 2"]
    reach: float

    def __call__(self, points: Float[np.ndarray, "places 2"]) -> Float[np.ndarray, "places 2"]:
        """The displacement of any points."""
        return _kernel(points, self.centres, self.reach) @ self.weights


def smooth_motion(
    centres: Float[np.ndarray, "points 2"], moved: Float[np.ndarray, "points 2"], reach: float
) -> SmoothMotion:
    """The motion that moves ``centres`` by ``moved`` (up to a small ridge) and decays over ``reach``."""
    kernel = _kernel(centres, centres, reach)
    return SmoothMotion(centres, np.linalg.solve(kernel + _RIDGE * np.eye(len(centres)), moved), reach)


def _kernel(points: np.ndarray, centres: np.ndarray, reach: float) -> np.ndarray:
    exponent = [-0.5 * ((points[:, None, axis] - centres[:, axis]) / reach) ** 2 for axis in (0, 1)]
    return np.exp(exponent[0] + exponent[1])


def backward_field(motion: SmoothMotion, size: int) -> Float[np.ndarray, "height width 2"]:
    """Where each pixel comes from, as an offset: g with g(q) = -d(q + g(q)), by fixed-point iteration.

    Converges where |grad d| < 1: no fold in the skin.
    """
    coarse = -(-size // _GRID_STEP) + 1
    nodes = np.stack(np.meshgrid(*[np.arange(coarse) * float(_GRID_STEP)] * 2), -1).reshape(-1, 2)
    offset = np.zeros_like(nodes)
    for _ in range(4):
        offset = -motion(nodes + offset)
    grid = offset.reshape(coarse, coarse, 2).astype(np.float32)
    zoom = np.array([[_GRID_STEP, 0, 0], [0, _GRID_STEP, 0]], np.float32)
    return cv2.warpAffine(grid, zoom, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
