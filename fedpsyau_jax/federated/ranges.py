"""Numbers of an algorithm that make no sense are refused where their values are known."""

from math import inf
from typing import TypeVar

import jax
import numpy as np

__all__ = ["in_range"]

Number = TypeVar("Number")


def in_range(what: str, number: Number, least: float = 0.0, most: float = inf, *, above: bool = False) -> Number:
    """The number, or numbers, if all are finite and in [least, most], or in (least, most] where ``above``.

    Numbers without a value yet, under ``jit``, ``vmap`` or ``grad``, pass.

    Raises:
        ValueError: what the number is and must be; in one sentence.

    >>> in_range("FedDyn's alpha", 0.0, above=True)
    Traceback (most recent call last):
    ValueError: FedDyn's alpha is 0.0: it must be finite and above 0
    """
    if isinstance(number, jax.core.Tracer):
        return number
    values = np.asarray(number)
    inside = np.isfinite(values) & (values > least if above else values >= least) & (values <= most)
    if not inside.all():
        low = f"above {least:g}" if above else f"at least {least:g}"
        allowed = f"finite and {low}" if most == inf else f"{low} and at most {most:g}"
        raise ValueError(f"{what} is {values[~inside].flat[0]}: it must be {allowed}")
    return number
