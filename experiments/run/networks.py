"""Trained networks in the folder of a run, a file each: written when their training ends, read to look into them."""

import jax
import numpy as np

from experiments.run import arrays as kept
from experiments.run.folder import RunFolder
from fedpsyau_jax.types import ClientState, PyTree

FOLDER = "networks"
MEND = "restore it, or run again"


def write(folder: RunFolder, name: str, number: int, client: ClientState) -> None:
    """Write a network, whole or not at all.

    Args:
      folder: of the run.
      name: of what was trained, as the files in ``finished`` have it.
      number: of the trial among these.
      client: the network's own weights and state; the file holds each array by its place, "params/au/..." .
    """
    arrays = {place: np.asarray(leaf) for place, leaf in _by_place(client).items()}
    kept.write(folder, _file(name, number), [FOLDER, name, number], arrays)


def read(folder: RunFolder, name: str, number: int, like: ClientState) -> ClientState:
    """Read a network.

    Args:
      folder, name, number: as it was written.
      like: shapes and dtypes.

    Raises:
      ValueError: it is missing, damaged, or another network.
    """
    path, wanted = folder.path / _file(name, number), _by_place(like)
    try:
        stored = kept.read(folder, _file(name, number), [FOLDER, name, number])
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; {MEND}") from None
    except kept.Damaged as error:
        raise ValueError(f"{error}; {MEND}") from None
    if {place: leaf.shape for place, leaf in stored.items()} != {place: leaf.shape for place, leaf in wanted.items()}:
        raise ValueError(f"{path} holds another network than its run trained; {MEND}")
    return jax.tree.unflatten(jax.tree.structure(like), [stored[place] for place in wanted])


def read_all(folder: RunFolder, name: str, count: int, like: ClientState) -> ClientState:
    """Read the first ``count`` networks, leaves [networks, ...], one after the other: they may fill half the memory.

    Raises:
      ValueError: one is missing, damaged, or another network.
    """
    together: ClientState = jax.tree.map(lambda leaf: np.empty((count, *leaf.shape), leaf.dtype), like)
    for number in range(count):
        own = read(folder, name, number, like)
        jax.tree.map(lambda all_, one, number=number: np.copyto(all_[number, ...], one), together, own)
    return together


def megabytes(folder: RunFolder) -> float:
    """How much room the networks of a run take."""
    return sum(path.stat().st_size for path in (folder.path / FOLDER).glob("*.npz")) / 1e6


def _by_place(tree: PyTree) -> dict[str, PyTree]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _file(name: str, number: int) -> str:
    return f"{FOLDER}/{name}-{number}.npz"
