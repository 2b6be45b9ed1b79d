"""Ratios of counts, and means over those that are defined, of NumPy or JAX arrays."""

from typing import Any

import jax
import numpy as np

from fedpsyau_jax.types import Float

AnyArray = jax.Array | np.ndarray


def mean_over_defined(values: Float[AnyArray, "*runs classes"]) -> Float[AnyArray, "*runs"]:
    """Mean over the last axis of the values that are not NaN.

    Args:
        values: [..., classes] scores, NaN where a class has none.

    Returns:
        [...] their mean; NaN if none is defined.

    >>> float(mean_over_defined(np.array([0.5, 1.0, np.nan])))
    0.75
    """
    xp = namespace(values)
    defined = ~xp.isnan(values)
    return ratio(xp.sum(xp.where(defined, values, 0), axis=-1), xp.sum(defined, axis=-1))


def ratio(numerator: AnyArray, denominator: AnyArray) -> AnyArray:
    """Quotient of counts; NaN for 0 / 0."""
    xp = namespace(numerator)
    return xp.where(denominator == 0, xp.nan, numerator / xp.where(denominator == 0, 1, denominator))


def namespace(array: AnyArray) -> Any:
    """The module whose functions make arrays of this kind."""
    return array.__array_namespace__()
