"""Programs of cases: compiled alone or several at a time, kept until they are let go, and timed in turns."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.accelerator.operations import dot_operations, matrix_rate
from benchmarks.accelerator.problem import Sizes
from benchmarks.accelerator.rounds import Case, Functions, arithmetic, convolving, functions
from benchmarks.timing import interleaved
from fedpsyau_jax.types import PyTree

Record = dict[str, Any]
UNTUNED: dict[str, Any] = {"xla_gpu_autotune_level": "0"}
"""Compiler options that leave out the trial of several kernels for each matrix product."""


class Lowered(NamedTuple):
    """A traced round: its functions, what remains to compile, seconds of tracing, operations of its matrix products."""

    pure: Functions
    step: Any
    seconds: float
    operations: float


class Program:
    """A compiled round that goes on from where its last call ended."""

    def __init__(self, case: Case, lowered: Lowered, compiled: Any, seconds: float) -> None:
        self.case, self.compiled, self.operations = case, compiled, lowered.operations
        self.tracing, self.compiling = lowered.seconds, seconds
        self._pure = lowered.pure
        self._inputs: Any = None
        self._state: Any = None

    def restart(self) -> None:
        """Back to the initial weights."""
        with arithmetic(self.case):
            if self._inputs is None:
                self._inputs = jax.device_put(self._pure.inputs)
            self._state = jax.jit(self._pure.init)(*self._inputs)

    def round(self) -> PyTree:
        """One round; its metrics."""
        if self._state is None:
            self.restart()
        with arithmetic(self.case):
            self._state, metrics = self.compiled(self._state, *self._inputs)
        return metrics

    def rounds(self, count: int) -> Callable[[], Any]:
        """Some rounds one after another, as one piece of work."""
        return lambda: [self.round() for _ in range(count)]

    @property
    def state(self) -> PyTree:
        """The federation as the last round left it."""
        return self._state

    def facts(self) -> Record:
        """Seconds of tracing and compiling; what the compiler tells of memory, operations and bytes.

        It sees the body of a loop of unknown length once, so its operations and bytes are about those of one batch.
        """
        record: Record = {"trace s": self.tracing, "compile s": self.compiling}
        try:
            memory, counted = self.compiled.memory_analysis(), self.compiled.cost_analysis()
        except Exception as problem:  # a compiler that does not tell
            return record | {"compiler": first_line(problem)}
        for name in ("argument", "temp", "output"):
            record[f"{name} MB"] = getattr(memory, f"{name}_size_in_bytes", 0) / 1e6
        counted = counted[0] if isinstance(counted, list) else counted or {}
        seen = {"compiler's GFLOP of one batch": "flops", "compiler's GB of one batch": "bytes accessed"}
        return record | {name: float(counted[key]) / 1e9 for name, key in seen.items() if key in counted}


class Workbench:
    """Programs of the cases measured so far, and the time that is left."""

    def __init__(self, sizes: Sizes, budget: float, threads: int = 4, autotune: bool = True) -> None:
        self.sizes, self.threads = sizes, threads
        self.options = {} if autotune else UNTUNED
        self._end = perf_counter() + budget
        self._programs: dict[Case, Program] = {}
        self._rates: dict[str, float] = {}
        self.failures: dict[str, str] = {}

    def left(self) -> float:
        """Seconds of the budget that are left; below 0 it is spent."""
        return self._end - perf_counter()

    def case(self, **changed: Any) -> Case:
        """The usual federation of these sizes, with changes."""
        sizes = self.sizes
        usual = {"clients": sizes.clients, "examples": sizes.examples, "test": sizes.test, "batch": sizes.batch}
        return Case(**(usual | changed))

    def rate(self, precision: str) -> float:
        """Operations a second of this device's matrix products at best, measured once."""
        if precision not in self._rates:
            self._rates[precision] = matrix_rate(precision, self.sizes.matrix, self.sizes.turns)
        return self._rates[precision]

    def program(self, case: Case, options: dict[str, Any] | None = None) -> Program:
        """The program of a case, compiled alone unless it is there; with compiler options it is not kept."""
        if options:
            return _compiled(case, lowered(case), options)
        if case not in self._programs:
            self._programs[case] = _compiled(case, lowered(case), self.options)
        return self._programs[case]

    def programs(self, cases: Iterable[Case]) -> dict[Case, Program]:
        """The programs of some cases: traced one by one, compiled several at a time, until the budget is spent.

        One that does not compile is left out, and noted among the failures.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            waiting = {}
            for case in cases:
                if case not in self._programs and self.left() > 0:
                    waiting[case] = pool.submit(_compiled, case, lowered(case), self.options)
        for case, compiling in waiting.items():
            if problem := compiling.exception():
                self.failures[str(case)] = first_line(problem)
            else:
                self._programs[case] = compiling.result()
        return {case: self._programs[case] for case in cases if case in self._programs}

    def let_go(self) -> None:
        """Free the memory of all programs but those that several sections measure."""
        kept = (self.case(), self.case(precision="tf32"), self.case(trained="end to end"))
        self._programs = {case: program for case, program in self._programs.items() if case in kept}


def lowered(case: Case, platforms: tuple[str, ...] | None = None) -> Lowered:
    """Trace and lower the round of a case, by default for the device that is there."""
    start = perf_counter()
    with arithmetic(case), convolving(case):
        pure = functions(case)
        state = jax.eval_shape(pure.init, *pure.inputs)
        traced = jax.jit(pure.step, donate_argnums=0).trace(state, *pure.inputs)
        step = traced.lower(lowering_platforms=platforms) if platforms else traced.lower()
        operations = dot_operations(traced.jaxpr.jaxpr, case.steps)
    return Lowered(pure, step, perf_counter() - start, operations)


def _compiled(case: Case, traced: Lowered, options: dict[str, Any]) -> Program:
    start = perf_counter()
    with arithmetic(case):
        compiled = traced.step.compile(options)
    return Program(case, traced, compiled, perf_counter() - start)


def first_line(problem: BaseException) -> str:
    """An error in one line."""
    text = f"{type(problem).__name__}: {problem}".splitlines()[0]
    return text[:300]


def timed(alternatives: Mapping[Any, Callable[[], Any]], turns: int) -> dict[Any, Record]:
    """Seconds of each alternative, taken in turns: median, and how far the turns lie apart."""
    return {
        name: {"median s": float(np.median(taken)), "least s": float(taken.min()), "most s": float(taken.max())}
        for name, taken in interleaved(alternatives, turns).items()
    }
