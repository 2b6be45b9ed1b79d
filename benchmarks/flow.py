"""TV-L1 in JAX against OpenCV's: ``python -m benchmarks.flow``.

Speed: both measure the same pairs in turns, so that a busy minute falls on both; a ratio is the median over the turns.
JAX uses one program a core, or one for many pairs on an accelerator; its compilation is timed apart. CPU seconds show
what is left of the ratio when other programs take the cores.
Agreement: the distribution of |JAX - OpenCV| in pixels, beside that of |OpenCV - OpenCV| when noise of 1e-5 of a grey
level is added to the pictures.
"""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import cv2
import numpy as np
import tyro

from benchmarks.pairs import SOURCES, Pair
from benchmarks.timing import machine
from data.parallel import num_cores
from fedpsyau_jax.vision.flow import compiled, pairs_at_once, tvl1
from fedpsyau_jax.vision.tvl1 import OPENCV

NOISE = 1e-5
SMALLEST = 16


@dataclass(frozen=True)
class Options:
    """Measure speed and agreement."""

    size: int = 128
    """Side of the pictures, pixels."""
    pairs: int = 16
    """Pairs of each source."""
    turns: int = 5
    """Timed turns, 0 for agreement alone."""
    threads: int = 2
    """Of OpenCV."""
    json: Path | None = None
    """File to write, too."""


class Taken(NamedTuple):
    """Seconds for all pairs."""

    wall: float
    cpu: float


def flows_by_jax(pairs: list[Pair], program: Callable[..., Any]) -> list[np.ndarray]:
    """The flow of every pair, as the data pipeline has it measured."""
    group = pairs_at_once()
    if group is None:
        with ThreadPoolExecutor(num_cores()) as pool:
            return list(pool.map(lambda pair: np.asarray(program(*pair)), pairs))
    flows: list[np.ndarray] = []
    for start in range(0, len(pairs), group):
        part = pairs[start : start + group]
        full = [*part, *[part[-1]] * (group - len(part))]
        flows += list(np.asarray(program(*(np.stack(pictures) for pictures in zip(*full, strict=True)))))[: len(part)]
    return flows


def flows_by_opencv(pairs: list[Pair]) -> list[np.ndarray]:
    """The same by OpenCV."""
    return [tvl1(*pair) for pair in pairs]


def with_noise(pairs: list[Pair]) -> list[Pair]:
    """The pairs with noise of 1e-5 of a grey level, as OpenCV takes pictures of floats."""
    generator = np.random.default_rng(0)

    def noisy(picture: np.ndarray) -> np.ndarray:
        levels = picture + generator.uniform(-NOISE, NOISE, picture.shape)
        return levels.astype(np.float32) / np.float32(255)

    return [(noisy(onset), noisy(apex)) for onset, apex in pairs]


def taken(work: Callable[[], Any]) -> Taken:
    """Time one call."""
    wall, cpu = perf_counter(), process_time()
    work()
    return Taken(perf_counter() - wall, process_time() - cpu)


def speed(pairs: list[Pair], program: Callable[..., Any], options: Options) -> dict[str, float]:
    """Seconds a pair of either, and their ratios, turn by turn."""
    cv2.setNumThreads(options.threads)
    works = {"jax": lambda: flows_by_jax(pairs, program), "opencv": lambda: flows_by_opencv(pairs)}
    works["jax"]()
    turns = [{name: taken(work) for name, work in works.items()} for _ in range(options.turns)]
    ratios = np.array([np.divide(turn["opencv"], turn["jax"]) for turn in turns])
    seconds = {
        f"{name}_{clock}_s": float(np.median([turn[name][at] for turn in turns])) / len(pairs)
        for name in works
        for at, clock in enumerate(Taken._fields)
    }
    return seconds | {
        **{f"ratio_{clock}": float(np.median(ratios[:, at])) for at, clock in enumerate(Taken._fields)},
        "ratio_wall_least": float(ratios[:, 0].min()),
        "ratio_wall_most": float(ratios[:, 0].max()),
    }


def distribution(ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict[str, float]:
    """Of the absolute difference of two sets of flows, pixels."""
    difference = np.abs(np.array(ours) - np.array(theirs))
    levels = {"median": 50, "90 %": 90, "99 %": 99, "99.9 %": 99.9}
    return {"mean": float(difference.mean())} | {
        name: float(np.percentile(difference, level)) for name, level in levels.items()
    }


def agreement(pairs: list[Pair], program: Callable[..., Any]) -> dict[str, dict[str, float]]:
    """How far JAX is from OpenCV, and OpenCV from itself."""
    theirs = flows_by_opencv(pairs)
    return {
        "JAX - OpenCV": distribution(flows_by_jax(pairs, program), theirs),
        "OpenCV with noise - OpenCV": distribution(flows_by_opencv(with_noise(pairs)), theirs),
        "flow": distribution(theirs, [np.zeros_like(flow) for flow in theirs]),
    }


def measured(options: Options) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each measurement by its name, as soon as there is one."""
    group = pairs_at_once()
    shape = (*([] if group is None else [group]), options.size, options.size)
    start, before = perf_counter(), process_time()
    program = compiled(OPENCV, shape)
    yield "compilation", Taken(perf_counter() - start, process_time() - before)._asdict()
    for name, source in SOURCES.items():
        pairs = source(options.pairs, options.size)
        if not pairs:
            yield name, {"skipped": "the package that carries these pictures is not installed"}
            continue
        yield f"{name}, agreement", agreement(pairs, program)
        if options.turns:
            yield f"{name}, speed", speed(pairs, program, options)


def main(options: Options) -> int:
    """Print every measurement, and write them if asked to; 2 and one message on bad input."""
    if options.size < SMALLEST or options.pairs < 1 or options.turns < 0:
        print(f"--size must be {SMALLEST} or more, --pairs 1 or more and --turns 0 or more", file=sys.stderr)
        return 2
    results: dict[str, Any] = {"machine": machine(), "options": {**vars(options), "json": str(options.json)}}
    print(results["machine"], flush=True)
    for name, result in measured(options):
        results[name] = result
        print(name, json.dumps(result, indent=1), sep="\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.flow", description=__doc__)))
