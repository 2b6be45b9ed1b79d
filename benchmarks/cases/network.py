"""Rounds of the network as the package trains it: one, and many of them in one program."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from benchmarks.accelerator.operations import dot_operations
from benchmarks.accelerator.problem import Sizes as AcceleratorSizes
from benchmarks.accelerator.rounds import Case, arithmetic, convolving, functions
from benchmarks.accelerator.workbench import Program, Workbench
from benchmarks.cases import Plan
from benchmarks.children import Child, ChildEnded, torch_python
from benchmarks.floors import planned_bytes, rates
from benchmarks.records import Record, compared
from benchmarks.timing import interleaved
from experiments.training.compiler import long_run_options

ON_A_CPU: dict[str, Any] = {"over_runs": "sequential", "over_clients": "sequential"}
KINDS = ("frozen", "end to end")
LOOPS = {
    "frozen": {"PyTorch, a loop": "frozen", "PyTorch, a loop that calls the detector for each batch": "detecting"},
    "end to end": {"PyTorch, a loop": "end to end"},
}
"""Loops in PyTorch to compare with, and what ``peers/torch_network.py`` calls them."""


def rounds(plan: Plan) -> Iterator[Record]:
    """Over a frozen AU detector, where the classifier trains, and end to end; beside them a loop in PyTorch."""
    bench = workbench(plan)
    python = torch_python(plan.peers)
    for trained in KINDS:
        case = bench.case(trained=trained, **ON_A_CPU)
        one_client = bench.case(trained=trained, clients=1, **ON_A_CPU)
        program, alone = bench.program(case), bench.program(one_client)
        works = {trained: program.round, "the program of a client, called for each": alone.rounds(case.clients)}
        times = interleaved(works, plan.turns, plan.budget)
        records = [_record(plan, program, trained, times[trained])]
        records.append(Record(*_named(list(works)[1], times), compile_seconds=_compiling(alone)))
        yield from compared(records)
        for title, kind in LOOPS[trained].items():
            yield _in_torch(plan, program, f"{trained}: {title}", kind, python)


def _in_torch(plan: Plan, program: Program, title: str, kind: str, python: Path | None) -> Record:
    """The same network written plainly in PyTorch, in turns with ours."""
    if python is None:
        return Record(title, "", note="PyTorch is not installed: pip install torch, or --peer-python torch=PYTHON")
    case = program.case
    with Child(python, "torch_network.py", kind, *map(str, (case.clients, case.examples, case.batch))) as child:
        works = {"ours": program.round, "theirs": child.ask}
        try:
            times = interleaved(works, plan.turns, plan.budget)
            answer = child.ask()
        except ChildEnded as problem:
            return Record(title, "", note=f"did not train: {problem}")
    first = _record(plan, program, "ours", times["ours"])
    counted = answer["operations"] / analytic(case)
    note = f"{counted:.2f} times our operations, counted by PyTorch ({answer['packages']['torch']})"
    torch = Record(title, "s a round", tuple(times["theirs"].tolist()), note=note)
    _, theirs = compared([first, torch._replace(megabytes=answer["megabytes"], floor=first.floor)])
    return theirs


def rows(plan: Plan) -> Iterator[Record]:
    """FedAvg, local, FedProx, P-FedProx and more of them; seconds of one row."""
    return _many(plan, "rows")


def repeats(plan: Plan) -> Iterator[Record]:
    """Repeats of one row; seconds of one repeat."""
    return _many(plan, "repeats")


def folds(plan: Plan) -> Iterator[Record]:
    """Each fold is a client of its own; seconds of one fold."""
    sizes = plan.sizes
    one = {"clients": 1, "examples": sizes.fold_examples}
    return _counted(plan, "folds", {count: one | {"repeats": count} for count in sizes.folds})


def _many(plan: Plan, axis: str) -> Iterator[Record]:
    return _counted(plan, axis, {count: {axis: count} for count in plan.sizes.runs})


def _counted(plan: Plan, axis: str, changes: dict[int, dict[str, Any]]) -> Iterator[Record]:
    """So many in one program, in turns; seconds of one of them."""
    bench = workbench(plan)
    programs = {count: bench.program(bench.case(**changed, **ON_A_CPU)) for count, changed in changes.items()}
    works = {str(count): program.round for count, program in programs.items()}
    times = interleaved(works, plan.turns, plan.budget)
    records = [
        _record(plan, program, f"{count} {axis}", times[str(count)], count, f"s a round of one of the {axis}")
        for count, program in programs.items()
    ]
    yield from compared(records)


def workbench(plan: Plan) -> Workbench:
    """Programs of these sizes, compiled as for long runs."""
    sizes = plan.sizes
    shape = {"clients": sizes.clients, "examples": sizes.examples, "batch": sizes.batch, "test": 0}
    bench = Workbench(AcceleratorSizes(**shape, matrix=sizes.matrix, copied=sizes.copied), float("inf"))
    bench.options = dict(long_run_options())
    return bench


def _record(plan: Plan, program: Program, what: str, seconds: Any, count: int = 1, unit: str = "s a round") -> Record:
    moved, needed = planned_bytes(program.compiled)
    floor = rates(plan.sizes).floor(analytic(program.case), moved) / count
    return Record(
        *(what, unit, tuple((seconds / count).tolist())),
        compile_seconds=_compiling(program),
        megabytes=needed / 1e6,
        floor=floor,
    )


def _named(name: str, times: Any) -> tuple[str, str, tuple[float, ...]]:
    return name, "s a round", tuple(times[name].tolist())


def _compiling(program: Program) -> float:
    return program.tracing + program.compiling


def analytic(case: Case) -> float:
    """Operations of all products and convolutions of a round, without the zeros that our convolutions multiply by."""
    ideal = replace(case, lowering="xla", **ON_A_CPU)
    with arithmetic(ideal), convolving(ideal):
        pure = functions(ideal)
        state = jax.eval_shape(pure.init, *pure.inputs)
        jaxpr = jax.make_jaxpr(pure.step)(state, *pure.inputs)
    return dot_operations(jaxpr.jaxpr, case.steps)
