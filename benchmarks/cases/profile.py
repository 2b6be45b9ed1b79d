"""What a CPU does in a round of the network: the profiler's spans of the compiled program on one core, by kind."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from benchmarks.accelerator.kernels import traced
from benchmarks.accelerator.workbench import Program
from benchmarks.cases import Plan
from benchmarks.cases.network import KINDS, ON_A_CPU, workbench
from benchmarks.records import Record
from benchmarks.timing import seconds

PRODUCTS = re.compile(r"ynn_fusion|xnn_fusion|onednn|dot|convolution")
WHOLE = re.compile(r"while|call|conditional|thunk|$")
"""Spans of others, not of work."""
MOVING = {"bitcast", "broadcast", "concatenate", "copy", "dynamic", "gather", "pad", "reshape", "reverse", "slice"}
MOVING |= {"transpose", "update"}
WRAPPED = {"fusion", "wrapped"}
LARGE = 2**20
"""Numbers in an array. Over a frozen detector only weights have as many, not the activations of a batch."""
OF_LARGE = "elementwise on a million numbers and more: Adam, weight decay, proximal term; large activations"


def profile(plan: Plan) -> Iterator[Record]:
    """Seconds of each kind in one round. On several cores a span would not tell what the others do for it."""
    with one_core():
        bench = workbench(plan)
        for trained in KINDS:
            program = bench.program(bench.case(trained=trained, **ON_A_CPU))
            wall, spans = round_of(program)
            found = kinds(spans, large_results(program.compiled.as_text()))
            found["between operations"] = max(0.0, wall - sum(found.values()))
            for kind, taken in sorted(found.items(), key=lambda one: -one[1]):
                yield Record(f"{trained}: {kind}", "s a round", (taken,), note=f"{taken / wall:.0%}")


@contextmanager
def one_core() -> Iterator[None]:
    """Restrict this process to one core where the system can, with the threads that JAX makes from then on."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def round_of(program: Program) -> tuple[float, list[tuple[str, float]]]:
    """Seconds of a round, and its spans on threads of the device as (name, seconds)."""
    seconds(program.round)
    with traced(program.round) as (wall, folder):
        (file,) = folder.rglob("*.xplane.pb")
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
    found: defaultdict[str, float] = defaultdict(float)
    for name, taken in spans:
        if kind := _kind(name, large):
            found[kind] += taken
    return dict(found)


def _kind(name: str, large: frozenset[str]) -> str:
    plain = re.sub(r"[.\d]+$", "", name)
    if not re.fullmatch(r"[a-z][a-z\-_]*", plain) or WHOLE.match(plain):
        return ""
    if PRODUCTS.match(plain):
        return "matrix products"
    if name in large:
        return OF_LARGE
    words = set(re.split(r"[_\-]", plain)) - WRAPPED
    return "moving: windows, tiles, padding" if words <= MOVING else "other arithmetic: normalisation, pools"


def large_results(text: str) -> frozenset[str]:
    """The instructions of a compiled program, given as its HLO, with at least LARGE numbers in their result."""
    return frozenset(name for name, size in _results(text) if size >= LARGE)


def _results(text: str) -> Iterator[tuple[str, int]]:
    for name, shape in re.findall(r"^\s*(?:ROOT )?%?([\w.\-]+) = \(?f32\[([\d,]*)\]", text, re.MULTILINE):
        yield name, int(np.prod([int(size) for size in shape.split(",") if size]))
