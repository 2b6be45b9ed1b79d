"""How well events are found in long videos: ``python -m benchmarks.spotting --minutes 2.7``.

Synthetic videos with blinks, speech-like mouth motion and head turns, each kind alone and all together; true landmarks.
For each strictness: false events a minute, and the share of the micro-expressions that are found. An event is true if
its apex lies within an expression, or 0.1 s from it. Real videos are harder: in the literature the best spotting of
micro-expressions reaches a score (STRS) of about .09, with hundreds of false events.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product, starmap

import numpy as np
import tyro

from benchmarks.long_videos import Script, draw_script, shoot
from benchmarks.timing import machine
from experiments.clips.faces import FaceFinder, Faces
from experiments.clips.footage import Frame
from experiments.clips.motion import Motion
from experiments.clips.spotting import Strictness, spot
from experiments.clips.tracking import follow
from experiments.clips.windows import chunks
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.vision.sample import Settings

TOLERANCE = 0.1
ONLY = {"blinks": False, "speech": False, "turns": False}
KINDS = {"all": {}, "still": ONLY} | {name: ONLY | {name: True} for name in ONLY}
NEVER = Strictness(1e9, 0.0)


@dataclass(frozen=True)
class Options:
    """Measure spotting."""

    minutes: float = 2.7
    """Of video of each kind."""
    fps: float = 30.0
    """Frames a second."""
    seconds: float = 40.0
    """Of each video; each is of another person."""
    kinds: tuple[str, ...] = tuple(KINDS)
    """What moves besides the expressions."""
    strengths: tuple[float, ...] = (1.5, 3.0, 5.0)
    """Of the weakest event."""
    beside: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6)
    """Shares of the frames around an event that may move half as much as it."""


def motions_of(subject: int, script: Script, fps: float) -> list[Motion]:
    """Motion of every frame of a video, as experiments.predict measures it."""
    known: dict[int, np.ndarray] = {}

    def frames() -> Iterator[Frame]:
        shots = shoot(portrait(FEDERATED, subject), script, fps, np.random.default_rng(subject))
        for number, shot in enumerate(shots, 1):
            known[number] = shot.landmarks
            yield Frame(number, (number - 1) / fps, shot.picture)

    find: FaceFinder = lambda number, picture: Faces(known[number][None])  # noqa: E731
    settings = Settings()
    seen = follow(frames(), find, settings.square, fps)
    return [entry.motion for chunk in chunks(seen, fps, NEVER, settings) for entry in chunk.entries]


def counts(script: Script, motions: Sequence[Motion], fps: float, strictness: Strictness) -> np.ndarray:
    """False events, expressions that are found, expressions."""
    times = [span.apex / fps for span in spot(motions, fps, strictness)]
    spans = [(one.onset - TOLERANCE, one.offset + TOLERANCE) for one in script.expressions]
    false = sum(not any(low <= at <= high for low, high in spans) for at in times)
    found = sum(any(low <= at <= high for at in times) for low, high in spans)
    return np.array([false, found, len(spans)])


def main(options: Options) -> int:
    """Show a table for each kind."""
    print(machine())
    num_videos = max(1, round(60 * options.minutes / options.seconds))
    for kind in options.kinds:
        scripts = [
            draw_script(options.seconds, np.random.default_rng([7, n]), **KINDS[kind]) for n in range(num_videos)
        ]
        measured = [motions_of(n + 1, script, options.fps) for n, script in enumerate(scripts)]
        minutes = num_videos * options.seconds / 60
        print(f"{kind}: {minutes:.1f} minutes at {options.fps:g} frames a second", flush=True)
        for strictness in starmap(Strictness, product(options.strengths, options.beside)):
            together = zip(scripts, measured, strict=True)
            false, found, shown = sum(counts(script, own, options.fps, strictness) for script, own in together)
            print(
                f"  strength {strictness.strength:g}, beside {strictness.beside:g}: {false / minutes:.1f} false events "
                f"a minute, {found} of {shown} found ({found / shown:.0%})",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.spotting", description=__doc__)))
