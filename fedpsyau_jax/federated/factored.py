"""Mixing matrices W = diag(d) + l r^T as three numbers a client, so that mixing costs K and not K^2."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from fedpsyau_jax.types import Array, Float, PyTree

__all__ = ["DiagonalPlusOuter", "Matrix", "dense", "identity_like", "is_factored"]


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


def identity_like(matrix: Matrix) -> Matrix:
    """W = I without groups, in the same form."""
    if not isinstance(matrix, DiagonalPlusOuter):
        return jnp.eye(matrix.shape[-1], dtype=matrix.dtype)
    zeros = jnp.zeros(matrix.shape[-1], matrix.dtype)
    return DiagonalPlusOuter(jnp.ones_like(zeros), zeros, zeros)
