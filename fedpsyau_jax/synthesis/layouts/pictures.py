"""Filming the entries and writing what the camera saw."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.synthesis.filming import Footage, film_sequence
from fedpsyau_jax.synthesis.layouts.entry import Entry
from fedpsyau_jax.synthesis.layouts.timing import expression_at
from fedpsyau_jax.synthesis.population import Population, filming_generator
from fedpsyau_jax.synthesis.portrait import Portrait


def film_entry(entry: Entry, face: Portrait, population: Population) -> Footage:
    """The frames of an entry that exist; blank ones if no face is to be seen."""
    curve = [expression_at(entry.clip, frame) for frame in entry.frames]
    generator = filming_generator(population, entry.clip)
    footage = film_sequence(face, entry.clip.actions, curve, population.conditions, generator)
    if entry.problem != "no face":
        return footage
    return footage._replace(frames=tuple(np.full_like(frame, round(frame.mean())) for frame in footage.frames))


def write_pictures(root: Path, filmed: Sequence[tuple[Entry, Footage]]) -> None:
    """Each frame as a picture file of its own."""
    for entry, footage in filmed:
        (root / entry.folder).mkdir(parents=True, exist_ok=True)
        for number, frame in zip(entry.frames, footage.frames, strict=True):
            _write_picture(root / entry.frame_file(number), frame)


def _write_picture(path: Path, frame: UInt8[np.ndarray, "rows columns 3"]) -> None:
    done, content = cv2.imencode(path.suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{path}: OpenCV cannot encode the picture")
    path.write_bytes(content.tobytes())


def write_landmarks(path: Path, points: Float[np.ndarray, "68 2"]) -> None:
    """68 lines ``x y``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{x:.3f} {y:.3f}\n" for x, y in points), encoding="utf-8")
