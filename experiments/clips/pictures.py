"""Pictures of an event: onset, apex, flow as colour over the face, and the regions of its action units by strength."""

from collections.abc import Mapping

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from experiments.clips.lettering import lines_of, write
from experiments.clips.tracking import Seen
from fedpsyau_jax.synthesis.muscles import MOTION, NUM_CONTROL_POINTS, Action, control_points, displacement
from fedpsyau_jax.vision.crop import crop, crop_points
from fedpsyau_jax.vision.sample import Settings, flow_image

Colour = UInt8[np.ndarray, "height width 3"]
SIDE = 320
FULL_COLOUR = 2.0
"""Motion of full colour, pixels of a face of 128."""
CAPTION, EDGE, LETTERS, ELLIPSIS = 26, 4, 0.45, 24
KEY = 45
"""Side of the key to the colours of directions."""
REGION = 0.055
"""Radius of the region of a point that an action unit moves, as a share of the picture's side."""
STRONG, WEAK = (0, 94, 213), (178, 114, 0)
"""Blue-green-red of an action unit with a probability of 1, and of one with 0.5."""


def event_picture(
    onset: Seen, apex: Seen, aus: Mapping[str, float], settings: Settings, labels: tuple[str, str]
) -> Colour:
    """Four pictures side by side.

    Args:
      onset, apex: frames with the face.
      aus: probability of each action unit.
      settings: how the face is cut and its flow is found.
      labels: captions of onset and apex.
    """
    assert onset.picture is not None
    assert onset.points is not None
    assert apex.picture is not None
    box = settings.square(onset.points)
    before, after = (cv2.cvtColor(crop(one, box, SIDE), cv2.COLOR_GRAY2BGR) for one in (onset.picture, apex.picture))
    motion = flow_image(onset.picture, apex.picture, onset.points, settings)[..., :2]
    placed = crop_points(onset.points, box, SIDE)
    strong = {name: value for name, value in aus.items() if value >= 0.5}
    named = ", ".join(f"{name} {value:.2f}" for name, value in sorted(strong.items(), key=lambda one: -one[1]))
    panels = {
        labels[0]: before,
        labels[1]: after,
        "flow: colour is direction": with_key(flow_over_face(before, motion)),
        named or "no AU above 0.5": au_regions(before, placed, strong),
    }
    return np.hstack([_captioned(picture, caption) for caption, picture in panels.items()])


def flow_over_face(face: Colour, motion: Float[np.ndarray, "height width 2"]) -> Colour:
    """A face under its flow: hue is direction, opacity is length."""
    enlarged = cv2.resize(motion, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    length, angle = cv2.cartToPolar(enlarged[..., 0], enlarged[..., 1], angleInDegrees=True)
    share = np.clip(length / FULL_COLOUR, 0, 1)
    hue = np.dstack([angle / 2, np.full_like(angle, 255), np.full_like(angle, 255)]).astype(np.uint8)
    colour = cv2.cvtColor(hue, cv2.COLOR_HSV2BGR).astype(np.float32)
    opacity = 0.85 * share[..., None]
    return np.asarray(face * (1 - opacity) + colour * opacity, np.uint8)


def with_key(picture: Colour) -> Colour:
    """A picture with the colours of all directions in a corner: those of motion from its middle outwards."""
    places = np.linspace(-FULL_COLOUR, FULL_COLOUR, KEY, dtype=np.float32)
    outwards = np.dstack(np.meshgrid(places, places))
    inside = np.hypot(outwards[..., 0], outwards[..., 1]) <= FULL_COLOUR
    drawn = picture.copy()
    corner = drawn[-KEY - EDGE : -EDGE, -KEY - EDGE : -EDGE]
    corner[inside] = flow_over_face(np.full_like(corner, 255), outwards)[inside]
    return drawn


def au_regions(face: Colour, points: Float[np.ndarray, "68 2"], aus: Mapping[str, float]) -> Colour:
    """A face with discs where action units move it, the stronger the more probable.

    Args:
      face: square picture.
      points: (x, y) of the 68 landmarks in it.
      aus: probability of each action unit that is drawn, from 0.5 to 1.
    """
    places, layer, opacity = control_points(points), face.astype(np.float32), np.zeros(face.shape[:2], np.float32)
    for name, value in sorted(aus.items(), key=lambda one: one[1]):
        share = min(1.0, max(0.0, 2 * value - 1))
        colour = [(1 - share) * weak + share * strong for weak, strong in zip(WEAK, STRONG, strict=True)]
        for place in moved_by(int(name.removeprefix("AU"))):
            centre = (round(float(places[place, 0])), round(float(places[place, 1])))
            disc = np.zeros(face.shape[:2], np.float32)
            cv2.circle(disc, centre, round(REGION * len(face)), (1.0,), -1, cv2.LINE_AA)
            layer = layer * (1 - disc[..., None]) + np.array(colour, np.float32) * disc[..., None]
            opacity = np.maximum(opacity, disc * (0.25 + 0.4 * share))
    return np.asarray(face * (1 - opacity[..., None]) + layer * opacity[..., None], np.uint8)


def moved_by(au: int) -> list[int]:
    """The control points that an action unit moves by at least half as far as the one that it moves farthest.

    >>> moved_by(12)
    [48, 54, 60, 64]
    """
    assert au in MOTION
    lengths = np.linalg.norm(displacement([Action(au, 1.0)]), axis=1)
    return [place for place in range(NUM_CONTROL_POINTS) if lengths[place] >= lengths.max() / 2]


def _captioned(picture: Colour, caption: str) -> Colour:
    strip = np.full((CAPTION, picture.shape[1], 3), 255, np.uint8)
    first, *more = lines_of(caption, picture.shape[1] - 2 * EDGE - ELLIPSIS, LETTERS)
    write(strip, f"{first} ..." if more else first, (EDGE, CAPTION - 8), LETTERS, (30, 30, 30))
    return np.vstack([strip, picture])


def png(picture: Colour) -> bytes:
    """A picture as a PNG file."""
    _, content = cv2.imencode(".png", picture)
    return content.tobytes()
