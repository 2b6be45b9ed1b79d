"""The face as a height map, and the light on it."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from fedpsyau_jax.synthesis.raster import Canvas, Image, bump, curve, filled, soften, stroked


def height_map(canvas: Canvas, shape: Float[np.ndarray, "68 2"]) -> Image:
    """Height of the face towards the camera, in face widths."""
    height = _skull(canvas, shape) + _nose(canvas, shape) + _eyes(canvas, shape) + _mouth(canvas, shape)
    return soften(height.astype(np.float32), 1.5)


def _skull(canvas: Canvas, shape: Float[np.ndarray, "68 2"]) -> Image:
    x, y = canvas.grid()
    chin = float(shape[8, 1])
    middle, half = (chin - 0.50) / 2, (chin + 0.62) / 2
    dome = 0.42 * np.sqrt(np.clip(1 - (x / 0.60) ** 2 - ((y - middle) / half) ** 2, 0.02, 1))
    cheeks = sum(0.030 * bump(canvas, (side * 0.29, 0.17), 0.085, 0.075) for side in (-1, 1))
    chin_ball = 0.035 * bump(canvas, (0.0, chin - 0.06), 0.085, 0.055)
    brow_ridge = sum(0.6 * 0.03 * bump(canvas, tuple(shape[i]), 0.05, 0.03) for i in (18, 19, 20, 21, 22, 23, 24, 25))
    return dome + cheeks + chin_ball + brow_ridge


def _nose(canvas: Canvas, shape: Float[np.ndarray, "68 2"]) -> Image:
    wing = float(shape[35, 0])
    ridge = curve(np.concatenate([shape[27:28] - (0, 0.04), shape[27:31]]))
    share = np.linspace(0, 1, len(ridge))
    bridge = np.max(
        [
            (0.025 + 0.075 * t) * bump(canvas, tuple(p), 0.028 + 0.022 * t, 0.03)
            for p, t in zip(ridge, share, strict=True)
        ],
        axis=0,
    )
    tip = 0.050 * bump(canvas, (0.0, float(shape[30, 1]) + 0.015), 0.048, 0.040)
    wings = sum(0.055 * bump(canvas, (side * wing * 0.86, float(shape[31, 1]) - 0.012), 0.030) for side in (-1, 1))
    under = -0.012 * bump(canvas, (0.0, float(shape[33, 1]) + 0.02), 0.06, 0.018)
    return bridge + tip + wings + under


def _eyes(canvas: Canvas, shape: Float[np.ndarray, "68 2"]) -> Image:
    relief = np.zeros((canvas.size, canvas.size), np.float32)
    for eye in (shape[36:42], shape[42:48]):
        centre = eye.mean(0)
        inner = eye[np.argmin(np.abs(eye[:, 0]))]
        relief -= 0.045 * bump(canvas, (centre[0], centre[1] - 0.01), 0.105, 0.060)
        relief -= 0.025 * bump(canvas, tuple(inner), 0.03, 0.035)
        relief += 0.040 * bump(canvas, tuple(centre), 0.055, 0.042)
        bag = curve(eye[[0, 5, 4, 3]] + (0, 0.035))
        relief -= 0.006 * stroked(canvas, bag, 0.006, 0.012)
    return relief


def lip_outlines(shape: Float[np.ndarray, "68 2"]) -> tuple[np.ndarray, np.ndarray]:
    """Closed outlines of the upper and of the lower lip."""
    upper = np.concatenate([curve(shape[48:55]), curve(shape[64:59:-1])])
    lower = np.concatenate([curve(shape[[54, 55, 56, 57, 58, 59, 48]]), curve(shape[[60, 67, 66, 65, 64]])])
    return upper, lower


def _mouth(canvas: Canvas, shape: Float[np.ndarray, "68 2"]) -> Image:
    upper, lower = lip_outlines(shape)
    folds = np.zeros((canvas.size, canvas.size), np.float32)
    for nostril, corner, side in ((31, 48, -1), (35, 54, 1)):
        line = np.stack(
            [
                shape[nostril] + (side * 0.025, -0.035),
                (shape[nostril] + shape[corner]) / 2 + (side * 0.035, -0.01),
                shape[corner] + (side * 0.045, 0.005),
            ]
        )
        folds += stroked(canvas, curve(line), 0.010, 0.014)
    philtrum = bump(canvas, (0.0, float(shape[33, 1] + shape[51, 1]) / 2), 0.014, 0.03)
    beneath = bump(canvas, (0.0, float(shape[57, 1]) + 0.03), 0.09, 0.02)
    muzzle = bump(canvas, (0.0, float(shape[62, 1])), 0.15, 0.09)
    lips = 0.022 * filled(canvas, upper, 0.012) + 0.034 * filled(canvas, lower, 0.014)
    seam = stroked(canvas, curve(shape[60:65]), 0.008, 0.006)
    return 0.03 * muzzle + lips - 0.012 * seam - 0.011 * folds - 0.008 * philtrum - 0.022 * beneath


class Light(NamedTuple):
    """One distant lamp and the room's light: ``direction`` (x, y, z) to the lamp, strengths in [0, 1]."""

    direction: tuple[float, float, float]
    ambient: float
    diffuse: float
    gloss: float


def shading(canvas: Canvas, height: Image, light: Light) -> tuple[Image, Image]:
    """Factor on the skin's colour, and the shine to add (Blinn-Phong; crevices are darker)."""
    scale = canvas.unit / 8
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0) * scale
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1) * scale
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    lamp = np.array(light.direction) / np.linalg.norm(light.direction)
    bisector = np.array([lamp[0], lamp[1], lamp[2] + 1])
    halfway = bisector / np.linalg.norm(bisector)
    towards = [(-slope_x * d[0] - slope_y * d[1] + d[2]) / length for d in (lamp, halfway)]
    crevice = np.clip((soften(height, 0.05 * canvas.unit) - height) / 0.02, 0, 1)
    factor = (light.ambient + light.diffuse * np.clip(towards[0], 0, 1)) * (1 - 0.28 * crevice)
    return factor, light.gloss * np.clip(towards[1], 0, 1) ** 24
