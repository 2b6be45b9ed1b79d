"""Apex spotting against the true apex: ``python -m benchmarks.apex --fps 30 200``.

Filmed micro-expressions of synthetic people, with head motion, flicker and noise, rise and fall in 0.2 +- 0.04 s each.
Each way of spotting sees the same frames; the midpoint of onset and offset sees none.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import cv2
import numpy as np
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.timing import machine
from fedpsyau_jax.synthesis.filming import film_sequence
from fedpsyau_jax.synthesis.layouts.timing import expression_at
from fedpsyau_jax.synthesis.population import Population, clips, filming_generator, portrait, subject_numbers
from fedpsyau_jax.vision.flow import JaxTVL1
from fedpsyau_jax.vision.plausible import unbounded
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.spotting import magnitude, spot_apex

ACTORS = Population(num_subjects=20, first_subject=2001, seed=5)
BLUR = 2.0


@dataclass(frozen=True)
class Options:
    """Spot the apex of synthetic clips in several ways.

    Attributes:
      fps: Frames a second of the camera; each rate is a table.
      subjects: People, at most 20.
      clips: Clips of each.
      ways: Which ways of spotting; by default all.
      json: File for the error of every clip.
    """

    fps: tuple[int, ...] = (30, 200)
    subjects: int = 20
    clips: int = 3
    ways: tuple[str, ...] = ()
    json: Path | None = None


class Filmed(NamedTuple):
    """A clip, the landmarks [68, 2] of its first frame, and the place of its true apex."""

    frames: tuple[np.ndarray, ...]
    landmarks: np.ndarray
    apex: int


def filmed(fps: int, num_subjects: int, clips_of_each: int) -> Iterator[Filmed]:
    """Clips in grey whose apex is known."""
    for subject in list(subject_numbers(ACTORS))[:num_subjects]:
        face = portrait(ACTORS, subject)
        for clip in clips(ACTORS, subject)[:clips_of_each]:
            generator = filming_generator(ACTORS, clip)
            rise, fall = (max(2, round(fps * time)) for time in generator.normal(0.2, 0.04, 2).clip(0.1, 0.3))
            timed = clip._replace(onset=0, apex=rise, offset=rise + fall)
            curve = [expression_at(timed, frame) for frame in range(rise + fall + 1)]
            footage = film_sequence(face, clip.actions, curve, ACTORS.conditions, generator)
            frames = tuple(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in footage.frames)
            yield Filmed(frames, footage.landmarks[0], rise)


def difference(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """Absolute difference of grey levels, in the place of u."""
    levels = np.abs(apex.astype(np.float32) - onset)
    return np.dstack([levels, np.zeros_like(levels)])


def blurred_difference(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """The difference of frames blurred by a Gaussian of two pixels."""
    return difference(*(cv2.GaussianBlur(frame, (0, 0), BLUR) for frame in (onset, apex)))


def ways() -> dict[str, dict[str, Any]]:
    """Arguments of ``spot_apex`` for each way."""
    levels = {"strength": magnitude, "settings": Settings(bound=unbounded)}
    return {
        "DIS, strain": {},
        "DIS, magnitude": {"strength": magnitude},
        "TV-L1, strain": {"flow": JaxTVL1()},
        "TV-L1, magnitude": {"flow": JaxTVL1(), "strength": magnitude},
        "frame difference": {"flow": difference} | levels,
        "frame difference, blurred": {"flow": blurred_difference} | levels,
    }


def errors(cases: Sequence[Filmed], spotted: Sequence[int]) -> np.ndarray:
    """Frames between the apex and where it was spotted, [clips]."""
    return np.abs([place - case.apex for place, case in zip(spotted, cases, strict=True)])


def midpoints(cases: Sequence[Filmed]) -> list[int]:
    """The middle of each clip."""
    return [len(case.frames) // 2 for case in cases]


def measured(cases: Sequence[Filmed], chosen: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The error of every clip and the milliseconds of CPU time a frame of each way, the midpoint last."""
    known = ways()
    frames = sum(len(case.frames) for case in cases)
    for name in chosen or known:
        spot_apex(cases[0].frames[:2], cases[0].landmarks, **known[name])  # compiles
        start = process_time()
        spotted = [spot_apex(case.frames, case.landmarks, **known[name]) for case in cases]
        cost = 1000 * (process_time() - start) / frames
        yield {"way": name, "errors": errors(cases, spotted).tolist(), "milliseconds": cost}
    yield {"way": "midpoint", "errors": errors(cases, midpoints(cases)).tolist(), "milliseconds": 0.0}


def _row(way: Mapping[str, Any], fps: int) -> tuple[str, ...]:
    error = np.array(way["errors"])
    figures = (f"{error.mean():.2f}", f"{np.mean(error == 0):.0%}", f"{np.percentile(error, 90):.0f}")
    return (way["way"], *figures, f"{1000 * error.mean() / fps:.0f}", f"{way['milliseconds']:.1f}")


def main(options: Options) -> int:
    """Print the machine and a table for each frame rate; write the errors as JSON."""
    unknown = set(options.ways) - set(ways())
    if unknown:
        raise SystemExit(f"--ways: unknown {', '.join(sorted(unknown))}; known are {', '.join(ways())}")
    console, results = Console(width=110, highlight=False), {}
    console.print(f"{machine()}; synthetic clips")
    for fps in options.fps:
        cases = list(filmed(fps, options.subjects, options.clips))
        length = np.mean([len(case.frames) for case in cases])
        title = f"{len(cases)} clips of {length:.0f} frames at {fps} fps"
        columns = ("error, frames", "exact", "90 % within", "error, ms", "CPU ms a frame")
        table = Table("way", *columns, title=title, box=SIMPLE_HEAD)
        results[fps] = list(measured(cases, options.ways))
        for way in results[fps]:
            table.add_row(*_row(way, fps))
        console.print(table)
        if options.json:
            asked = asdict(options) | {"json": str(options.json)}
            options.json.write_text(json.dumps({"machine": machine(), "options": asked, "fps": results}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.apex")))
