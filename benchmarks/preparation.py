"""How busy preparing a database keeps the cores, and its memory: ``python -m benchmarks.preparation``.

Cores: whole builds from pictures to the dataset, workers' start and the writing of records included;
several short ones, the best counts. Share of the machine is CPU time / (wall time * cores); share of what was left is
the same less the CPU time that other programs took.
Memory: building n and then 4 n samples (the clips repeated, each flow computed once) and summing them up, as
``python -m data.prepare`` does.
"""

import os
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import tyro

from benchmarks.timing import machine, peak_megabytes
from data.building import built
from data.dfme.dfme_dataset_builder import Builder
from data.dfme.layout import LAYOUT
from data.parallel import num_cores
from data.progress import silent
from data.summary import contents
from data.survey import Choices, Survey, survey
from fedpsyau_jax.synthesis.layouts import LAYOUTS, write_copy

CONFIG = "challenge"


@dataclass(frozen=True)
class Options:
    """Measure the preparation of a database."""

    clips: int = 96
    """Clips in each timed build."""
    repeats: int = 3
    """Timed builds."""
    samples: int = 500
    """n; memory is measured for n and 4 n samples, 0 for no such measurement."""
    num_workers: int | None = None
    """Processes; by default one a core."""


class Usage(NamedTuple):
    """Seconds since the machine started: of the wall, of our CPU time, of everyone's."""

    wall: float
    ours: float
    everyone: float


def usage() -> Usage:
    """Clocks as they stand; everyone's CPU time is only known on Linux, elsewhere ours stands for it."""
    spent = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    ours = sum(one.ru_utime + one.ru_stime for one in spent)
    return Usage(perf_counter(), ours, _everyone() or ours)


def _everyone() -> float:
    statistics = Path("/proc/stat")
    if not statistics.exists():
        return 0.0
    user, nice, system, _, _, interrupts, soft_interrupts, *_ = map(int, statistics.read_text().split()[1:11])
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")


def shares(before: Usage, after: Usage, cores: int) -> tuple[float, float]:
    """Our share of all cores, and of what others left of them."""
    wall, ours, everyone = (late - early for early, late in zip(before, after, strict=True))
    left = max(wall * cores - max(everyone - ours, 0.0), ours)
    return ours / (wall * cores), ours / left


def repeated(found: Survey, count: int) -> Survey:
    """A survey of ``count`` clips: those found, again and again, each time under other names."""
    clips = [
        clip._replace(annotation=clip.annotation._replace(clip=f"{clip.annotation.clip}_{place}"))
        for place, clip in enumerate(islice(cycle(found.clips), count))
    ]
    return found._replace(clips=tuple(clips), dropped=())


def distinct(root: Path, count: int) -> Survey:
    """A survey of ``count`` clips under paths of their own, so that the flow of none is taken from another's."""
    found = survey(LAYOUT, root, CONFIG, Choices()).usable()
    clips = list(found.clips)
    while len(clips) < count:
        alias = root.with_name(f"alias{len(clips)}")
        alias.symlink_to(root)
        clips += survey(LAYOUT, alias, CONFIG, Choices()).clips
    return repeated(found._replace(clips=tuple(clips)), count)


def time_builds(found: Survey, options: Options, folder: Path) -> None:
    """Print the seconds and the shares of each build."""
    num_clips, cores = len(found.clips), num_cores()
    best = 0.0, 0.0
    for turn in range(options.repeats):
        build = partial(Builder, config=CONFIG, data_dir=folder / f"timed{turn}", manual_dir=folder, progress=silent)
        before = usage()
        built(partial(build, found=found, num_workers=options.num_workers))
        after = usage()
        best = max(best, shares(before, after, cores))
        wall, ours = after.wall - before.wall, after.ours - before.ours
        print(f"{num_clips} clips: {wall:.1f} s, {ours / num_clips:.3f} CPU seconds a clip")
    print(f"best share of {cores} cores: {best[0]:.0%}; of what other programs left of them: {best[1]:.0%}")


def measure_memory(found: Survey, options: Options, folder: Path) -> None:
    """Print the peak memory of preparing n, and of preparing 4 n samples, each in a process of its own."""
    counts = (options.samples, 4 * options.samples)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        peaks = list(pool.map(partial(peak_of_preparing, found, folder), counts))
    for count, peak in zip(counts, peaks, strict=True):
        print(f"{count} samples: peak {peak:.0f} MB")
    print(f"growth {(peaks[1] - peaks[0]) * 2**10 / (counts[1] - counts[0]):.1f} KiB a sample")


def peak_of_preparing(found: Survey, folder: Path, count: int) -> float:
    """Prepare ``count`` samples right here; megabytes."""
    build = partial(Builder, config=CONFIG, data_dir=folder / str(count), manual_dir=folder, progress=silent)
    contents(built(partial(build, found=repeated(found, count), num_workers=1)))
    status = Path("/proc/self/status")  # elsewhere a new process may count its parent's peak as its own
    if not status.exists():
        return peak_megabytes()
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**10


def main(options: Options) -> int:
    """Write a synthetic copy, then measure."""
    print(machine())
    with TemporaryDirectory() as folder:
        root = Path(folder) / "copy"
        write_copy(LAYOUTS["dfme-challenge"], root, num_subjects=4, clips_per_subject=2, quirks=False)
        time_builds(distinct(root, options.clips), options, Path(folder))
        if options.samples:
            measure_memory(survey(LAYOUT, root, CONFIG, Choices()).usable(), options, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.preparation", description=__doc__)))
