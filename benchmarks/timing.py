"""Timing of alternatives turn by turn, so that a machine's bad minute falls on all of them."""

import os
import platform
import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import numpy as np


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call, until its result is there."""
    start = perf_counter()
    jax.block_until_ready(work())
    return perf_counter() - start


def interleaved(
    alternatives: Mapping[str, Callable[[], Any]], repeats: int, budget: float = float("inf")
) -> dict[str, np.ndarray]:
    """Seconds of each alternative, [turns], taken in turns after one call each that does not count.

    There are ``repeats`` turns; no further one starts once ``budget`` seconds are spent, the first calls included.
    """
    end = perf_counter() + budget
    for work in alternatives.values():
        seconds(work)
    turns: list[dict[str, float]] = []
    while len(turns) < repeats and (not turns or perf_counter() < end):
        turns.append({name: seconds(work) for name, work in alternatives.items()})
    return {name: np.array([turn[name] for turn in turns]) for name in alternatives}


def machine() -> str:
    """Processor, cores, devices and JAX's version, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
    return f"{_processor()}, {cores} cores; {jax.device_count()} x {devices}; jax {jax.__version__}"


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
