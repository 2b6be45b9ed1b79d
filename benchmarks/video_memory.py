"""Whether the memory of experiments.predict grows with a video: ``python -m benchmarks.video_memory RUN``.

A rendered face shows an expression every few seconds (synthetic). Videos of several lengths are written by OpenCV and
read by the whole command, each in a process of its own: tables, pictures, annotated video and page. For each: largest
resident memory, most of which compiling takes; growth per frame while the video is read, once its first part is
written; and what both would be for an hour.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from time import sleep
from typing import NamedTuple

import cv2
import numpy as np
import psutil
import tyro

from benchmarks.timing import machine
from experiments.run.mistakes import exit_status
from fedpsyau_jax.synthesis.filming import FRAME_SIZE, Conditions, film_sequence
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait

HOUR, POLL = 3600.0, 0.5
EXPRESSION, REST = 0.4, 3.6
"""Seconds of an expression, and of the still face after it."""


@dataclass(frozen=True)
class Options:
    """Measure the memory of reading long videos.

    Attributes:
      run: Folder of a finished run with networks.
      minutes: Lengths of the videos.
      fps: Frames a second.
      size: Side of a frame, pixels.
      data_dir: Folder of the run's databases.
    """

    run: tyro.conf.Positional[Path]
    minutes: tuple[float, ...] = (0.5, 2.0, 8.0)
    fps: float = 200.0
    size: int = 128
    data_dir: Path | None = None


class Measured(NamedTuple):
    """Of one reading.

    Attributes:
      frames, events: how many.
      peak: largest resident memory, MB.
      growth: of the resident memory per frame, bytes; NaN if the video is too short to say.
      seconds: of the processor.
    """

    frames: int
    events: int
    peak: float
    growth: float
    seconds: float


@cache
def face() -> tuple[list[np.ndarray], np.ndarray]:
    """Frames (blue, green, red) of an expression there and back, 20 of them, and the landmarks of the first."""
    curve = (np.sin(np.pi * np.linspace(0, 1, 20)) ** 2).tolist()
    still = Conditions(shift=0.0, turn=0.0, zoom=0.0)
    actions = [Action(6, 0.3), Action(12, 0.35)]
    film = film_sequence(portrait(FEDERATED, 2), actions, curve, still, np.random.default_rng(4))
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in film.frames], film.landmarks[0]


def landmarks(picture: np.ndarray) -> np.ndarray:
    """Where the face is in every frame: a landmarker for ``--landmarker``."""
    _, points = face()
    return points * len(picture) / FRAME_SIZE


def pictures(options: Options) -> Iterator[np.ndarray]:
    """Frames without end."""
    shown, _ = face()
    small = [cv2.resize(one, (options.size, options.size), interpolation=cv2.INTER_AREA) for one in shown]
    moving = round(EXPRESSION * options.fps)
    expression = [small[place * len(small) // moving] for place in range(moving)]
    yield from cycle([*expression, *[small[0]] * round(REST * options.fps)])


def write_video(path: Path, frames: int, options: Options) -> None:
    """Write so many frames.

    Raises:
        OSError: OpenCV cannot write videos here.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), options.fps, (options.size, options.size))
    if not writer.isOpened():
        raise OSError(f"{path}: this OpenCV cannot write mp4")
    for picture in islice(pictures(options), frames):
        writer.write(picture)
    writer.release()


def measured(options: Options, minutes: float, folder: Path) -> Measured:
    """Read a video of this length in another process.

    Raises:
        ValueError: the command failed; what it said.
    """
    frames = round(60 * minutes * options.fps)
    write_video(folder / "video.mp4", frames, options)
    command = [sys.executable, "-m", "experiments.predict", str(options.run), f"--clip={folder / 'video.mp4'}"]
    command += ["--kind=video", "--landmarker=benchmarks.video_memory:landmarks", f"--output={folder / 'read'}"]
    command += [f"--data-dir={options.data_dir}"] if options.data_dir else []
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        held = dict(resident(process.pid, folder / "read" / "parts"))
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ValueError((folder / "said.txt").read_text())
    read = len((folder / "read" / "frames.csv").read_text().splitlines()) - 1
    if read != frames:
        raise ValueError(f"{frames} frames were written, and {read} read")
    events = len((folder / "read" / "events.csv").read_text().splitlines()) - 1
    unit = 2**20 if sys.platform == "darwin" else 2**10
    growth = float(np.polyfit(list(held), list(held.values()), 1)[0]) if len(held) > 2 else float("nan")
    return Measured(frames, events, usage.ru_maxrss / unit, growth, usage.ru_utime + usage.ru_stime)


def resident(pid: int, parts: Path) -> Iterator[tuple[int, int]]:
    """Frames that are written, and resident memory then, until the video is read; bytes."""
    process = psutil.Process(pid)
    while process.status() != psutil.STATUS_ZOMBIE:
        if written := [int(path.stem) for path in parts.glob("*.npz")]:
            yield max(written), process.memory_info().rss
        sleep(POLL)


def show(options: Options) -> int:
    """Print a line for each length, and what they mean for an hour."""
    print(machine())
    print(f"videos of {options.size} x {options.size} pixels at {options.fps:g} frames a second (synthetic)")
    found = []
    for minutes in sorted(options.minutes):
        with tempfile.TemporaryDirectory() as folder:
            found.append(measured(options, minutes, Path(folder)))
        frames, events, peak, growth, seconds = found[-1]
        print(
            f"{minutes:5g} minutes, {frames:7} frames, {events:4} events: peak {peak:5.0f} MB, grows by {growth:.0f} "
            f"bytes a frame, {1000 * seconds / frames:.1f} CPU ms a frame",
            flush=True,
        )
    longest = found[-1]
    hour = longest.peak + longest.growth * (HOUR * options.fps - longest.frames) / 1e6
    print(f"an hour would take at most {hour:.0f} MB, if it grew on like the longest of these")
    return 0


def main(options: Options) -> int:
    """Run; 2 and one sentence on bad input."""
    return exit_status(lambda: show(options))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.video_memory", description=__doc__)))
