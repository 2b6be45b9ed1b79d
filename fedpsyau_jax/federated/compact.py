"""The matrices of the named algorithms: written out for few clients, as ``DiagonalPlusOuter`` for many."""

import jax.numpy as jnp

from fedpsyau_jax.federated import mixing
from fedpsyau_jax.federated.factored import DiagonalPlusOuter, Matrix
from fedpsyau_jax.types import Array, Float

FEW = 64
"""Up to so many clients a matrix is written out: its product costs little beside a round, and its entries are plain to
see. Both forms differ by rounding only."""

Weights = Float[Array, "clients"]


def isolation(weights: Weights) -> Matrix:
    """W = I: d = 1, l = 0.

    >>> isolation(jnp.ones(1000)).left.shape
    (1000,)
    """
    if len(weights) <= FEW:
        return mixing.isolation(weights)
    zeros = jnp.zeros_like(weights)
    return DiagonalPlusOuter(jnp.ones_like(weights), zeros, zeros)


def averaging(weights: Weights) -> Matrix:
    """The mean of all, ``mixing.averaging``: d = 0, l = 1, r_j = n_j / N.

    >>> averaging(jnp.ones(1000)).right.sum().round(3).item()
    1.0
    """
    if len(weights) <= FEW:
        return mixing.averaging(weights)
    return DiagonalPlusOuter(jnp.zeros_like(weights), jnp.ones_like(weights), weights / weights.sum())


def personalised(weights: Weights, self_weight: float | Float[Array, ""]) -> Matrix:
    """Own weights and the mean of the others, ``mixing.personalised``.

    l_k = (1 - lambda) / (1 - p_k), r_k = p_k = n_k / N, and d_k = lambda - l_k p_k takes the own share out of the sum:
    a client that has nearly all of the weight costs a digit for each factor of ten in 1 / (1 - p_k).

    >>> from fedpsyau_jax.federated.factored import dense
    >>> matrix = dense(personalised(jnp.ones(1000), 0.9))
    >>> round(matrix[7, 7].item(), 3), round(matrix[7].sum().item(), 3)
    (0.9, 1.0)
    """
    if len(weights) <= FEW:
        return mixing.personalised(weights, self_weight)
    total = weights.sum()
    share, others = weights / total, total - weights
    left = jnp.where(others > 0, (1 - self_weight) * total / jnp.where(others > 0, others, 1), 0)
    return DiagonalPlusOuter(jnp.where(others > 0, self_weight - left * share, 1), left, share)
