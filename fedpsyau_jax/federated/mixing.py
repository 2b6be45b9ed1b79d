"""Aggregation as a row-stochastic matrix W: client k continues from sum_j W[k, j] w_j."""

import jax
import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.federated.factored import DiagonalPlusOuter, Matrix
from fedpsyau_jax.types import Array, Float, Params, PyTree

__all__ = ["averaging", "isolation", "mix", "mixed_leaf", "personalised"]

Weights = Float[Array, "clients"]
Mixing = Float[Array, "clients clients"]


def isolation(weights: Weights) -> Mixing:
    """Every client keeps its own weights: W = I.

    >>> print(isolation(jnp.array([30.0, 10.0])))
    [[1. 0.]
     [0. 1.]]
    """
    return jnp.eye(weights.shape[0], dtype=weights.dtype)


def averaging(weights: Weights) -> Mixing:
    """Every client continues from the same weighted mean: W[k, j] = n_j / sum_i n_i.

    Args:
        weights: importance n_j >= 0 of each client, usually its number of training examples; not all 0.

    Returns:
        Equal rows that sum to 1.

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks, AISTATS 2017, algorithm 1.

    >>> print(averaging(jnp.array([30.0, 10.0])))
    [[0.75 0.25]
     [0.75 0.25]]
    """
    return jnp.broadcast_to(weights / weights.sum(), (weights.shape[0],) * 2)


def personalised(weights: Weights, self_weight: float | Float[Array, ""]) -> Mixing:
    """Every client mixes its own weights with the mean of the others: W = lambda I + (1 - lambda) O.

    O[k, j] = n_j / sum_{i != k} n_i for j != k, and 0 for j = k.

    Args:
        weights: importance n_j >= 0 of each client, usually its number of training examples.
        self_weight: lambda in [0, 1], the share of a client's own weights.

    Returns:
        Rows that sum to 1; if the others have total weight 0, a client keeps its own weights.

    Source: FED-PsyAU, ICCV 2025 (P-FedProx, lambda = 0.9).

    >>> print(personalised(jnp.array([30.0, 10.0, 30.0]), 0.5))
    [[0.5   0.125 0.375]
     [0.25  0.5   0.25 ]
     [0.375 0.125 0.5  ]]
    """
    identity = isolation(weights)
    others = (1 - identity) * weights
    total = others.sum(axis=1, keepdims=True)
    others = jnp.where(total > 0, others / jnp.where(total > 0, total, 1), identity)
    return self_weight * identity + (1 - self_weight) * others


def mix(mixing: Matrix, params: PyTree) -> Params:
    """Apply W to parameters with a leading client axis: w_k <- sum_j W[k, j] w_j.

    Args:
        mixing: rows sum to 1; written out or as a ``DiagonalPlusOuter``, which needs K and not K^2 products a weight.
        params: leaves [clients, ...].

    Returns:
        The same structure, shapes and dtypes. The product is in full precision: an accelerator's default
        would round float32 weights to 10 bits of mantissa (TF32) each round.

    >>> mix(averaging(jnp.array([30.0, 10.0])), {"bias": jnp.array([[4.0], [8.0]])})["bias"].tolist()
    [[5.0], [5.0]]
    """
    return jax.tree.map(lambda leaf: mixed_leaf(mixing, leaf), params)


def mixed_leaf(mixing: Matrix, leaf: Array) -> Array:
    """Apply W to one leaf [clients, ...]."""
    if not isinstance(mixing, DiagonalPlusOuter):
        return _product(mixing, leaf)
    diagonal, left = (
        numbers.astype(leaf.dtype).reshape(-1, *[1] * (leaf.ndim - 1)) for numbers in (mixing.diagonal, mixing.left)
    )
    return diagonal * leaf + left * _product(mixing.right, leaf)


def _product(numbers: Float[Array, "*rows clients"], leaf: Array) -> Array:
    return jnp.tensordot(numbers.astype(leaf.dtype), leaf, axes=1, precision=lax.Precision.HIGHEST)
