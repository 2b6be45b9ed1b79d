"""Groups of leaves: which weights an algorithm exchanges, and which a client keeps."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from fedpsyau_jax.federated.factored import DiagonalPlusOuter, Matrix
from fedpsyau_jax.federated.mixing import mixed_leaf
from fedpsyau_jax.types import Array, Params, PyTree

__all__ = ["GROUPS", "Labels", "label_by_path", "mix_groups", "of_group", "where_in", "with_groups"]

GROUPS = ("body", "norm", "head", "backbone")
"""Groups in the order of a mixing matrix's first axis: gains and offsets of normalisation layers are ``norm``, the last
layer is ``head``, a pretrained feature extractor ``backbone``, and all other leaves are ``body``."""

Labels: TypeAlias = Callable[[Params], PyTree]
"""From weights to the group of each leaf: an index into ``GROUPS``, or an array of them, one for each entry."""


def label_by_path(params: Params, members: Mapping[str, Callable[[tuple[str, ...]], bool]]) -> PyTree:
    """The group of each leaf by its path, that is, the names on the way to it.

    Args:
        params: the weights.
        members: by group, whether a path belongs to it; the first that holds counts, and ``body`` has the rest.

    >>> params = {"first": {"norm": 1.0, "kernel": 2.0}, "last": {"kernel": 3.0}}
    >>> label_by_path(params, {"norm": lambda path: path[-1] == "norm", "head": lambda path: path[0] == "last"})
    {'first': {'kernel': 0, 'norm': 1}, 'last': {'kernel': 2}}
    """

    def label(path: tuple[Any, ...], _: Any) -> int:
        names = tuple(str(getattr(entry, "key", getattr(entry, "name", entry))) for entry in path)
        return next((GROUPS.index(group) for group, holds in members.items() if holds(names)), 0)

    return jax.tree_util.tree_map_with_path(label, params)


def with_groups(matrix: Matrix) -> Matrix:
    """The same matrix [*runs, clients, clients] for each group, [*runs, groups, clients, clients]."""
    own = 1 if isinstance(matrix, DiagonalPlusOuter) else 2

    def repeated(leaf: Array) -> Array:
        place = leaf.ndim - own
        shape = (*leaf.shape[:place], len(GROUPS), *leaf.shape[place:])
        return jnp.broadcast_to(jnp.expand_dims(leaf, place), shape)

    repeated_matrix: Matrix = jax.tree.map(repeated, matrix)
    return repeated_matrix


def of_group(matrix: Matrix, group: int) -> Matrix:
    """The matrix of one group."""
    own: Matrix = jax.tree.map(lambda leaf: leaf[group], matrix)
    return own


def mix_groups(mixing: Matrix, params: PyTree, labels: PyTree) -> Params:
    """Apply its own W to each group: w_k <- sum_j W[g, k, j] w_j for the entries of group g.

    Args:
        mixing: a matrix for each group.
        params: leaves [clients, ...].
        labels: the group of each leaf, or of each of its entries (without the client axis).

    >>> both = jnp.stack([jnp.full((2, 2), 0.5), jnp.eye(2)])
    >>> mix_groups(both, {"shared": jnp.array([2.0, 4.0]), "own": jnp.array([2.0, 4.0])}, {"shared": 0, "own": 1})
    {'own': Array([2., 4.], dtype=float32), 'shared': Array([3., 3.], dtype=float32)}
    """

    def mixed(group: int, leaf: Array) -> Array:
        return mixed_leaf(of_group(mixing, group), leaf)

    def of_leaf(leaf: Array, label: Any) -> Array:
        if np.ndim(label) == 0:
            return mixed(int(label), leaf)
        result = mixed(0, leaf)
        for group in range(1, mixing.shape[0]):
            result = jnp.where(label == group, mixed(group, leaf), result)
        return result

    return jax.tree.map(of_leaf, params, labels)


def where_in(group: str, labels: PyTree, inside: PyTree, outside: PyTree) -> PyTree:
    """Entries of ``inside`` for those of the group, and of ``outside`` for all others.

    >>> where_in("head", {"a": 0, "b": 2}, {"a": jnp.ones(1), "b": jnp.ones(1)}, {"a": jnp.zeros(1), "b": jnp.zeros(1)})
    {'a': Array([0.], dtype=float32), 'b': Array([1.], dtype=float32)}
    """
    number = GROUPS.index(group)
    return jax.tree.map(lambda label, a, b: jnp.where(jnp.asarray(label) == number, a, b), labels, inside, outside)
