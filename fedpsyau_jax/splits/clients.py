"""Who trains and tests on what: subjects to clients, clients to splits, splits to padded arrays (on the host)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fedpsyau_jax.types import Float, Int


class ClientSplit(NamedTuple):
    """One client: its subjects, and indices of the examples that it trains and tests on (disjoint, sorted)."""

    subjects: tuple[str, ...]
    train: Int[np.ndarray, "train_examples"]
    test: Int[np.ndarray, "test_examples"]


Split = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]
"""(examples, their subjects, share to train on, generator) -> whether each example is trained on."""


def by_subject(
    examples: Int[np.ndarray, "examples"], subjects: np.ndarray, train_share: float, generator: np.random.Generator
) -> np.ndarray:
    """No subject on both sides: whole subjects are drawn for testing, at least one a side.

    Raises:
        ValueError: there is one subject only.
    """
    names = np.unique(subjects)
    if len(names) < 2:
        raise ValueError(
            f"a client has the single subject {names[0]}, which cannot be on both sides of a split by subject: "
            "use fewer clients, or --split=examples"
        )
    num_test = np.clip(round((1 - train_share) * len(names)), 1, len(names) - 1)
    return ~np.isin(subjects, generator.permutation(names)[:num_test])


def by_example(
    examples: Int[np.ndarray, "examples"], subjects: np.ndarray, train_share: float, generator: np.random.Generator
) -> np.ndarray:
    """Examples at random, as published: a subject may be on both sides, so scores are optimistic.

    Raises:
        ValueError: there is one example only.
    """
    count = len(examples)
    if count < 2:
        raise ValueError("a client has a single example, which cannot be split: use fewer clients")
    num_test = np.clip(round((1 - train_share) * count), 1, count - 1)
    return ~np.isin(np.arange(count), generator.permutation(count)[:num_test])


def split_clients(
    subjects: Sequence[str] | np.ndarray,
    num_clients: int,
    train_share: float,
    generator: np.random.Generator,
    split: Split = by_subject,
) -> list[ClientSplit]:
    """Deal subjects to clients at random, as evenly as their number allows, and split each client's examples.

    Args:
        subjects: [examples] who is seen in each example.
        num_clients: clients.
        train_share: share of a client's subjects (or examples) to train on, in (0, 1).
        generator: the only source of randomness.
        split: `by_subject` or `by_example`.

    Returns:
        One split a client; every example is in exactly one of them, on one side.

    Raises:
        ValueError: more clients than subjects, or a client that cannot be split.

    >>> clients = split_clients(["a", "a", "b", "c", "d", "d"], 2, 0.5, np.random.default_rng(0))
    >>> [client.subjects for client in clients]
    [('a', 'c'), ('b', 'd')]
    """
    subjects = np.asarray(subjects)
    names = np.unique(subjects)
    if not 1 <= num_clients <= len(names):
        raise ValueError(
            f"{num_clients} clients were asked for, but the data has {len(names)} subjects: "
            f"choose 1 to {len(names)} clients"
        )
    clients = []
    for own in np.array_split(generator.permutation(names), num_clients):
        examples = np.flatnonzero(np.isin(subjects, own))
        trained = split(examples, subjects[examples], train_share, generator)
        clients.append(ClientSplit(tuple(sorted(own.tolist())), examples[trained], examples[~trained]))
    return clients


def pooled_split(clients: Sequence[ClientSplit]) -> ClientSplit:
    """All clients as one that holds everything, for centralised training."""
    return ClientSplit(
        tuple(sorted(name for client in clients for name in client.subjects)),
        np.concatenate([client.train for client in clients]),
        np.concatenate([client.test for client in clients]),
    )


def pad_indices(
    indices: Sequence[Sequence[Int[np.ndarray, "examples"]]],
) -> tuple[Int[np.ndarray, "repeats clients examples"], Float[np.ndarray, "repeats clients examples"]]:
    """Stack example indices of clients of unequal size.

    Args:
        indices: [repeats][clients] arrays of indices.

    Returns:
        Indices padded with 0 to the longest, and a mask: 1 where real.

    >>> pad_indices([[np.array([4, 5]), np.array([6])]])[1]
    array([[[1., 1.],
            [1., 0.]]], dtype=float32)
    """
    length = max(len(client) for repeat in indices for client in repeat)
    shape = (len(indices), len(indices[0]), length)
    padded, mask = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for r, repeat in enumerate(indices):
        for k, client in enumerate(repeat):
            padded[r, k, : len(client)] = client
            mask[r, k, : len(client)] = 1
    return padded, mask
