"""Where a round spends its time on the device, read from the profiler's trace."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax

from benchmarks.accelerator.workbench import Record
from benchmarks.timing import seconds

LARGEST = 3


def profiled(work: Callable[[], Any], longest_name: int = 100) -> Record:
    """The kernels of one piece of work: how many, how long the device was busy, and the largest ones.

    Args:
      work: runs on the device; it has run before.
      longest_name: letters of a kernel's name that are kept.
    """
    with traced(work) as (wall, folder):
        found = _kernels(folder)
    if not found:
        return {"kernels": "the profiler's trace holds no kernel of a GPU"}
    taken_by: defaultdict[str, float] = defaultdict(float)
    calls: Counter[str] = Counter()
    for name, taken in found:
        taken_by[name] += taken
        calls[name] += 1
    busy = sum(taken_by.values())
    record: Record = {"wall s": wall, "kernels": len(found), "different kernels": len(calls), "busy s": busy}
    record |= {"busy share": busy / wall, "mean kernel us": 1e6 * busy / len(found)}
    for place, (name, taken) in enumerate(sorted(taken_by.items(), key=itemgetter(1), reverse=True)[:LARGEST], start=1):
        record[f"kernel {place}"] = f"{name[:longest_name]}: {calls[name]} calls, {taken / busy:.1%} of the busy time"
    return record


@contextmanager
def traced(work: Callable[[], Any]) -> Iterator[tuple[float, Path]]:
    """Do some work under the profiler: the seconds that it took, and the folder with its trace."""
    with TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            wall = seconds(work)
        yield wall, Path(folder)


def _kernels(folder: Path) -> list[tuple[str, float]]:
    """(name, seconds) of everything that ran on a stream of a GPU."""
    for file in sorted(folder.rglob("*.trace.json.gz")):
        events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
        if found := of_trace(events):
            return found
    for file in sorted(folder.rglob("*.xplane.pb")):
        if found := of_planes(jax.profiler.ProfileData.from_file(str(file))):
            return found
    return []


def of_trace(events: list[dict[str, Any]]) -> list[tuple[str, float]]:
    named: dict[str, dict[Any, str]] = {"process_name": {}, "thread_name": {}}
    for event in events:
        if event.get("name") in named:
            who = (event["pid"], event.get("tid")) if event["name"] == "thread_name" else event["pid"]
            named[event["name"]][who] = event["args"]["name"]
    streams = {
        (pid, tid)
        for (pid, tid), name in named["thread_name"].items()
        if "GPU" in named["process_name"].get(pid, "") and name.startswith("Stream")
    }
    return [
        (event["name"], event["dur"] / 1e6)
        for event in events
        if event.get("ph") == "X" and (event["pid"], event.get("tid")) in streams
    ]


def of_planes(profile: Any) -> list[tuple[str, float]]:
    return [
        (event.name, event.duration_ns / 1e9)
        for plane in profile.planes
        if "GPU" in plane.name
        for line in plane.lines
        if line.name.startswith("Stream")
        for event in line.events
    ]
