"""What a server and a site say to each other: numbers by name, and arrays by name; nothing else can be said."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from fedpsyau_jax.types import PyTree

__all__ = ["Payload", "Refused", "arrays_of", "tree_like"]

LARGEST = 512 * 2**20
"""Bytes of the arrays of one message, at most."""


class Refused(ValueError):
    """A message, or its sender, that is not accepted: one sentence says why."""


class Payload(NamedTuple):
    """A message.

    ``kind``: what is asked or answered; ``facts``: text and numbers by name; ``arrays``: by name.
    """

    kind: str
    facts: Mapping[str, str | int | float]
    arrays: Mapping[str, np.ndarray]


def arrays_of(name: str, tree: PyTree) -> dict[str, np.ndarray]:
    """The leaves of a tree as arrays, named after the tree and their place in it.

    >>> arrays_of("weights", {"a": np.zeros(2), "b": np.ones(1)}).keys()
    dict_keys(['weights/0', 'weights/1'])
    """
    return {f"{name}/{place}": np.asarray(leaf) for place, leaf in enumerate(jax.tree.leaves(tree))}


def tree_like(name: str, like: PyTree, arrays: Mapping[str, np.ndarray]) -> PyTree:
    """The tree whose leaves ``arrays_of`` named.

    Args:
        name: of the tree.
        like: its structure, shapes and dtypes.
        arrays: of a message, which may hold other trees, too.

    Raises:
        Refused: an array is missing, too much, of another shape or dtype, or not finite.

    >>> tree_like("weights", {"a": np.zeros(2)}, {"weights/0": np.ones(2)})
    {'a': array([1., 1.])}
    >>> tree_like("weights", {"a": np.zeros(2)}, {"weights/0": np.ones(3)})
    Traceback (most recent call last):
    deployment.payload.Refused: weights/0 has shape (3,) and dtype float64, not (2,) and float64
    """
    leaves, structure = jax.tree.flatten(like)
    names = [f"{name}/{place}" for place in range(len(leaves))]
    sent = {one for one in arrays if one.startswith(f"{name}/")}
    if odd := sorted(sent ^ set(names)):
        raise Refused(f"{odd[0]} is {'unexpected' if odd[0] in sent else 'missing'}")
    for one, leaf in zip(names, leaves, strict=True):
        _check(one, arrays[one], leaf)
    return jax.tree.unflatten(structure, [arrays[one] for one in names])


def _check(name: str, array: np.ndarray, like: Any) -> None:
    if array.shape != np.shape(like) or array.dtype != like.dtype:
        raise Refused(f"{name} has shape {array.shape} and dtype {array.dtype}, not {np.shape(like)} and {like.dtype}")
    if np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
        raise Refused(f"{name} holds a number that is not finite")


def check_size(payload: Payload, largest: int = LARGEST) -> None:
    """Refuse a message that is too large.

    Raises:
        Refused: how large it is.
    """
    size = sum(array.nbytes for array in payload.arrays.values())
    if size > largest:
        raise Refused(f"the message has {size} bytes of arrays; at most {largest} are accepted")
