"""Permutation tests within strata: do AUs co-occur more, or less, than the rates of each subject explain?"""

from collections.abc import Iterator

import numpy as np

from fedpsyau_jax.priors.contingency import expected_together, pairs_of, tables
from fedpsyau_jax.types import Float, Int

_ELEMENTS_AT_ONCE = 2**22
_ROUNDING = 1e-9


def permutation_p(
    aus: Float[np.ndarray, "clips aus"],
    mask: Float[np.ndarray, "clips aus"],
    strata: Int[np.ndarray, "clips"],
    num_permutations: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, "pairs"]:
    """Two-sided p of every pair of AUs, with clips permuted within strata.

    The statistic is |t - e|: t the clips with both AUs, e its expectation under the permutations.
    p = (1 + permutations with a statistic as large) / (1 + permutations), so it is never 0 and never too small.

    Args:
        aus: 1 where an AU is present.
        mask: 1 where it is labelled, the same for all clips of a stratum; unlabelled AUs are ignored.
        strata: under the null hypothesis, clips are exchangeable within a stratum, but not between strata.
        num_permutations: N; p is a multiple of 1 / (1 + N).
        generator: draws the permutations.

    Source: Phipson & Smyth (2010) for the 1 added; stratified permutation, Good, Permutation Tests (2000).
    """
    first, second = pairs_of(aus.shape[1])
    cells = tables(aus, mask, strata)
    expected = expected_together(cells)
    distance = np.abs(cells[..., 0].sum(axis=0) - expected)
    present = (aus * mask).astype(np.float32)
    num_as_large = np.zeros(len(first), int)
    for counts in _permuted_counts(present, strata, num_permutations, generator):
        num_as_large += (np.abs(counts[:, first, second] - expected) >= distance - _ROUNDING).sum(axis=0)
    return (1 + num_as_large) / (1 + num_permutations)


def _permuted_counts(
    present: Float[np.ndarray, "clips aus"],
    strata: Int[np.ndarray, "clips"],
    num_permutations: int,
    generator: np.random.Generator,
) -> Iterator[Float[np.ndarray, "permutations aus aus"]]:
    """Co-occurrence counts after permuting clips within strata, for a batch of permutations at a time."""
    order = np.argsort(strata, kind="stable")
    present, strata = present[order], strata[order]
    at_once = max(1, _ELEMENTS_AT_ONCE // max(present.size, 1))
    for start in range(0, num_permutations, at_once):
        size = min(at_once, num_permutations - start)
        partner = np.argsort(strata + generator.random((size, len(strata))), axis=1)
        yield present.T @ present[partner]
