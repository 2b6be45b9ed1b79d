"""Pack many small arrays into one vector, which leaves far fewer operations to compile and to run.

Optimisers, mixing and proximal terms are elementwise, so the arrangement of parameters does not matter to them. A
network of a hundred small arrays needs a hundred small operations in each of their steps; packed, it needs a few.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedpsyau_jax.types import Array, PyTree

LARGE = 2**18
"""Arrays with at least this many elements are not packed: copying them costs more than an operation."""


class Packed(NamedTuple):
    """The small arrays of a tree, concatenated, and its large arrays in order."""

    small: Array
    large: tuple[Array, ...]


class Packing(NamedTuple):
    """``pack(tree) -> Packed`` and its inverse; both work under grad and vmap."""

    pack: Callable[[PyTree], Packed]
    unpack: Callable[[Packed], PyTree]


def packing(like: PyTree, large: int = LARGE) -> Packing:
    """Build the packing of trees of this structure.

    Args:
      like: arrays, or their shapes and dtypes; all of one dtype.
      large: arrays with at least this many elements are not packed.

    Raises:
      ValueError: the arrays have several dtypes.

    >>> import jax.numpy as jnp
    >>> tree = {"a": jnp.ones((2, 3)), "b": jnp.zeros(2)}
    >>> pack, unpack = packing(tree)
    >>> pack(tree).small.shape, unpack(pack(tree))["a"].shape
    ((8,), (2, 3))
    """
    leaves, structure = jax.tree.flatten(like)
    if len(dtypes := {jnp.dtype(leaf.dtype) for leaf in leaves}) > 1:
        raise ValueError(f"arrays of one dtype can be packed together, got {sorted(map(str, dtypes))}")
    shapes = [leaf.shape for leaf in leaves]
    is_large = [int(np.prod(shape)) >= large for shape in shapes]
    ends = np.cumsum([int(np.prod(s)) for s, big in zip(shapes, is_large, strict=True) if not big])

    def pack(tree: PyTree) -> Packed:
        arrays = jax.tree.leaves(tree)
        small = [jnp.ravel(a) for a, big in zip(arrays, is_large, strict=True) if not big]
        vector = jnp.concatenate(small) if small else jnp.zeros(0)
        return Packed(vector, tuple(a for a, big in zip(arrays, is_large, strict=True) if big))

    def unpack(packed: Packed) -> PyTree:
        pieces, arrays = iter(jnp.split(packed.small, ends[:-1])), iter(packed.large)
        parts = [
            next(arrays) if big else next(pieces).reshape(shape) for shape, big in zip(shapes, is_large, strict=True)
        ]
        return jax.tree.unflatten(structure, parts)

    return Packing(pack, unpack)
