"""Many federations at once: rows, repeats, clients and folds; the preset of the paper, extrapolated."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.accelerator.measures import cost
from benchmarks.accelerator.rounds import Case
from benchmarks.accelerator.workbench import UNTUNED, Record, Workbench, first_line, timed

PAPER_ROUNDS, PAPER_EPOCHS, PAPER_ROWS = 40, 50, 4
FAST: dict[str, Any] = {"precision": "tf32"}
"""What is compared is trained in TF32, JAX's default on a GPU: it compiles in a third of the time of float32 (H200)."""


def axes(bench: Workbench) -> Iterator[Record]:
    """Rows, repeats and clients at once, against the program of one called as often as there are of them."""
    one_client, one_run = bench.case(clients=1, **FAST), bench.case(**FAST)
    lone = {"rows": one_run, "repeats": one_run, "clients": one_client}
    sizes = bench.sizes
    many = [("rows", n) for n in sizes.rows] + [("repeats", n) for n in sizes.repeats]
    many += [("clients", n) for n in sizes.many_clients]
    alike = {(axis, n): bench.case(**{axis: n}, **FAST) for axis, n in many}
    wanted = {axis: case for axis, case in alike.items() if case != one_run}
    loops = {
        (axis, n): bench.case(**{axis: n, over: "sequential"}, **FAST)
        for axis, over, n in (("rows", "over_runs", sizes.rows[1]), ("clients", "over_clients", sizes.clients))
    }
    programs = bench.programs([one_run, one_client, *wanted.values(), *loops.values()])
    wanted[("clients", sizes.clients)] = one_run
    for (axis, number), case in wanted.items():
        alternatives = {"vectorised": case, "sequential": loops.get((axis, number))}
        found = {name: programs[chosen].round for name, chosen in alternatives.items() if chosen in programs}
        if lone[axis] in programs and "vectorised" in found:
            found |= {"one by one": programs[lone[axis]].rounds(number)}
            yield {"what": f"{number} {axis}"} | _compared(found, sizes.turns)
    bench.let_go()


def folds(bench: Workbench) -> Iterator[Record]:
    """An epoch of every fold, a federation of one client each: all at once, some at a time, one by one."""
    return _folds(bench, "frozen", bench.sizes.folds)


def folds_end_to_end(bench: Workbench) -> Iterator[Record]:
    """Likewise of the whole network, as many folds at once as the middle number of the sizes."""
    return _folds(bench, "end to end", bench.sizes.folds[:2])


def paper(bench: Workbench) -> Iterator[Record]:
    """One local epoch of the paper's preset, all of its 200 clients' trainings at once; and the whole, extrapolated."""
    sizes = bench.sizes
    shape: Record = {"rows": PAPER_ROWS, "repeats": sizes.paper_repeats, "examples": sizes.paper_examples}
    cases = [bench.case(**shape, precision=precision) for precision in ("float32", "tf32")]
    yield from _extrapolated(bench, cases, 1)


def paper_end_to_end(bench: Workbench) -> Iterator[Record]:
    """The same with the AU detector trained too: one repeat at a time, for its memory."""
    case = bench.case(trained="end to end", rows=PAPER_ROWS, examples=bench.sizes.paper_examples, **FAST)
    yield from _extrapolated(bench, [case], bench.sizes.paper_repeats)


def axes_end_to_end(bench: Workbench) -> Iterator[Record]:
    """Rows and clients of the whole network."""
    rows = bench.sizes.rows[1]
    cases = {
        "all clients at once": bench.case(trained="end to end", **FAST),
        "clients one after another": bench.case(trained="end to end", over_clients="sequential", **FAST),
        f"{rows} rows at once": bench.case(trained="end to end", rows=rows, **FAST),
    }
    programs = bench.programs(cases.values())
    for name, case in cases.items():
        if case in programs:
            yield {"what": name} | cost(bench, programs[case])
    bench.let_go()


def leads(bench: Workbench) -> Iterator[Record]:
    """What may make a round faster: loops that the compiler knows the length of or captures, other convolutions."""
    usual = bench.case(**FAST)
    trials: dict[str, tuple[Case, dict[str, Any] | None]] = {
        "as it is": (usual, None),
        "not autotuned": (usual, UNTUNED),
        "all batches, not counted": (bench.case(batches="fixed", **FAST), None),
        "loops captured": (usual, {"xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,WHILE"}),
        "im2col": (bench.case(lowering="im2col", **FAST), None),
        "XLA's convolution": (bench.case(lowering="xla", **FAST), None),
        "im2col, end to end": (bench.case(trained="end to end", lowering="im2col", **FAST), None),
    }
    for name, (case, options) in trials.items():
        if bench.left() <= 0:
            return
        try:
            program = bench.program(case, options)
            yield {"what": name} | timed({name: program.round}, bench.sizes.turns)[name] | program.facts()
        except Exception as problem:  # an option that this compiler does not know
            yield {"what": name, "error": first_line(problem)}
    bench.let_go()


def _folds(bench: Workbench, trained: Any, numbers: tuple[int, ...]) -> Iterator[Record]:
    def case(number: int) -> Case:
        examples = bench.sizes.fold_examples
        return bench.case(trained=trained, repeats=number, clients=1, examples=examples, test=0, **FAST)

    programs = bench.programs([case(number) for number in numbers])
    if case(1) not in programs:
        return
    one = timed({"": programs[case(1)].rounds(numbers[-1])}, min(bench.sizes.turns, 2))[""]
    yield {"what": f"{trained}, {numbers[-1]} folds one by one", "median s": one["median s"]}
    for number in numbers[1:]:
        if case(number) in programs:
            taken = timed({"": programs[case(number)].round}, bench.sizes.turns)[""]["median s"]
            all_folds = taken * numbers[-1] / number
            record: Record = {"what": f"{trained}, {number} folds at once", "median s": taken, "all folds s": all_folds}
            yield record | {"one by one / this": one["median s"] / all_folds} | programs[case(number)].facts()
    bench.let_go()


def _extrapolated(bench: Workbench, cases: list[Case], times: int) -> Iterator[Record]:
    for case in cases:
        if bench.left() <= 0:
            return
        program = bench.program(case)
        record: Record = {"what": f"{case.trained}, {case.precision}, extrapolated"}
        record |= {"trained at once": case.rows * case.repeats * case.clients, "examples each": case.examples}
        record |= cost(bench, program, turns=min(bench.sizes.turns, 3))
        whole = record["median s"] * PAPER_ROUNDS * PAPER_EPOCHS * times
        yield record | {f"{PAPER_ROUNDS} rounds x {PAPER_EPOCHS} epochs, minutes": whole / 60}
        bench.let_go()


def _compared(alternatives: dict[str, Callable[[], Any]], turns: int) -> Record:
    times = {name: record["median s"] for name, record in timed(alternatives, turns).items()}
    ratio = times["one by one"] / times["vectorised"]
    return {f"{name} s": seconds for name, seconds in times.items()} | {"one by one / vectorised": ratio}
