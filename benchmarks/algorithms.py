"""A round of all published algorithms: ``python -m benchmarks.algorithms``.

Sixteen algorithms with two repeats train in as few programs as there are shapes, as a table does; beside it each
training alone, as a run of one algorithm and one repeat does. Both are the engine on random arrays of the default
command's shapes. A program and its single trainings take turns; compiling is timed apart. Below, the lines of code of
each algorithm.
"""

import ast
import inspect
import json
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.federated_round import round_of
from benchmarks.random_trainings import groups_of, program_of, random_dataset
from benchmarks.timing import interleaved, machine
from data.dataset import Dataset
from experiments.inputs.algorithms import TITLES
from experiments.inputs.settings import FedSettings
from experiments.training.plan import Group
from fedpsyau_jax.federated import algorithms
from fedpsyau_jax.splits import Client, Split

NUM_CLASSES = 7
PUBLISHED = tuple(name for name in TITLES if hasattr(algorithms, name.replace("-", "_")))
NO_CODE = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
)


@dataclass(frozen=True)
class Options:
    """Time a round of many algorithms.

    Attributes:
      algorithms: Which, by their names on the command line; by default the sixteen published ones.
      clients: Clients.
      examples: Training examples of each client.
      tested: Test examples of each client, which are scored after a round.
      batch: Most examples in a batch; all are of equal size.
      local_epochs: Passes over a client's examples in a round.
      repeats: Repeats of each algorithm.
      turns: Rounds timed.
      json: File for all times.
    """

    algorithms: tuple[str, ...] = PUBLISHED
    clients: int = 5
    examples: int = 54
    tested: int = 29
    batch: int = 16
    local_epochs: int = 2
    repeats: int = 2
    turns: int = 5
    json: Path | None = None


class Compared(NamedTuple):
    """A program of several trainings, and the same trainings one by one.

    ``rows``: titles; ``seconds``: to compile the program, and one for a single training; ``together``: a round of
    all; ``alone``: of each training.
    """

    rows: tuple[str, ...]
    seconds: tuple[float, float]
    together: Callable[[], Any]
    alone: tuple[Callable[[], Any], ...]


def groups(options: Options) -> tuple[tuple[Group, ...], Dataset]:
    """The trainings in groups of one program each, and their random data."""
    settings = FedSettings(
        algorithms=options.algorithms,
        clients=options.clients,
        batch=options.batch,
        local_epochs=options.local_epochs,
        repeats=options.repeats,
    )
    count = options.clients * (options.examples + options.tested)
    dataset = random_dataset(count, NUM_CLASSES, count)
    parts = np.split(np.arange(count), options.clients)
    clients = tuple(Client(part[: options.examples], part[options.examples :]) for part in parts)
    return groups_of(settings, [[Split("all", clients)]] * options.repeats, dataset), dataset


def compared(group: Group, dataset: Dataset) -> Compared:
    """Compile a group as one program, and a program for one of its trainings."""
    count, seconds, rounds = group.num_trained, [], []
    for size in (count, 1):
        start = perf_counter()
        program, store, chunks = program_of(group, dataset, size)
        seconds.append(perf_counter() - start)
        rounds.append([round_of(program, store, chunk) for chunk in chunks])
    (together,), alone = rounds
    rows = tuple(dict.fromkeys(training.row for training in group.trainings))
    return Compared(rows, (seconds[0], seconds[1]), together, tuple(alone))


def measured(options: Options) -> Iterator[dict[str, Any]]:
    """Of each program, once it is timed, its rows, seconds to compile, and seconds of rounds together and one by one.

    A program and its data are given up before the next one is compiled.
    """
    found, dataset = groups(options)
    for group in found:
        one = compared(group, dataset)
        pieces = {"together": one.together} | {f"{place}": alone for place, alone in enumerate(one.alone)}
        times = interleaved(pieces, options.turns)
        yield {
            "rows": one.rows,
            "trainings": len(one.alone),
            "compile_seconds": one.seconds[0],
            "compile_seconds_alone": one.seconds[1],
            "together": times["together"].tolist(),
            "alone": np.sum([times[f"{place}"] for place in range(len(one.alone))], axis=0).tolist(),
        }
        del one, pieces


def code_lines(source: str) -> int:
    """Lines of Python that are neither blank, comment, docstring nor import.

    >>> code_lines('\"\"\"What.\"\"\"\\n\\nimport y\\nx = [1,\\n  2]  # why\\n# where\\n')
    2
    """
    tokens = tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__)
    lines = {
        line for one in tokens if one.type not in NO_CODE for line in range(one.start[0], one.end[0] + 1) if one.string
    }
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines -= set(range(node.lineno, (node.end_lineno or 0) + 1))
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def lines_of_algorithms() -> dict[str, int]:
    """Lines of code of the file of each published algorithm."""
    functions = {name: getattr(algorithms, name.replace("-", "_")) for name in PUBLISHED}
    return {name: code_lines(inspect.getsource(inspect.getmodule(own))) for name, own in functions.items()}  # type: ignore[arg-type]


def _row(name: str, trainings: int, compiling: tuple[float, float], times: Mapping[str, np.ndarray]) -> list[str]:
    together, alone = (times[way] for way in ("together", "alone"))
    spread = (f"{np.median(one):.3f} ({one.min():.3f}-{one.max():.3f})" for one in (together, alone))
    ratio = f"{np.median(alone / together):.2f}"
    return [name, str(trainings), *(f"{one:.1f}" for one in compiling), *spread, ratio]


def table_of(programs: list[dict[str, Any]]) -> Table:
    """A line for each program, and their sum."""
    table = Table(
        *("program", "trainings", "compile s", "compile s,\none training"),
        *("round s: median\n(range)", "one by one s:\nmedian (range)", "ratio"),
        box=SIMPLE_HEAD,
    )
    times = [{way: np.array(one[way]) for way in ("together", "alone")} for one in programs]
    compiling = [(one["compile_seconds"], one["compile_seconds_alone"]) for one in programs]
    for one, seconds, taken in zip(programs, compiling, times, strict=True):
        table.add_row(*_row(", ".join(one["rows"]), one["trainings"], seconds, taken))
    whole = {way: np.sum([taken[way] for taken in times], axis=0) for way in ("together", "alone")}
    total = (sum(first for first, _ in compiling), sum(second for _, second in compiling))
    table.add_row(*_row("all", sum(one["trainings"] for one in programs), total, whole))
    return table


def main(options: Options) -> int:
    """Print the machine, each program as it is timed, the table and the lines of code; write them as JSON."""
    lines, programs = lines_of_algorithms(), []
    console = Console(width=130, highlight=False)
    console.print(machine())
    for program in measured(options):
        programs.append(program)
        console.print(f"timed: {', '.join(program['rows'])}")
        if options.json:
            asked = asdict(options) | {"json": str(options.json)}
            results = {"machine": machine(), "options": asked, "programs": programs, "lines": lines}
            options.json.write_text(json.dumps(results, indent=1))
    console.print(
        f"{len(options.algorithms)} algorithms x {options.repeats} repeats in {len(programs)} programs; "
        f"{options.clients} clients x {options.examples} examples, batches of at most {options.batch}, "
        f"{options.local_epochs} local epochs, {options.turns} turns; frozen AU detector"
    )
    console.print(table_of(programs))
    largest = max(lines, key=lines.__getitem__)
    console.print("Lines of code: " + ", ".join(f"{name} {count}" for name, count in lines.items()))
    console.print(f"The largest is {largest}, {lines[largest]} lines.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.algorithms")))
