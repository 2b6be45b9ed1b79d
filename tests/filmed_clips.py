"""Rendered clips as a user has them: pictures in a folder, and landmarks as OpenFace writes them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fedpsyau_jax.synthesis.filming import Conditions, Footage, film_sequence
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait


def smile(frames: int = 13) -> Footage:
    """An expression there and back."""
    curve = (np.sin(np.pi * np.linspace(0, 1, frames)) ** 2).tolist()
    actions = [Action(6, 0.3), Action(12, 0.35)]
    return film_sequence(portrait(FEDERATED, 2), actions, curve, Conditions(), np.random.default_rng(4))


def with_rests(film: Footage, rest: int) -> Footage:
    """The expression twice, with the neutral face before, between and after."""
    last = len(film.frames) - 1
    places = [*[0] * rest, *range(last), *[last] * rest, *range(last), *[last] * rest]
    frames = tuple(film.frames[place] for place in places)
    return Footage(frames, film.landmarks[places], film.muscle_motion[places])


def write_clip(folder: Path, table: Path, film: Footage, first: int = 1) -> None:
    """Write frames as numbered pictures, and a table of their landmarks."""
    folder.mkdir()
    for number, frame in enumerate(film.frames, first):
        cv2.imwrite(str(folder / f"img{number:03d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    table.write_text(openface(film.landmarks, first))


def openface(landmarks: Sequence[np.ndarray], first: int = 1) -> str:
    """A table of landmarks, a row for each frame."""
    header = ",".join(["frame", *(f"x_{i}" for i in range(68)), *(f"y_{i}" for i in range(68))])
    rows = [",".join(map(str, [number, *points.T.ravel()])) for number, points in enumerate(landmarks, first)]
    return "\n".join([header, *rows])
