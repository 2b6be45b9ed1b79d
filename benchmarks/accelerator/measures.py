"""Rates of the device; rounds, what they cost and whether they agree with a CPU's; precisions; the largest kernels."""

from collections.abc import Iterator

import jax

from benchmarks.accelerator import reference
from benchmarks.accelerator.kernels import profiled
from benchmarks.accelerator.operations import RATES, copy_rate
from benchmarks.accelerator.rounds import Case, Precision
from benchmarks.accelerator.workbench import Program, Record, Workbench, first_line, timed

TRAINED = ("frozen", "end to end")
PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "frozen": ("tf32", "bf16", "bf16 products"),
    "end to end": ("tf32", "bf16"),
}


def rates(bench: Workbench) -> Iterator[Record]:
    """What the device does at best: products of large matrices, and a copy."""
    sizes = bench.sizes
    yield {"what": f"copy of {sizes.copied / 2.5e8:.2g} GB", "GB/s": copy_rate(sizes.copied, sizes.turns) / 1e9}
    for precision in RATES:
        try:
            yield {"what": f"product, {precision}", "TFLOP/s": bench.rate(precision) / 1e12}
        except Exception as problem:  # a precision that this device does not have
            yield {"what": f"product, {precision}", "error": first_line(problem)}


def rounds(bench: Workbench) -> Iterator[Record]:
    """A round in float32, compiled alone, beside the time that its matrix products take at the device's best."""
    for trained in TRAINED:
        program = bench.program(bench.case(trained=trained))
        yield {"what": trained} | cost(bench, program)


def agreement(bench: Workbench) -> Iterator[Record]:
    """How the first rounds agree with those of a CPU in float32, which the program of ``rounds`` computes again."""
    return _agreement(bench, "float32")


def agreement_in_float64(bench: Workbench) -> Iterator[Record]:
    """Likewise in float64.

    JAX 0.10 keeps the types of index arrays from programs in float32, which do not fit any more: it has to forget them.
    """
    jax.clear_caches()
    return _agreement(bench, "float64")


def precisions(bench: Workbench) -> Iterator[Record]:
    """A round in less than float32: its time, and what a short training makes of score and weights."""
    for trained in TRAINED:
        exact = bench.program(bench.case(trained=trained))
        told = reference.results(exact, bench.sizes.scored)
        cases = [bench.case(trained=trained, precision=precision) for precision in PRECISIONS[trained]]
        programs = bench.programs(cases)
        programs[exact.case] = exact
        times = timed({case: program.round for case, program in programs.items()}, bench.sizes.turns)
        for case, taken in times.items():
            found = told if case == exact.case else reference.results(programs[case], bench.sizes.scored)
            record = {"what": f"{case.trained}, {case.precision}"} | taken
            record["float32 / this"] = times[exact.case]["median s"] / taken["median s"]
            yield record | reference.differences(found, told, "float32")
        bench.let_go()


def profiles(bench: Workbench) -> Iterator[Record]:
    """The kernels of one round."""
    for trained in reversed(TRAINED):
        program = bench.program(bench.case(trained=trained))
        jax.block_until_ready(program.round())
        yield {"what": trained} | profiled(program.round)


def cost(bench: Workbench, program: Program, turns: int | None = None) -> Record:
    """Seconds of a round, of tracing and of compiling; bytes; share of the device's best rate."""
    taken = timed({program.case: program.round}, turns or bench.sizes.turns)[program.case]
    best = bench.rate(program.case.precision)
    record = taken | program.facts() | {"GFLOP": program.operations / 1e9}
    return record | {"share of peak": program.operations / best / taken["median s"]}


def _agreement(bench: Workbench, precision: Precision) -> Iterator[Record]:
    known = reference.stored()
    for trained in TRAINED:
        case = bench.case(trained=trained, precision=precision)
        found = reference.results(bench.program(case))
        expected = known[reference.named(case)]
        yield (
            {"what": f"{trained}, {precision}"} | reference.differences(found, expected, "stored") | _noise(case, known)
        )


def _noise(case: Case, known: dict[str, reference.Results]) -> Record:
    """How far float32 and float64 are apart on the CPU that computed what is stored."""
    single, double = (known[reference.named(case, precision)] for precision in ("float32", "float64"))
    apart = reference.differences(single, double, "float64")
    return {"float32 to float64 on a CPU, weights": apart["weights difference"]}
