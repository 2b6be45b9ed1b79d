"""Trained networks in the folder of a run, one file each."""

from collections.abc import Sequence

import jax
import numpy as np

from experiments.run import arrays
from experiments.run.folder import RunFolder
from fedpsyau_jax.types import ClientState, PyTree

FOLDER = "networks"
REMEDY = "restore it, or run again"


def write(folder: RunFolder, name: str, number: int, client: ClientState) -> None:
    """Write a network, whole or not at all.

    Args:
      folder: of the run.
      name: of the group of trainings that it belongs to.
      number: of the training in its group.
      client: weights and state; the file holds each array by its path, "params/au/...".
    """
    leaves = {path: np.asarray(leaf) for path, leaf in _by_path(client).items()}
    arrays.write(folder, _file(name, number), [FOLDER, name, number], leaves)


def read(folder: RunFolder, name: str, number: int, like: ClientState) -> ClientState:
    """Read a network.

    Args:
      folder, name, number: as it was written.
      like: shapes and dtypes.

    Raises:
      ValueError: it is missing, damaged, or another network.
    """
    path, expected = folder.path / _file(name, number), _by_path(like)
    try:
        stored = arrays.read(folder, _file(name, number), [FOLDER, name, number])
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; {REMEDY}") from None
    except arrays.Damaged as error:
        raise ValueError(f"{error}; {REMEDY}") from None
    if _shapes(stored) != _shapes(expected):
        raise ValueError(f"{path} holds another network than its run trained; {REMEDY}")
    return jax.tree.unflatten(jax.tree.structure(like), [stored[path] for path in expected])


def read_all(folder: RunFolder, places: Sequence[tuple[str, int]], like: ClientState) -> ClientState:
    """Read networks of one shape into leaves [networks, ...], one by one: all may fill half the memory.

    Args:
      folder: of the run.
      places: name and number of each, as it was written.
      like: shapes and dtypes of one.

    Raises:
      ValueError: one is missing, damaged, or another network.
    """
    together: ClientState = jax.tree.map(lambda leaf: np.empty((len(places), *leaf.shape), leaf.dtype), like)
    for place, (name, number) in enumerate(places):
        client = read(folder, name, number, like)
        jax.tree.map(lambda all_, one, place=place: np.copyto(all_[place, ...], one), together, client)
    return together


def exists(folder: RunFolder, name: str, number: int) -> bool:
    """Whether there is a file of this network."""
    return folder.has(_file(name, number))


def megabytes(folder: RunFolder) -> float:
    """Size of all networks of a run."""
    return sum(path.stat().st_size for path in (folder.path / FOLDER).glob("*.npz")) / 1e6


def _by_path(tree: PyTree) -> dict[str, PyTree]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _shapes(leaves: dict[str, PyTree]) -> dict[str, tuple[int, ...]]:
    return {path: leaf.shape for path, leaf in leaves.items()}


def _file(name: str, number: int) -> str:
    return f"{FOLDER}/{name}-{number}.npz"
