"""Mixing matrices W = diag(d) + l r^T as three numbers a client, so that mixing costs K and not K^2."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from fedpsyau_jax.types import Array, Float, PyTree

__all__ = ["DiagonalPlusOuter", "Matrix", "dense", "factored", "identity_like", "is_factored"]

ROUNDING = 1e-6


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class DiagonalPlusOuter:
    """W = diag(d) + l r^T, which the named algorithms have for many clients: w_k <- d_k w_k + l_k sum_j r_j w_j.

    ``diagonal``, ``left``, ``right``: [*groups, clients] each. ``shape``, ``ndim`` and ``dtype`` are those of the
    matrix, which ``dense`` writes out. It is linear in the number of clients to store and to apply; arithmetic on it
    is left to the three arrays.

    >>> mean = DiagonalPlusOuter(jnp.zeros(2), jnp.ones(2), jnp.array([0.75, 0.25]))
    >>> mean.shape, dense(mean).tolist()
    ((2, 2), [[0.75, 0.25], [0.75, 0.25]])
    """

    diagonal: PyTree  # arrays; jax.tree also puts shapes and shardings here
    left: PyTree
    right: PyTree

    @property
    def shape(self) -> tuple[int, ...]:
        """[*groups, clients, clients]."""
        return (*self.right.shape, self.right.shape[-1])

    @property
    def ndim(self) -> int:
        """Of the matrix: one more than of each array."""
        return self.right.ndim + 1

    @property
    def dtype(self) -> Any:
        """Of the numbers."""
        return self.right.dtype


Matrix: TypeAlias = Float[Array, "... clients clients"] | DiagonalPlusOuter


def is_factored(value: object) -> bool:
    """Whether it is a ``DiagonalPlusOuter``: to stop ``jax.tree`` at it."""
    return isinstance(value, DiagonalPlusOuter)


def dense(matrix: Any) -> Any:
    """All entries of a matrix, [*groups, clients, clients]; anything but a ``DiagonalPlusOuter`` is returned as it is.

    >>> dense(DiagonalPlusOuter(jnp.array([1.0, 0.5]), jnp.array([0.0, 0.5]), jnp.array([1.0, 0.0]))).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    if not isinstance(matrix, DiagonalPlusOuter):
        return matrix
    identity = jnp.eye(matrix.shape[-1], dtype=matrix.dtype)
    return matrix.diagonal[..., None] * identity + matrix.left[..., None] * matrix.right[..., None, :]


def factored(matrix: Any) -> Any:
    """A matrix as a ``DiagonalPlusOuter`` if it is one up to rounding; else, and if it is none, as it is.

    Clients on several devices then exchange one sum, and not all weights of all clients.

    >>> mean = factored(jnp.array([[0.75, 0.25], [0.75, 0.25]]))
    >>> mean.left.tolist(), mean.right.tolist()
    ([1.0, 1.0], [0.75, 0.25])
    >>> factored(jnp.eye(4)[::-1]).shape, is_factored(factored(jnp.eye(4)[::-1]))
    ((4, 4), False)
    """
    if matrix is None or is_factored(matrix):
        return matrix
    entries = np.asarray(matrix, float)
    parts = [_factors(one) for one in entries.reshape(-1, *entries.shape[-2:])]
    factors = DiagonalPlusOuter(
        *(jnp.asarray(np.reshape(part, entries.shape[:-1]), matrix.dtype) for part in zip(*parts, strict=True))
    )
    return factors if np.allclose(dense(factors), entries, rtol=0, atol=ROUNDING) else matrix


def _factors(entries: Float[np.ndarray, "clients clients"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """d, l and r: r from the row with the largest sum beside the diagonal, where l is 1; l from the sums of others."""
    others = entries * (1 - np.eye(len(entries)))
    first = others.sum(axis=1).argmax()
    right = others[first]
    heard = others @ (right > 0)
    common = right.sum() - right
    left = np.where(common > 0, heard / np.where(common > 0, common, 1), right.sum() > 0)
    left[first] = right.sum() > 0
    rest = left.sum() - left[first]
    right[first] = others[:, first].sum() / rest if rest > 0 else 0
    return np.diag(entries) - left * right, left, right


def identity_like(matrix: Matrix) -> Matrix:
    """W = I without groups, in the same form."""
    if not isinstance(matrix, DiagonalPlusOuter):
        return jnp.eye(matrix.shape[-1], dtype=matrix.dtype)
    zeros = jnp.zeros(matrix.shape[-1], matrix.dtype)
    return DiagonalPlusOuter(jnp.ones_like(zeros), zeros, zeros)
