"""All measurements of speed in one table: ``python -m benchmarks --json history.jsonl``.

Each case runs in a process of its own. Alternatives take turns, so that a busy minute falls on all of them; a ratio is
taken within each turn. The floor is what this machine's measured rates allow for the operations, or for the bytes that
must be read and written, whichever takes longer. Peers are other libraries in environments of their own:
``--peer-python flower=/tmp/flower/bin/python``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from benchmarks.cases import CASES, Plan
from benchmarks.cases.peers import SCRIPTS
from benchmarks.floors import rates
from benchmarks.measuring import in_own_process
from benchmarks.records import Measured, as_json, from_json, markdown, table_of
from benchmarks.sizes import SIZES, Sizes
from benchmarks.timing import machine
from experiments.run.lifecycle import exit_with
from fedpsyau_jax.options import parsed

USUAL = tuple(name for name in CASES if name != "command")


@dataclass(frozen=True)
class Options:
    """Measure speed: ratios from interleaved runs, beside the floors of this machine.

    Attributes:
      cases: Which of round, profile, rows, repeats, folds, clients, loops, peers, flow and command; by default all but
        command.
      sizes: Small sizes are for trying it out: their numbers mean nothing.
      turns: Turns of each comparison.
      budget: Seconds after which a comparison starts no further turn.
      peer_python: Interpreters of other libraries, such as flower=/tmp/flower/bin/python; of torch, flower, pfl,
        blazefl and drjax.
      json: File to which a line with everything is added, for a history.
      table: Print what such a file has last of each case, as Markdown, and measure nothing.
    """

    cases: tuple[str, ...] = USUAL
    sizes: Literal["full", "small"] = "full"
    turns: int = 5
    budget: float = 120.0
    peer_python: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=PYTHON [...]")] = ()
    json: Path | None = None
    table: Path | None = None


def plan_of(options: Options) -> Plan:
    """How to measure.

    Raises:
      ValueError: an option makes no sense; in one sentence.
    """
    if unknown := [name for name in options.cases if name not in CASES]:
        raise ValueError(f"--cases {' '.join(unknown)}: the cases are {', '.join(CASES)}")
    if options.turns < 1:
        raise ValueError(f"--turns={options.turns}: it must be at least 1")
    peers = {}
    for text in options.peer_python:
        name, _, python = text.partition("=")
        if name not in SCRIPTS or not Path(python).is_file():
            raise ValueError(f"--peer-python {text}: write NAME=PYTHON, an interpreter for one of {', '.join(SCRIPTS)}")
        peers[name] = Path(python).absolute()
    return Plan(SIZES[options.sizes], options.turns, options.budget, peers)


def rates_and_machine(sizes: Sizes) -> str:
    """What the figures depend on, in one line."""
    return f"{machine()}; {rates(sizes)}"


def shown(path: Path) -> str:
    """Each case as it was measured last, as Markdown; the newest line of the history first.

    Raises:
      ValueError: the history is empty.
    """
    lines = [json.loads(line) for line in reversed(path.read_text().splitlines())]
    if not lines:
        raise ValueError(f"{path} is empty: python -m benchmarks --json {path} adds a line")
    seen: set[str] = set()
    parts = []
    for line in lines:
        if new := {name: case for name, case in line["cases"].items() if name not in seen}:
            seen |= new.keys()
            heading = f"`{line['command']}`, {line['date']}, on {line['machine']}."
            parts.append(f"{heading}\n\n{markdown(from_json(new))}")
    return "\n\n".join(parts)


def main(arguments: Sequence[str]) -> int:
    """Print the machine and a table for each case; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m benchmarks")
    if options.table:
        print(shown(options.table))
        return 0
    plan, console = plan_of(options), Console(width=170, highlight=False)
    cases: dict[str, Measured] = {}
    about = rates_and_machine(plan.sizes)
    console.print(about)
    for name in options.cases:
        cases[name] = in_own_process(name, plan)
        console.print(table_of(cases[name]))
    if options.json:
        line = {
            "command": " ".join(["python -m benchmarks", *arguments]),
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "machine": about,
            "cases": as_json(cases),
        }
        with options.json.open("a") as file:
            print(json.dumps(line), file=file)
    return int(any(case.error for case in cases.values()))


if __name__ == "__main__":
    exit_with(main)
