"""The colours of a person, and the paint of skin, eyes, brows and lips."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fedpsyau_jax.synthesis.raster import (
    Canvas,
    Image,
    blend,
    bump,
    curve,
    draw_line,
    filled,
    noise,
    rgb,
    soften,
    stroked,
)
from fedpsyau_jax.synthesis.relief import lip_outlines

Picture = Float[np.ndarray, "height width 3"]
Colour = tuple[float, float, float]

_SKIN_TONES = [
    (0.95, 0.79, 0.70),
    (0.91, 0.73, 0.60),
    (0.83, 0.63, 0.49),
    (0.68, 0.48, 0.35),
    (0.47, 0.32, 0.23),
]
_HAIR_COLOURS = [
    (0.07, 0.06, 0.06),
    (0.13, 0.09, 0.07),
    (0.25, 0.16, 0.10),
    (0.42, 0.29, 0.17),
    (0.45, 0.44, 0.43),
]
_IRIS_COLOURS = [(0.20, 0.12, 0.07), (0.30, 0.19, 0.10), (0.32, 0.34, 0.20), (0.33, 0.42, 0.50)]
_WALLS = [(0.62, 0.65, 0.68), (0.72, 0.70, 0.66), (0.50, 0.56, 0.60), (0.78, 0.78, 0.79)]
_CLOTHES = [
    (0.18, 0.22, 0.32),
    (0.35, 0.16, 0.17),
    (0.20, 0.29, 0.23),
    (0.62, 0.60, 0.56),
    (0.13, 0.13, 0.14),
]


@dataclass(frozen=True)
class Looks:
    """What one person's skin, hair and surroundings look like; colours are RGB in [0, 1]."""

    skin: Colour
    hair: Colour
    iris: Colour
    wall: Colour
    clothes: Colour
    lip_redness: float
    freckles: int
    stubble: float
    long_hair: bool
    hairline: float
    parting: float
    brow_density: int


@dataclass(frozen=True)
class People:
    """Whom a lab records.

    Attributes:
        skin: range of skin tones, from 0 (lightest) to 4.
        dark_hair: least probability of dark hair and eyes.
        variety: factor on how much the proportions of their faces vary.
    """

    skin: tuple[float, float] = (0.0, len(_SKIN_TONES) - 1.0)
    dark_hair: float = 0.0
    variety: float = 1.0


ANYBODY = People()
"""People of all skins and hair."""


def draw_looks(generator: np.random.Generator, people: People = ANYBODY) -> Looks:
    """The looks of a random one of these people."""
    position = generator.uniform(*people.skin)
    tones = np.array(_SKIN_TONES)
    base = int(min(position, len(tones) - 2))
    skin = tones[base] + (tones[base + 1] - tones[base]) * (position - base)

    def pick(palette: list[Colour]) -> Colour:
        return palette[generator.integers(len(palette))]

    dark_hair = generator.random() < max(people.dark_hair, 0.35 + 0.2 * position)
    long_hair = bool(generator.random() < 0.5)
    return Looks(
        skin=tuple(skin.tolist()),
        hair=_HAIR_COLOURS[generator.integers(2)] if dark_hair else pick(_HAIR_COLOURS),
        iris=_IRIS_COLOURS[generator.integers(2)] if dark_hair else pick(_IRIS_COLOURS),
        wall=pick(_WALLS),
        clothes=pick(_CLOTHES),
        lip_redness=float(generator.uniform(0.35, 0.85)),
        freckles=int(generator.integers(0, 45)),
        stubble=0.0 if long_hair else float(generator.choice([0.0, 0.12, 0.3])),
        long_hair=long_hair,
        hairline=float(generator.uniform(-0.47, -0.37)),
        parting=float(generator.uniform(-0.25, 0.25)),
        brow_density=int(generator.integers(70, 130)),
    )


def skin(canvas: Canvas, shape: Float[np.ndarray, "68 2"], looks: Looks, generator: np.random.Generator) -> Picture:
    """Unlit skin everywhere: tone, blush, freckles, stubble, and grain that optical flow can track."""
    size, px = canvas.size, canvas.unit / 280
    octaves = ((0.022, 1.3), (0.020, 3.0), (0.016, 8.0), (0.025, 40.0))
    grain = np.sum([w * noise(generator, size, s * px) for w, s in octaves], axis=0)
    picture = np.ones((size, size, 3), np.float32) * rgb(looks.skin) * (1 + grain[..., None])
    blush = sum(0.30 * bump(canvas, (side * 0.29, 0.19), 0.10, 0.08) for side in (-1, 1))
    blush = blush + 0.25 * bump(canvas, (0.0, float(shape[30, 1])), 0.07, 0.06)
    picture = blend(picture, rgb(looks.skin) * (1.0, 0.80, 0.76), np.clip(blush, 0, 1))
    sockets = sum(0.5 * bump(canvas, tuple(shape[eye].mean(0)), 0.10, 0.06) for eye in (slice(36, 42), slice(42, 48)))
    picture = blend(picture, rgb(looks.skin) * (0.78, 0.68, 0.68), np.clip(sockets, 0, 1))
    picture = blend(picture, rgb(looks.skin) * (0.62, 0.52, 0.48), _freckles(canvas, looks.freckles, generator))
    return blend(picture, rgb(looks.hair), _stubble(canvas, shape, looks.stubble, generator))


def _freckles(canvas: Canvas, count: int, generator: np.random.Generator) -> Image:
    spots = np.zeros((canvas.size, canvas.size), np.float32)
    places = canvas.pixels(generator.normal((0, 0.12), (0.26, 0.22), (count, 2))).astype(int)
    inside = places[((places >= 0) & (places < canvas.size)).all(1)]
    spots[inside[:, 1], inside[:, 0]] = generator.uniform(3, 14, len(inside))
    return np.clip(soften(spots, 1.6 * canvas.unit / 280), 0, 0.75)


def _stubble(canvas: Canvas, shape: np.ndarray, strength: float, generator: np.random.Generator) -> Image:
    beard = np.concatenate([curve(shape[2:15]), [[0.33, 0.36], [0.12, 0.36], [-0.12, 0.36], [-0.33, 0.36]]])
    area = filled(canvas, beard, 0.035)
    hairs = np.clip(0.7 + 0.5 * noise(generator, canvas.size, 0.8), 0, 1.5)
    return np.clip(strength * area * hairs, 0, 1)


def lips(
    canvas: Canvas, shape: Float[np.ndarray, "68 2"], looks: Looks, generator: np.random.Generator
) -> tuple[Picture, Image]:
    """Unlit lip colour and its mask."""
    x, _ = canvas.grid()
    ridges = 0.05 * np.sin(x * 230 + 2.5 * noise(generator, canvas.size, 9.0))
    tone = rgb(looks.skin) * (0.93, 1 - 0.45 * looks.lip_redness, 1 - 0.38 * looks.lip_redness)
    upper, lower = (filled(canvas, outline, 0.006) for outline in lip_outlines(shape))
    colour = tone * (1 + ridges[..., None]) * (1 - 0.16 * upper[..., None])
    return colour.astype(np.float32), np.clip(0.85 * np.maximum(upper, lower), 0, 1)


def mouth_lines(canvas: Canvas, shape: Float[np.ndarray, "68 2"]) -> Image:
    """Darkness between the lips, in the corners and in the nostrils."""
    seam = stroked(canvas, curve(shape[60:65]), 0.009, 0.004)
    corners = sum(0.5 * bump(canvas, tuple(shape[i]), 0.014, 0.010) for i in (48, 54))
    wing = float(shape[35, 0])
    nostrils = sum(
        0.85 * bump(canvas, (side * wing * 0.50, float(shape[32, 1]) - 0.006), 0.020, 0.009) for side in (-1, 1)
    )
    creases = sum(
        0.30 * bump(canvas, (side * wing * 1.12, float(shape[31, 1]) - 0.012), 0.008, 0.022) for side in (-1, 1)
    )
    return np.clip(0.85 * seam + corners + nostrils + creases, 0, 0.9)


def brows(canvas: Canvas, shape: Float[np.ndarray, "68 2"], looks: Looks, generator: np.random.Generator) -> Image:
    """Hair strokes of both brows: thick at the nose, thin at the temple."""
    soft = np.zeros((canvas.size, canvas.size), np.float32)
    hairs = np.zeros((canvas.size, canvas.size), np.uint8)
    for points, side in ((shape[21:16:-1], -1), (shape[22:27], 1)):
        line = curve(points, 16)
        soft = np.maximum(soft, 0.35 * stroked(canvas, line[2:], 0.030, 0.012))
        for _ in range(looks.brow_density):
            along = generator.beta(1.0, 1.15)
            spread = generator.uniform(-1, 1) * 0.020 * (1 - 0.65 * along)
            root = line[int(along * (len(line) - 1))] + (0, spread)
            lean = np.array([side * (0.35 + 0.75 * along), -0.75 + along]) * generator.uniform(0.025, 0.045)
            hair = curve(np.stack([root, root + 0.6 * lean, root + lean + (0, 0.004)]))
            draw_line(hairs, canvas, hair, 0.004, int(generator.uniform(115, 215)))
    return soften(np.maximum(soft, hairs.astype(np.float32) / 255), 0.7)
