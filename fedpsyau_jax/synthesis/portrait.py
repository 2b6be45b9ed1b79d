"""A whole portrait: background, body, hair, face."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from fedpsyau_jax.synthesis.anatomy import draw_proportions, shape_of
from fedpsyau_jax.synthesis.appearance import (
    ANYBODY,
    Looks,
    People,
    Picture,
    brows,
    draw_looks,
    lips,
    mouth_lines,
    skin,
)
from fedpsyau_jax.synthesis.eyes import paint_eyes
from fedpsyau_jax.synthesis.raster import Canvas, blend, curve, filled, noise, rgb, soften
from fedpsyau_jax.synthesis.relief import Light, height_map, shading

CANVAS = Canvas(size=384, unit=218.0, origin=(192.0, 189.0))
_CROWN = (0.0, -0.66)


class Portrait(NamedTuple):
    """A neutral face: RGB in [0, 1], its landmarks (x, y) in pixels, and how many pixels a face width is."""

    picture: Picture
    landmarks: Float[np.ndarray, "68 2"]
    unit: float


@dataclass(frozen=True)
class Lighting:
    """How a lab lights faces: ranges that each person's light is drawn from.

    Attributes:
        side: the lamp's place, from left (-1) to right.
        above: its height; 1 is 45 degrees above the camera.
        ambient: strength of the room's light.
        diffuse: strength of the lamp.
        gloss: shine of the skin.
    """

    side: tuple[float, float] = (-0.55, 0.55)
    above: tuple[float, float] = (0.2, 0.6)
    ambient: float = 0.36
    diffuse: tuple[float, float] = (0.66, 0.78)
    gloss: tuple[float, float] = (0.02, 0.10)


USUAL_LIGHTING = Lighting()


def draw_portrait(
    generator: np.random.Generator,
    canvas: Canvas = CANVAS,
    people: People = ANYBODY,
    lighting: Lighting = USUAL_LIGHTING,
) -> Portrait:
    """A random person in front of a wall.

    Args:
        generator: source of all randomness.
        canvas: position of the face in the picture.
        people: whom the person is one of.
        lighting: of the lab.
    """
    shape, looks = shape_of(draw_proportions(generator, people.variety)), draw_looks(generator, people)
    light = _draw_light(generator, lighting)
    picture = _body(canvas, shape, looks, generator)
    picture = _face(canvas, picture, shape, looks, light, generator)
    picture = _hair(canvas, picture, shape, looks, generator)
    return Portrait(np.clip(picture, 0, 1).astype(np.float32), canvas.pixels(shape), canvas.unit)


def _draw_light(generator: np.random.Generator, lighting: Lighting) -> Light:
    side, above = generator.uniform(*lighting.side), generator.uniform(*lighting.above)
    return Light(
        (side, -above, 1.0),
        ambient=lighting.ambient,
        diffuse=float(generator.uniform(*lighting.diffuse)),
        gloss=float(generator.uniform(*lighting.gloss)),
    )


def _body(canvas: Canvas, shape: np.ndarray, looks: Looks, generator: np.random.Generator) -> Picture:
    x, y = canvas.grid()
    wall = rgb(looks.wall) * (1 - 0.12 * x - 0.10 * y)[..., None]
    wall = wall * (1 + 0.012 * noise(generator, canvas.size, 2.0))[..., None]
    if looks.long_hair:
        drape = np.array(
            [
                [-0.50, -0.4],
                [-0.60, 0.0],
                [-0.66, 0.4],
                [-0.64, 1.2],
                [0.64, 1.2],
                [0.66, 0.4],
                [0.60, 0.0],
                [0.50, -0.4],
            ]
        )
        wall = blend(wall, _strands(canvas, looks, generator) * 0.75, filled(canvas, curve(drape), 0.01))
    neck = np.array([[-0.30, 0.2], [-0.29, 0.70], [-0.45, 1.2], [0.45, 1.2], [0.29, 0.70], [0.30, 0.2]])
    shade = 0.52 + 0.10 * np.cos(x * 5)
    throat = rgb(looks.skin) * (shade * (1 + 0.02 * noise(generator, canvas.size, 2.0)))[..., None]
    picture = blend(wall, throat, filled(canvas, neck, 0.008))
    shirt = np.array([[-1.2, 1.3], [-1.1, 0.86], [-0.42, 0.74], [0, 0.98], [0.42, 0.74], [1.1, 0.86], [1.2, 1.3]])
    cloth = rgb(looks.clothes) * (1 + 0.08 * noise(generator, canvas.size, 1.2))[..., None]
    return blend(picture, cloth, filled(canvas, curve(shirt), 0.006))


def _face(
    canvas: Canvas,
    picture: Picture,
    shape: np.ndarray,
    looks: Looks,
    light: Light,
    generator: np.random.Generator,
) -> Picture:
    factor, shine = shading(canvas, height_map(canvas, shape), light)
    factor, shine = factor[..., None], shine[..., None]
    flesh = skin(canvas, shape, looks, generator)
    for side in (-1, 1):
        picture = _ear(canvas, picture, shape, flesh * 0.62, side)
    colour, where = lips(canvas, shape, looks, generator)
    flesh = blend(flesh, colour, where)
    lit = flesh * factor + shine
    lit = lit * (1 - mouth_lines(canvas, shape)[..., None])
    lit = paint_eyes(canvas, lit, shape, looks.iris, light.ambient + 0.75 * light.diffuse)
    lit = blend(lit, rgb(looks.hair) * 0.9, brows(canvas, shape, looks, generator))
    return picture + (lit - picture) * filled(canvas, _head_outline(shape), 0.005)[..., None]


def _head_outline(shape: np.ndarray) -> np.ndarray:
    temple_left, temple_right = shape[0], shape[16]
    angle = np.linspace(0, np.pi, 15)[1:-1]
    dome = np.stack([temple_right[0] * np.cos(angle), -0.62 * np.sin(angle)], 1)
    return curve(np.concatenate([[temple_left], shape[1:16], [temple_right], dome, [temple_left]]))


def _ear(canvas: Canvas, picture: Picture, shape: np.ndarray, flesh: Picture, side: int) -> Picture:
    outline = np.array([[0.48, -0.10], [0.555, -0.12], [0.585, -0.02], [0.555, 0.13], [0.51, 0.24], [0.47, 0.2]])
    outer = filled(canvas, curve(outline * (side, 1)), 0.006)
    inner = filled(canvas, curve((outline * 0.8 + (0.10, 0.01)) * (side, 1)), 0.015)
    return picture + (flesh * (1 - 0.35 * inner[..., None]) - picture) * outer[..., None]


def _hair(canvas: Canvas, picture: Picture, shape: np.ndarray, looks: Looks, generator: np.random.Generator) -> Picture:
    x, y = canvas.grid()
    width = 0.60 if looks.long_hair else 0.565
    reach = 0.45 if looks.long_hair else 0.10
    cap = np.hypot(x / width, (y + 0.08) / 0.72) < 1
    cap |= (np.abs(x) < width) & (y > -0.08) & (y < reach) & (np.abs(x) > 0.40)
    sides = 0.485 + 0.03 * looks.long_hair * np.sin(6 * y) + 0.004 * noise(generator, canvas.size, 9.0)
    brow_line = looks.hairline + 0.30 * (x - looks.parting) ** 2 + 0.008 * noise(generator, canvas.size, 6.0)
    opening = (y > brow_line) & (np.abs(x) < sides - 0.10 * np.clip(-y - 0.1, 0, 0.3))
    opening &= filled(canvas, _head_outline(shape)) > 0.9
    ends = 1 / (1 + np.exp((y - reach) / 0.03))
    mask = soften((cap & ~opening).astype(np.float32), 0.006 * canvas.unit) * ends
    shadow = soften(mask, 0.03 * canvas.unit) * (1 - mask)
    picture = picture * (1 - 0.45 * shadow[..., None])
    return blend(picture, _strands(canvas, looks, generator), mask)


def _strands(canvas: Canvas, looks: Looks, generator: np.random.Generator) -> Picture:
    """Hair that falls from the parting: noise, fine across and long along the strands."""
    x, y = canvas.grid()
    fine = generator.standard_normal((canvas.size, canvas.size), np.float32)
    fine = np.asarray(cv2.GaussianBlur(fine, (0, 0), sigmaX=1.0, sigmaY=12), np.float32)
    fine /= fine.std()
    angle = np.arctan2(x - looks.parting * 0.4, y - _CROWN[1] + 0.12)
    radius = np.hypot(x - looks.parting * 0.4, y - _CROWN[1])
    columns = (angle / np.pi + 1) / 2 * (canvas.size - 1)
    streaks = cv2.remap(
        fine,
        columns.astype(np.float32),
        (radius * 200).astype(np.float32) % canvas.size,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    sheen = np.exp(-0.5 * ((radius - 0.30) / 0.09) ** 2)
    value = 1 + 0.35 * streaks + 0.9 * sheen * (1 + 0.5 * streaks)
    return rgb(looks.hair) * np.clip(value, 0.3, 3)[..., None]
