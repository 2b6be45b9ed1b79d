"""Loops over the batches of an epoch."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.types import Array, Int

__all__ = ["BatchLoop", "fori_batches", "scan_batches"]

BatchLoop: TypeAlias = Callable[[Callable[[Int[Array, ""], Any], Any], Any, Int[Array, ""], int], Any]


def fori_batches(body: Callable[[Int[Array, ""], Any], Any], start: Any, num_real: Int[Array, ""], num_all: int) -> Any:
    """Loop ``body(step, progress)`` over the real batches of an epoch, and stop after the last one.

    A ``lax.cond`` around each step would also skip empty batches, but XLA:CPU runs its branches on a single core.
    """
    del num_all
    return lax.fori_loop(0, num_real, body, start)


def scan_batches(body: Callable[[Int[Array, ""], Any], Any], start: Any, num_real: Int[Array, ""], num_all: int) -> Any:
    """The same as ``fori_batches``, but differentiable (``lax.scan``); slower on a CPU."""

    def step(progress: Any, index: Int[Array, ""]) -> tuple[Any, None]:
        return lax.cond(index < num_real, body, lambda _, unchanged: unchanged, index, progress), None

    return lax.scan(step, start, jnp.arange(num_all))[0]
