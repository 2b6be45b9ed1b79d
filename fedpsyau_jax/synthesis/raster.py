"""Drawing on a face-centred canvas: coordinate grids, curves, soft masks, noise."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

Image = Float[np.ndarray, "height width"]
_SUBPIXEL_BITS = 4


class Canvas(NamedTuple):
    """A square of ``size`` pixels; a face width is ``unit`` pixels, the face's origin is at ``origin``."""

    size: int
    unit: float
    origin: tuple[float, float]

    def pixels(self, points: Float[np.ndarray, "*points 2"]) -> Float[np.ndarray, "*points 2"]:
        """Face coordinates -> pixel coordinates (x, y)."""
        return np.asarray(points) * self.unit + self.origin

    def window(self, centre: Float[np.ndarray, "2"], size: float) -> tuple["Canvas", tuple[slice, slice]]:
        """A smaller canvas around ``centre``, ``size`` face widths wide, and the (rows, columns) it covers."""
        side = round(size * self.unit)
        left, top = np.round(self.pixels(centre) - side / 2).astype(int).tolist()
        part = Canvas(side, self.unit, (self.origin[0] - left, self.origin[1] - top))
        return part, (slice(top, top + side), slice(left, left + side))

    def grid(self) -> tuple[Image, Image]:
        """Face coordinates (x, y) of every pixel."""
        y, x = np.mgrid[: self.size, : self.size].astype(np.float32)
        return (x - self.origin[0]) / self.unit, (y - self.origin[1]) / self.unit


def curve(points: Float[np.ndarray, "points 2"], steps: int = 8) -> Float[np.ndarray, "samples 2"]:
    """A smooth open curve through the points (uniform Catmull-Rom spline)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    segments = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        cubic, square = -a + 3 * b - 3 * c + d, 2 * a - 5 * b + 4 * c - d
        segments.append(0.5 * (2 * b + (c - a) * t + square * t**2 + cubic * t**3))
    return np.concatenate([*segments, points[-1:]])


def _fixed_point(canvas: Canvas, points: np.ndarray) -> np.ndarray:
    return np.round(canvas.pixels(points) * 2**_SUBPIXEL_BITS).astype(np.int32)


def filled(canvas: Canvas, outline: Float[np.ndarray, "points 2"], softness: float = 0.0) -> Image:
    """Mask in [0, 1] of the inside of a closed outline; ``softness`` = blur in face widths."""
    mask = np.zeros((canvas.size, canvas.size), np.uint8)
    cv2.fillPoly(mask, [_fixed_point(canvas, outline)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return soften(mask.astype(np.float32) / 255, softness * canvas.unit)


def draw_line(mask: np.ndarray, canvas: Canvas, line: Float[np.ndarray, "points 2"], width: float, value: int) -> None:
    """Draw an open line into an 8-bit mask; ``width`` in face widths."""
    thickness = max(1, round(width * canvas.unit))
    cv2.polylines(mask, [_fixed_point(canvas, line)], False, value, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def stroked(canvas: Canvas, line: Float[np.ndarray, "points 2"], width: float, softness: float = 0.0) -> Image:
    """Mask in [0, 1] of an open line; ``width`` and ``softness`` in face widths."""
    mask = np.zeros((canvas.size, canvas.size), np.uint8)
    draw_line(mask, canvas, line, width, 255)
    return soften(mask.astype(np.float32) / 255, softness * canvas.unit)


def soften(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur by ``sigma`` pixels (none at 0)."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0 else image


def bump(canvas: Canvas, centre: tuple[float, float], width: float, height: float | None = None) -> Image:
    """A Gaussian of standard deviations ``width`` and ``height`` (face widths), 1 at its centre."""
    axis = np.arange(canvas.size)
    across = (axis - canvas.origin[0]) / canvas.unit - centre[0]
    down = (axis - canvas.origin[1]) / canvas.unit - centre[1]
    profiles = [np.exp(-0.5 * (d / sd) ** 2) for d, sd in ((down, height or width), (across, width))]
    return np.outer(*profiles).astype(np.float32)


def noise(generator: np.random.Generator, size: int, sigma: float) -> Image:
    """Smooth Gaussian noise of unit variance, correlated over ``sigma`` pixels."""
    shrink = max(1, int(sigma / 3))
    field = generator.standard_normal((-(-size // shrink) + 1,) * 2, np.float32)
    field = soften(field, sigma / shrink)
    if shrink > 1:
        field = np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    return (field / field.std())[:size, :size]


def rgb(colour: Sequence[float]) -> Float[np.ndarray, "3"]:
    """A colour, red, green and blue in [0, 1], as an array."""
    return np.asarray(colour, np.float32)


def blend(image: np.ndarray, colour: np.ndarray, mask: Image) -> np.ndarray:
    """``image`` with ``colour`` laid over it where ``mask`` is 1."""
    return image + (colour - image) * mask[..., None]
