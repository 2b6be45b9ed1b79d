"""Numbers as whole multiples of a small step, so that sums of masked numbers are exact."""

from typing import NamedTuple

import numpy as np

from deployment.payload import Refused

__all__ = ["STEP", "Encoded", "decoded", "encoded", "limit"]

STEP = 2.0**-32
TOTAL = 2**28
"""Largest absolute value of a sum over all sites; 64 bits hold eight times as much, so that a wrong mask shows."""


class Encoded(NamedTuple):
    """``numbers``: int64, multiples of ``STEP``; ``clipped``: how many lay beyond the limit of a site."""

    numbers: np.ndarray
    clipped: int


def limit(sites: int) -> int:
    """The largest absolute value that one of so many sites may add.

    >>> limit(5)
    53687091
    """
    return TOTAL // sites


def encoded(values: np.ndarray, sites: int) -> Encoded:
    """Round to the nearest multiple of ``STEP``; what lies beyond the limit becomes the limit, and is counted.

    Args:
        values: of any shape, as float64.
        sites: how many add up theirs.

    Raises:
        Refused: a number is not finite.

    >>> encoded(np.array([0.5, -1e12]), 2)
    Encoded(numbers=array([         2147483648, -576460752303423488]), clipped=1)
    """
    if not np.isfinite(values).all():
        raise Refused("this site's weights or sums hold a number that is not finite")
    most = limit(sites)
    clipped = int((np.abs(values) > most).sum())
    return Encoded(np.rint(np.clip(values, -most, most) / STEP).astype(np.int64), clipped)


def decoded(numbers: np.ndarray) -> np.ndarray:
    """The float64 values of multiples of ``STEP``.

    Raises:
        Refused: one is larger than any sum of sites can be.

    >>> decoded(np.array([2**31]))
    array([0.5])
    """
    most = round(TOTAL / STEP)
    if ((numbers > most) | (numbers < -most)).any():
        raise Refused("the sum is larger than sums of sites can be: a site sent wrong numbers or wrong shares")
    return numbers * STEP
