"""Training, validation and test sets of clients, as indices of examples."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from fedpsyau_jax.types import Float, Int, PRNGKeyArray

NOBODY: Int[np.ndarray, "examples=0"] = np.zeros(0, np.int64)
PARTS = ("train", "validation", "test")


class Client(NamedTuple):
    """Example indices of one client's parts (disjoint, sorted), the names of its subjects, and its own, if it has one.

    >>> Client(train=np.array([0, 1]), test=np.array([4])).validation.tolist()
    []
    """

    train: Int[np.ndarray, "train_examples"]
    test: Int[np.ndarray, "test_examples"]
    validation: Int[np.ndarray, "validation_examples"] = NOBODY
    subjects: tuple[str, ...] = ()
    name: str = ""


class Split(NamedTuple):
    """One division of a database: K clients in a federation, a single client in a fold.

    ``train``, ``validation`` and ``test`` combine all clients, because what one client trains on reaches the others.

    >>> split = Split("0", (Client(np.array([0, 1]), np.array([4])), Client(np.array([2]), np.array([3]))))
    >>> split.train.tolist(), split.test.tolist()
    ([0, 1, 2], [4, 3])
    """

    name: str
    clients: tuple[Client, ...]

    @property
    def train(self) -> Int[np.ndarray, "train_examples"]:
        """Training examples of all clients."""
        return self.part("train")

    @property
    def validation(self) -> Int[np.ndarray, "validation_examples"]:
        """Validation examples of all clients."""
        return self.part("validation")

    @property
    def test(self) -> Int[np.ndarray, "test_examples"]:
        """Test examples of all clients."""
        return self.part("test")

    def part(self, name: str) -> Int[np.ndarray, "examples"]:
        """Examples of the part with this name, in the order of the clients."""
        return np.concatenate([getattr(client, name) for client in self.clients])


def single_client(
    name: str,
    train: Int[np.ndarray, "train_examples"],
    test: Int[np.ndarray, "test_examples"],
    validation: Int[np.ndarray, "validation_examples"] = NOBODY,
    subjects: tuple[str, ...] = (),
) -> Split:
    """A split with one client."""
    return Split(name, (Client(train, test, validation, subjects),))


def pooled(split: Split) -> Split:
    """Combine all clients in one, for centralised training."""
    people = tuple(sorted({name for client in split.clients for name in client.subjects}))
    return single_client(split.name, split.train, split.test, split.validation, people)


def within(split: Split, rows: Int[np.ndarray, "examples"]) -> Split:
    """Translate a split of some rows of a database (such as the labelled ones) to a split of the whole database."""
    clients = [client._replace(**{part: rows[getattr(client, part)] for part in PARTS}) for client in split.clients]
    return split._replace(clients=tuple(clients))


def generator(key: PRNGKeyArray) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())


def pad_indices(
    indices: Sequence[Sequence[Int[np.ndarray, "examples"]]], length: int | None = None
) -> tuple[Int[np.ndarray, "splits clients examples"], Float[np.ndarray, "splits clients examples"]]:
    """Stack example indices of clients of unequal size.

    Args:
        indices: for each split, for each client an array of indices.
        length: to pad to; by default the longest.

    Returns:
        Indices padded with 0, and a mask: 1 where real.

    >>> pad_indices([[np.array([4, 5]), np.array([6])]])[1]
    array([[[1., 1.],
            [1., 0.]]], dtype=float32)
    """
    longest = max(len(client) for split in indices for client in split) if length is None else length
    shape = (len(indices), len(indices[0]), longest)
    padded, mask = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for r, split in enumerate(indices):
        for k, client in enumerate(split):
            padded[r, k, : len(client)] = client
            mask[r, k, : len(client)] = 1
    return padded, mask
