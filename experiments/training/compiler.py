"""XLA compiler options: how much effort to spend on a program, depending on how long it will run.

On a CPU, compilation time is spent on the machine code of hundreds of small kernels, and training time in the matrix
products of a library. Measured on two cores with benchmarks/federated_round.py and XLA_FLAGS: level 1 takes four fifths
of the compilation time of the default level, and the program runs as fast. Without fusion emitters a round compiles in
half the time and runs a quarter slower; AU pretraining runs a twentieth slower, and with level 0 it compiles in half
the time again but takes two and a half times as long. Newer versions of XLA have no option to disable fusion emitters,
so an option that the installed version does not know is left out.
"""

from functools import cache

import jax

Effort = dict[str, str | bool]


def run_once_options() -> Effort:
    """Compiler options for programs that run once: drawing weights, evaluating a test set."""
    return _on_cpu({"xla_backend_optimization_level": "0", "xla_cpu_use_fusion_emitters": False})


def short_run_options() -> Effort:
    """Compiler options for programs that run for about as long as they compile."""
    return _on_cpu({"xla_backend_optimization_level": "1", "xla_cpu_use_fusion_emitters": False})


def long_run_options() -> Effort:
    """Compiler options for programs that run for minutes to days."""
    return _on_cpu({"xla_backend_optimization_level": "1"})


def _on_cpu(effort: Effort) -> Effort:
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in effort.items() if _is_known(name, value)}


@cache
def _is_known(name: str, value: str | bool) -> bool:
    """Whether the installed compiler knows an option: compile a trivial program with it."""
    try:
        jax.jit(lambda: 0).lower().compile({name: value})
    except jax.errors.JaxRuntimeError as problem:
        if "No such compile option" in str(problem):
            return False
        raise
    return True
