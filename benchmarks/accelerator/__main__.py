"""``python -m benchmarks.accelerator``: everything in one run, written after each record (docs/accelerator.md)."""

import json
import math
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Literal

import jax
import tyro
from rich.console import Console

from benchmarks.accelerator import measures, reference, scaling
from benchmarks.accelerator.convolutions import convolutions
from benchmarks.accelerator.flow import flow
from benchmarks.accelerator.problem import SIZES
from benchmarks.accelerator.tables import markdown, rich_tables
from benchmarks.accelerator.workbench import Record, Workbench, first_line
from benchmarks.timing import machine

SECTIONS: dict[str, Callable[[Workbench], Iterator[Record]]] = {
    "rates": measures.rates,
    "rounds": measures.rounds,
    "agreement": measures.agreement,
    "profiles": measures.profiles,
    "flow": flow,
    "paper": scaling.paper,
    "folds": scaling.folds,
    "precisions": measures.precisions,
    "axes": scaling.axes,
    "convolutions": convolutions,
    "agreement in float64": measures.agreement_in_float64,
    "paper, end to end": scaling.paper_end_to_end,
    "leads": scaling.leads,
    "axes, end to end": scaling.axes_end_to_end,
    "folds, end to end": scaling.folds_end_to_end,
}
"""In the order of their importance: what comes late is left out when the time is up."""


@dataclass(frozen=True)
class Options:
    """Measure what this machine's device does with federated training.

    Attributes:
      sizes: Full, or small ones to see that everything runs.
      output: File to write the results to, as JSON.
      budget: Seconds after which nothing new is started.
      threads: Programs that are compiled at a time, where their compilation is not timed.
      autotune: Try several kernels for each matrix product while compiling, as XLA does by default; without, programs
        compile sooner.
      sections: Which; by default all of them.
      table: Print the tables of such a file as markdown instead.
      write_reference: Compute the results to agree with, on this machine, and store them instead.
    """

    sizes: Literal["small", "full"] = "full"
    output: Path | None = None
    budget: float = 420.0
    threads: int = 4
    autotune: bool = True
    sections: tuple[str, ...] = tuple(SECTIONS)
    table: Path | None = None
    write_reference: bool = False


def about() -> Record:
    """Machine, device, versions and command."""
    packages = {name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "jraph", "numpy")}
    device = jax.devices()[0]
    driver = getattr(device.client, "platform_version", "")
    versions = ", ".join(f"{name} {number}" for name, number in packages.items())
    told = {
        "machine": machine(),
        "device": device.device_kind,
        "driver": " ".join(driver.split()),
        "versions": versions,
    }
    return told | {
        "python": platform.python_version(),
        "command": " ".join(["python -m", "benchmarks.accelerator", *sys.argv[1:]]),
    }


def measured(bench: Workbench, names: tuple[str, ...], write: Callable[[Record], None]) -> Record:
    """All sections, one failing alone; ``write`` is called with everything so far after each record."""
    report: Record = {"about": about(), "sections": {}}
    for name in names:
        start = perf_counter()
        section: Record = {"seconds": 0.0, "error": None, "records": []}
        report["sections"][name] = section
        if bench.left() <= 0:
            section["error"] = "not started: the time was up"
            continue
        try:
            for record in SECTIONS[name](bench):
                section["records"].append(_plain(record))
                section["seconds"] = perf_counter() - start
                write(report)
                if bench.left() <= 0:
                    section["error"] = "cut short: the time was up"
                    break
        except Exception as problem:  # whatever it is, the other sections can still be measured
            section["error"] = first_line(problem)
        section["seconds"] = perf_counter() - start
        section["memory"] = memory()
        report["failures"] = bench.failures
        write(report)
    return report


def memory() -> Record:
    """Bytes of the device in use, and the most so far; nothing where the device does not tell."""
    told = jax.devices()[0].memory_stats() or {}
    return {name: told[name] for name in ("bytes_in_use", "peak_bytes_in_use", "bytes_limit") if name in told}


def _plain(record: Record) -> Record:
    """What JSON can hold: numbers that are none become words."""
    return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}


def main(options: Options) -> int:
    """Measure, print and write."""
    console = Console(width=150, highlight=False)
    if options.table:
        print(markdown(json.loads(options.table.read_text())))
        return 0
    if options.write_reference:
        reference.write()
        return 0

    start = perf_counter()

    def write(report: Record) -> None:
        name, section = list(report["sections"].items())[-1]
        last = section["error"] or section["records"][-1]["what"]
        print(f"{perf_counter() - start:6.1f} s, {name}: {last}", file=sys.stderr, flush=True)
        if options.output:
            options.output.write_text(json.dumps(report, indent=1) + "\n")

    bench = Workbench(SIZES[options.sizes], options.budget, options.threads, options.autotune)
    report = measured(bench, options.sections, write)
    for name, value in report["about"].items():
        console.print(f"{name}: {value}")
    for table in rich_tables(report):
        console.print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.accelerator")))
