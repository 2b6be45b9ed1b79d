"""The default command whole: from nothing, and with data, detector and compiled programs kept; by stage."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.cases import Plan
from benchmarks.records import Record

START, END = re.compile(r"^(.+?)  \.\.\.$"), re.compile(r"^(.+?)  .*\b(?:done|stopped) after ")


def command(plan: Plan) -> Iterator[Record]:
    """One run from nothing and, in the same folders, as many as there are turns but at most three."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        cold = _run(root, "cold", plan.sizes.command)
        yield from _records("from nothing", [cold])
        warm = [_run(root, f"warm{turn}", plan.sizes.command) for turn in range(min(plan.turns, 3))]
        yield from _records("data, detector and programs kept", warm)


def _records(state: str, runs: list[dict[str, float]]) -> Iterator[Record]:
    for stage in runs[0]:
        taken = tuple(one[stage] for one in runs if stage in one)
        yield Record(f"{state}: {stage}", "s", taken)


def _run(root: Path, name: str, options: tuple[str, ...]) -> dict[str, float]:
    """Seconds of each stage, and of the whole.

    Raises:
      RuntimeError: the command failed; what it said.
    """
    kept = {"TFDS_DATA_DIR": "data", "XDG_CACHE_HOME": "cache", "JAX_COMPILATION_CACHE_DIR": "programs"}
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **{key: str(root / part) for key, part in kept.items()}}
    words = [sys.executable, "-m", "experiments.fed", *options, f"--output={root / name}"]
    start, lines = perf_counter(), []
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append((perf_counter() - start, line.rstrip()))
    if process.returncode:
        raise RuntimeError("\n".join(line for _, line in lines[-3:]))
    return dict(stages(lines)) | {"whole": perf_counter() - start}


def stages(lines: Iterable[tuple[float, str]]) -> Mapping[str, float]:
    """Seconds of each stage, from the lines of ``experiments.run.progress`` and when they came.

    >>> dict(stages([(1.0, "training  ..."), (3.0, "training  round 2/40"), (5.5, "training  done after 4 s")]))
    {'training': 4.5}
    """
    started: dict[str, float] = {}
    taken: dict[str, float] = {}
    for when, line in lines:
        if found := END.match(line):
            name = found[1].partition("  ")[0]
            taken[name] = taken.get(name, 0.0) + when - started.pop(name, when)
        elif found := START.match(line):
            started[found[1].partition("  ")[0]] = when
    return taken
