"""Synthetic long videos: a face that blinks, speaks, turns its head, and now and then shows a micro-expression."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from fedpsyau_jax.synthesis.emotions import draw_any_aus
from fedpsyau_jax.synthesis.filming import FRAME_SIZE, apply, similarity
from fedpsyau_jax.synthesis.muscles import MOTION, NUM_CONTROL_POINTS, Action, control_points, displacement
from fedpsyau_jax.synthesis.portrait import Portrait
from fedpsyau_jax.synthesis.warp import SmoothMotion, backward_field, smooth_motion

REACH, LID_REACH = 0.09, 0.04
"""How far skin follows a muscle, and a lid, in face widths."""
BLINK = {**dict.fromkeys((37, 38, 43, 44), (0.0, 0.036)), **dict.fromkeys((40, 41, 46, 47), (0.0, -0.006))}
JAW = {**dict.fromkeys((56, 57, 58, 65, 66, 67), (0.0, 0.045)), **dict.fromkeys((7, 8, 9), (0.0, 0.05)),
       **dict.fromkeys((6, 10), (0.0, 0.03))}  # fmt: skip
ROUND = {48: (0.02, 0.0), 54: (-0.02, 0.0), 60: (0.015, 0.0), 64: (-0.015, 0.0), 51: (0.0, -0.01), 57: (0.0, 0.01)}
TURN_DEPTH = 0.2
GRAIN, FLICKER = 2.0, 0.004


class Expression(NamedTuple):
    """A micro-expression, seconds."""

    onset: float
    apex: float
    offset: float
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Script:
    """What happens in a video.

    Attributes:
      seconds: its length.
      expressions: the micro-expressions.
      curves: of each other motion, its share at a time.
    """

    seconds: float
    expressions: tuple[Expression, ...]
    curves: Mapping[str, Callable[[float], float]]


class Shot(NamedTuple):
    """A frame (blue, green, red) with its landmarks."""

    picture: np.ndarray
    landmarks: np.ndarray


def draw_script(
    seconds: float, generator: np.random.Generator, *, blinks: bool = True, speech: bool = True, turns: bool = True
) -> Script:
    """A random script: an expression about every 6 s, a blink every 3.5 s, speech a third of the time, slow turns."""
    expressions, time = [], float(generator.uniform(2, 5))
    while time < seconds - 2:
        rise, fall = generator.normal(0.2, 0.03, 2).clip(0.1, 0.3)
        shown = [au for au, on in zip(MOTION, draw_any_aus(generator), strict=True) if on]
        actions = tuple(Action(au, float(generator.uniform(0.1, 0.35))) for au in shown)
        expressions.append(Expression(time, time + rise, time + rise + fall, actions))
        time += float(generator.uniform(4, 8))
    closed = np.cumsum(generator.exponential(3.0, 1000) + 0.5) if blinks else np.empty(0)
    syllables = _syllables(seconds, generator) if speech else []
    curves = {
        "blink": lambda at: _pulses(at, [(one, 0.25, 1.0) for one in closed[np.abs(closed - at) < 1]]),
        "jaw": lambda at: _pulses(at, [one for one in syllables if abs(one[0] - at) < 1]),
        "round": lambda at: _pulses(
            at, [(start, 1.6 * length, 0.5) for start, length, _ in syllables[::3] if abs(start - at) < 1]
        ),
        "turn": _wander(generator, 0.6 if turns else 0.0, (0.05, 0.35)),
        "across": _wander(generator, 0.02 if turns else 0.004, (0.05, 0.5)),
        "down": _wander(generator, 0.015 if turns else 0.003, (0.05, 0.5)),
        "tilt": _wander(generator, 1.5 if turns else 0.3, (0.05, 0.4)),
    }
    return Script(seconds, tuple(expressions), curves)


def _syllables(seconds: float, generator: np.random.Generator) -> list[tuple[float, float, float]]:
    """(start, length, opening) of syllables in bouts of 2 to 4 s."""
    found, time = [], float(generator.uniform(0, 3))
    while time < seconds:
        end = time + float(generator.uniform(2, 4))
        while time < end:
            length = float(generator.uniform(0.14, 0.32))
            found.append((time, 1.3 * length, float(generator.uniform(0.3, 1.0))))
            time += length
        time += float(generator.uniform(4, 8))
    return found


def _pulses(at: float, pulses: Sequence[tuple[float, float, float]]) -> float:
    """Sum of raised cosines (start, length, height)."""
    inside = [(at - start) / length for start, length, _ in pulses]
    heights = [height for _, _, height in pulses]
    return float(sum(h * np.sin(np.pi * x) ** 2 for x, h in zip(inside, heights, strict=True) if 0 < x < 1))


def _wander(generator: np.random.Generator, size: float, hertz: tuple[float, float]) -> Callable[[float], float]:
    rates, phases = generator.uniform(*hertz, 4), generator.uniform(0, 2 * np.pi, 4)
    return lambda at: size * float(np.mean(np.sin(2 * np.pi * rates * at + phases)))


@dataclass(frozen=True)
class Skin:
    """The sum of several smooth motions."""

    motions: Sequence[SmoothMotion]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return np.sum([motion(points) for motion in self.motions], axis=0)


def shoot(portrait: Portrait, script: Script, fps: float, generator: np.random.Generator) -> Iterator[Shot]:
    """Film a script, frame by frame."""
    centres = control_points(portrait.landmarks)
    middle, unit = portrait.landmarks[[0, 16], 0].mean(), portrait.unit
    depth = np.sqrt(np.clip(1 - ((centres[:, 0] - middle) / (0.55 * unit)) ** 2, 0, 1))
    sideways = np.column_stack([TURN_DEPTH * depth * 0.3, np.zeros(len(depth))])
    fields = {"blink": _field(BLINK), "jaw": _field(JAW), "round": _field(ROUND), "turn": sideways}
    motions = {
        name: smooth_motion(centres, unit * field, unit * (LID_REACH if name == "blink" else REACH))
        for name, field in fields.items()
    }
    shown = [smooth_motion(centres, unit * displacement(one.actions), REACH * unit) for one in script.expressions]
    size = portrait.picture.shape[0]
    for place in range(round(script.seconds * fps)):
        at = place / fps
        shares = {name: script.curves[name](at) for name in motions}
        skin = Skin(
            [
                motions["blink"]._replace(weights=shares["blink"] * motions["blink"].weights),
                motions["jaw"]._replace(
                    weights=sum(shares[name] * motions[name].weights for name in ("jaw", "round", "turn"))
                    + sum(_share(one, at) * own.weights for one, own in zip(script.expressions, shown, strict=True))
                ),
            ]
        )
        shift = FRAME_SIZE / size * unit * np.array([script.curves["across"](at), script.curves["down"](at)])
        pose = similarity(np.full(2, size / 2), script.curves["tilt"](at), FRAME_SIZE / size, shift)
        pose = pose + np.array([[0, 0, (FRAME_SIZE - size) / 2]] * 2)
        picture = _exposed(_view(portrait, pose, skin), generator)
        yield Shot(picture, apply(pose, portrait.landmarks + skin(portrait.landmarks)))


def _field(moved: Mapping[int, tuple[float, float]]) -> np.ndarray:
    field = np.zeros((NUM_CONTROL_POINTS, 2))
    for place, offset in moved.items():
        field[place] = offset
    return field


def _share(expression: Expression, at: float) -> float:
    if not expression.onset < at < expression.offset:
        return 0.0
    rising = at < expression.apex
    whole = expression.apex - expression.onset if rising else expression.offset - expression.apex
    part = at - expression.onset if rising else expression.offset - at
    return float(np.sin(np.pi / 2 * part / whole) ** 2)


def _view(portrait: Portrait, pose: np.ndarray, skin: Skin) -> np.ndarray:
    back = cv2.invertAffineTransform(pose)
    pixels = np.stack(np.meshgrid(*[np.arange(FRAME_SIZE, dtype=np.float32)] * 2), -1)
    source = (pixels @ back[:, :2].T + back[:, 2]).astype(np.float32)
    nothing = np.empty(0, np.float32)
    offset = backward_field(skin, portrait.picture.shape[0])
    source += cv2.remap(offset, source, nothing, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.remap(portrait.picture, source, nothing, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _exposed(view: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    light = 1 + generator.normal(0, FLICKER)
    noise = GRAIN * generator.standard_normal(view.shape, np.float32)
    return np.clip(np.rint(255 * light * view[..., ::-1] + noise), 0, 255).astype(np.uint8)
