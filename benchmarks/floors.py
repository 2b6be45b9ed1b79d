"""What this machine cannot do faster: operations and bytes of some work over rates that are measured here."""

from functools import cache
from typing import Any, NamedTuple

import jax

from benchmarks.accelerator.operations import copy_rate, matrix_rate
from benchmarks.sizes import Sizes

TURNS = 5


class Rates(NamedTuple):
    """Operations a second of a large matrix product in float32, and bytes read and written a second by a copy."""

    operations: float
    bytes: float

    def floor(self, operations: float, num_bytes: float) -> float:
        """Seconds that either takes at least.

        >>> Rates(100.0, 10.0).floor(operations=200, num_bytes=5)
        2.0
        """
        return max(operations / self.operations, num_bytes / self.bytes)

    def __str__(self) -> str:
        """Both, in the usual units."""
        return f"matrix products {self.operations / 1e9:.0f} GFLOP/s, copies {self.bytes / 1e9:.1f} GB/s"


@cache
def rates(sizes: Sizes) -> Rates:
    """The best of some turns."""
    return Rates(matrix_rate("float32", sizes.matrix, TURNS), copy_rate(sizes.copied, TURNS))


def planned_bytes(compiled: Any) -> tuple[int, int]:
    """Of a compiled program: bytes that it reads and writes at least, and bytes of memory that it needs.

    Both as the compiler plans: arguments and results, and these with its working memory.
    """
    memory = compiled.memory_analysis()
    moved = memory.argument_size_in_bytes + memory.output_size_in_bytes
    return moved, moved + memory.temp_size_in_bytes


def compiled_for(step: Any, *inputs: Any) -> Any:
    """The program of a jitted function for these inputs."""
    return step.lower(*jax.eval_shape(lambda *given: given, *inputs)).compile()
