"""How much effort XLA puts into a program, by how long the program will run.

On a CPU most of a compilation is the machine code of hundreds of small kernels, while the training itself is matrix
products from a library. Measured on two cores with benchmarks/federated_round.py and XLA_FLAGS: level 1 compiles in
four fifths of the time of the default level and runs as fast; without the newer emitters of fusions a round compiles in
half the time and runs a quarter slower. AU pretraining runs a twentieth slower without them; there level 0 compiles in
half the time once more, but runs two and a half times as long. Newer versions of XLA know the newer emitters only, and
no option to leave them: an option that the installed one does not know is left out.
"""

from functools import cache

import jax

Effort = dict[str, str | bool]


def to_run_once() -> Effort:
    """Compiler options of programs that run once: drawing weights, looking at a test set."""
    return _on_cpu({"xla_backend_optimization_level": "0", "xla_cpu_use_fusion_emitters": False})


def to_run_a_minute() -> Effort:
    """Compiler options of programs that run for about as long as they compile."""
    return _on_cpu({"xla_backend_optimization_level": "1", "xla_cpu_use_fusion_emitters": False})


def to_run_long() -> Effort:
    """Compiler options of programs that run for minutes to days."""
    return _on_cpu({"xla_backend_optimization_level": "1"})


def _on_cpu(effort: Effort) -> Effort:
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in effort.items() if _is_known(name, value)}


@cache
def _is_known(name: str, value: str | bool) -> bool:
    """Whether the installed compiler has an option, asked by compiling next to nothing with it."""
    try:
        jax.jit(lambda: 0).lower().compile({name: value})
    except jax.errors.JaxRuntimeError as problem:
        if "No such compile option" in str(problem):
            return False
        raise
    return True
