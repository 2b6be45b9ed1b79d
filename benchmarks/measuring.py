"""A case of ``python -m benchmarks``, measured in a process of its own."""

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from time import perf_counter

from benchmarks.cases import CASES, Plan
from benchmarks.records import Measured, Record
from benchmarks.timing import peak_megabytes


def measured(name: str, plan: Plan) -> Measured:
    """A case in this process; what fails is told, and what was measured before is kept."""
    module, _, function = CASES[name].measure.partition(":")
    start, error, records = perf_counter(), "", list[Record]()
    try:
        for record in getattr(import_module(module), function)(plan):
            records.append(record)
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}".splitlines()[0]
    return Measured(CASES[name].title, perf_counter() - start, peak_megabytes(), error, tuple(records))


def in_own_process(name: str, plan: Plan) -> Measured:
    """Likewise in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measured, name, plan).result()
        except Exception as problem:  # it was killed
            return Measured(CASES[name].title, 0.0, 0.0, f"{type(problem).__name__}: {problem}", ())
