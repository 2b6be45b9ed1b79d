"""What the threads of a CPU do in a round of the network: the profiler's spans of the compiled program, by kind."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import jax
import numpy as np

from benchmarks.accelerator.workbench import Program
from benchmarks.cases import Plan
from benchmarks.cases.network import KINDS, ON_A_CPU, workbench
from benchmarks.records import Record

PRODUCTS = re.compile(r"ynn_fusion|xnn_fusion|onednn|dot|convolution")
WHOLE = re.compile(r"while|call|conditional|thunk|$")
"""Spans of others, not of work."""
MOVING = {"bitcast", "broadcast", "concatenate", "copy", "dynamic", "gather", "pad", "reshape", "reverse", "slice"}
MOVING |= {"transpose", "update"}
WRAPPED = {"fusion", "wrapped"}
LARGE = 2**20
"""Numbers; only weights have as many in an array, not the activations of a batch."""
OF_WEIGHTS = "elementwise on a large matrix of weights: Adam, weight decay, proximal term"


def profile(plan: Plan) -> Iterator[Record]:
    """Seconds of all threads together in one round; the sum of all kinds is the threads times the round."""
    bench = workbench(plan)
    for trained in KINDS:
        program = bench.program(bench.case(trained=trained, **ON_A_CPU))
        wall, spans = traced(program)
        large = large_results(program.compiled.as_text())
        found = kinds(spans, large)
        found["waiting for each other, and starting operations"] = max(0.0, threads() * wall - sum(found.values()))
        for kind, taken in found.items():
            share = f"{taken / sum(found.values()):.0%} of all"
            yield Record(f"{trained}: {kind}", "s of threads a round", (taken,), note=share)


def threads() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def traced(program: Program) -> tuple[float, list[tuple[str, float]]]:
    """Seconds of a round, and its spans on threads of the device as (name, seconds)."""
    jax.block_until_ready(program.round())
    with TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            start = perf_counter()
            jax.block_until_ready(program.round())
            wall = perf_counter() - start
        (file,) = Path(folder).rglob("*.xplane.pb")
        return wall, list(_spans(jax.profiler.ProfileData.from_file(str(file))))


def _spans(found: Any) -> Iterator[tuple[str, float]]:
    for plane in found.planes:
        for line in plane.lines:
            if line.name != "python":
                yield from ((event.name, event.duration_ns / 1e9) for event in line.events)


def kinds(spans: Iterable[tuple[str, float]], large: frozenset[str]) -> dict[str, float]:
    """Seconds of each kind of operation.

    >>> kinds([("dot.1", 2.0), ("copy_bitcast_fusion.3", 1.0), ("add_fusion", 0.5), ("while.2", 9.0)], frozenset())
    {'matrix products': 2.0, 'moving: windows, tiles, padding': 1.0, 'other arithmetic: normalisation, pools': 0.5}
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    for name, taken in spans:
        if kind := _kind(name, large):
            seconds[kind] += taken
    return dict(seconds)


def _kind(name: str, large: frozenset[str]) -> str:
    plain = re.sub(r"[.\d]+$", "", name)
    if not re.fullmatch(r"[a-z][a-z\-_]*", plain) or WHOLE.match(plain):
        return ""
    if PRODUCTS.match(plain):
        return "matrix products"
    if name in large:
        return OF_WEIGHTS
    words = set(re.split(r"[_\-]", plain)) - WRAPPED
    return "moving: windows, tiles, padding" if words <= MOVING else "other arithmetic: normalisation, pools"


def large_results(text: str) -> frozenset[str]:
    """The instructions of a compiled program, given as its HLO, with at least LARGE numbers in their result."""
    return frozenset(name for name, size in _results(text) if size >= LARGE)


def _results(text: str) -> Iterator[tuple[str, int]]:
    for name, shape in re.findall(r"^\s*(?:ROOT )?%?([\w.\-]+) = \(?f32\[([\d,]*)\]", text, re.MULTILINE):
        yield name, int(np.prod([int(size) for size in shape.split(",") if size]))
