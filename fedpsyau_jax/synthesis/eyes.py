"""Eyes: eyeball with iris, lids, lashes."""

import numpy as np
from jaxtyping import Float

from fedpsyau_jax.synthesis.appearance import Colour, Picture
from fedpsyau_jax.synthesis.raster import Canvas, Image, blend, bump, curve, filled, rgb, stroked

_SCLERA = rgb((0.88, 0.86, 0.84))


def paint_eyes(
    canvas: Canvas, picture: Picture, shape: Float[np.ndarray, "68 2"], iris: Colour, brightness: float
) -> Picture:
    """``picture`` with both eyes painted into the lids' opening."""
    picture = picture.copy()
    for eye, outer_first in ((shape[36:42], True), (shape[42:48], False)):
        window, place = canvas.window(eye.mean(0), 0.32)
        picture[place] = _paint_eye(window, picture[place], eye, rgb(iris), brightness, outer_first)
    return picture


def _paint_eye(
    canvas: Canvas, picture: Picture, eye: np.ndarray, iris: np.ndarray, brightness: float, outer_first: bool
) -> Picture:
    upper, lower = curve(eye[:4]), curve(eye[[3, 4, 5, 0]])
    opening = filled(canvas, np.concatenate([upper, lower]), 0.003)
    ball = _eyeball(canvas, eye, iris) * brightness
    picture = blend(picture, rgb((0.72, 0.42, 0.40)) * brightness, 0.5 * opening)
    picture = picture + (ball - picture) * (0.94 * opening)[..., None]
    crease = curve(eye[:4] - ((0, 0.016), (0, 0.030), (0, 0.030), (0, 0.016)))
    picture = blend(picture, picture * 0.55, 0.75 * stroked(canvas, crease, 0.005, 0.005))
    lashes = np.maximum(stroked(canvas, upper, 0.010, 0.003), _wing(canvas, eye, outer_first))
    picture = blend(picture, rgb((0.05, 0.04, 0.04)), 0.85 * lashes)
    return blend(picture, picture * 0.55, 0.6 * stroked(canvas, lower, 0.004, 0.003))


def _wing(canvas: Canvas, eye: np.ndarray, outer_first: bool) -> np.ndarray:
    corner, side = (eye[0], -1) if outer_first else (eye[3], 1)
    return 0.8 * stroked(canvas, np.stack([corner, corner - (-side * 0.014, 0.004)]), 0.006, 0.003)


def _eyeball(canvas: Canvas, eye: np.ndarray, iris: np.ndarray) -> Picture:
    x, y = canvas.grid()
    centre, half_width = eye.mean(0) - (0, 0.003), np.ptp(eye[:, 0]) / 2
    radius = 0.46 * half_width
    distance = np.hypot(x - centre[0], y - centre[1])
    edge = 1.2 / canvas.unit

    def inside(limit: float) -> Image:
        return np.clip((limit - distance) / edge + 0.5, 0, 1)

    angle = np.arctan2(y - centre[1], x - centre[0])
    rays = 1 + 0.22 * np.sin(17 * angle) * np.cos(5 * angle + 1) + 0.5 * (distance / radius - 0.6)
    roundness = 1 - 0.45 * np.clip(np.abs(x - centre[0]) / half_width, 0, 1.2) ** 2
    lid_shadow = 1 - 0.40 * np.clip((eye[1:3, 1].mean() + 0.022 - y) / 0.022, 0, 1)
    ball = _SCLERA * np.ones_like(x)[..., None] * roundness[..., None]
    ball = blend(ball, iris * 0.45, inside(radius))
    ball = blend(ball, iris[None, None] * rays[..., None] * 1.25, inside(radius * 0.88))
    ball = blend(ball, rgb((0.02, 0.02, 0.02)), inside(radius * 0.42))
    ball = ball * lid_shadow[..., None]
    glint = bump(canvas, (centre[0] - 0.35 * radius, centre[1] - 0.40 * radius), 0.17 * radius)
    return blend(ball, rgb((1.0, 1.0, 1.0)), 0.9 * glint).astype(np.float32)
