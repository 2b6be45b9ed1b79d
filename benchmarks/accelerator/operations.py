"""Operations of a program, counted from its jaxpr; and what this device can do, measured."""

from collections.abc import Iterator
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import interleaved

RATES = {
    "float64": ("highest", jnp.float64),
    "float32": ("highest", jnp.float32),
    "tf32": ("tensorfloat32", jnp.float32),
    "default": ("default", jnp.float32),
    "bf16 products": ("BF16_BF16_F32", jnp.float32),
    "bf16": ("default", jnp.bfloat16),
}


def dot_operations(jaxpr: Any, batches: int) -> float:
    """Multiplications and additions of all matrix products of a program; a loop of unknown length counts ``batches``.

    XLA's own convolutions count too. Zeros count that convolutions written as matrix products multiply by.
    """
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += 2 * prod(equation.outvars[0].aval.shape) * prod(left[axis] for axis in contracted)
        if equation.primitive.name == "conv_general_dilated":
            total += 2 * prod(equation.outvars[0].aval.shape) * _kernel_size(equation)
        times = {"scan": equation.params.get("length"), "while": batches}.get(equation.primitive.name, 1)
        total += times * sum(dot_operations(inner, batches) for inner in _inner(equation.params))
    return total


def _kernel_size(equation: Any) -> int:
    """Numbers of a convolution's kernel that meet in one number of its output."""
    kernel = equation.invars[1].aval.shape
    return prod(kernel) // kernel[equation.params["dimension_numbers"].rhs_spec[0]]


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            part = getattr(part, "jaxpr", part)
            if hasattr(part, "eqns"):
                yield part


def matrix_rate(precision: str, size: int, turns: int) -> float:
    """Operations a second of a product of two random square matrices, the best of some turns."""
    products, dtype = RATES[precision]
    size = size // 2 if precision == "float64" else size
    with jax.enable_x64(precision == "float64"), jax.default_matmul_precision(products):
        block = np.random.default_rng(0).standard_normal((size // 8, size // 8), np.float32)
        a, b = (jnp.asarray(np.tile(factor, (8, 8)), dtype) for factor in (block, block.T))
        multiply = jax.jit(jnp.matmul).lower(a, b).compile()
        times = interleaved({"": lambda: multiply(a, b)}, turns)[""]
    return float(2 * size**3 / times.min())


def copy_rate(count: int, turns: int) -> float:
    """Bytes read and written a second, when each of that many float32 is changed in place.

    A new array would measure how fast an operating system hands out memory.
    """
    array = jnp.arange(count, dtype=jnp.float32)
    changed = jax.jit(lambda values: values + 1, donate_argnums=0).lower(array).compile()
    kept = [array]

    def work() -> jax.Array:
        kept.append(changed(kept.pop()))
        return kept[0]

    num_bytes = 2 * array.nbytes
    return float(num_bytes / interleaved({"": work}, turns)[""].min())
