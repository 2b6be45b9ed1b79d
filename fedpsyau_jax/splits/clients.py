"""Assignment of subjects to clients, and division of each client's examples into training and test (on the host)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fedpsyau_jax.splits.assignment import Least, people_of
from fedpsyau_jax.splits.partition import Partition, even
from fedpsyau_jax.splits.split import Client, Split, within
from fedpsyau_jax.types import Int

Division = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]
"""(examples, their subjects, training share, generator) -> whether each example is for training."""


def by_subject(
    examples: Int[np.ndarray, "examples"], subjects: np.ndarray, train_share: float, generator: np.random.Generator
) -> np.ndarray:
    """Draw whole subjects for testing, at least one on each side, so that no subject is on both sides.

    Args:
        examples: indices of the examples of one client.
        subjects: [examples] their subjects.
        train_share: share of the subjects to train on, in (0, 1).
        generator: draws the subjects.

    Returns:
        [examples] true where an example is for training.

    Raises:
        ValueError: there is only one subject.

    >>> trained = by_subject(np.arange(4), np.array(["a", "a", "b", "b"]), 0.5, np.random.default_rng(0))
    >>> int(trained.sum()), bool(trained[0] == trained[1])
    (2, True)
    """
    names = np.unique(subjects)
    if len(names) < 2:
        raise ValueError(
            f"a client has the single subject {names[0]}, which cannot be on both sides of a split by subject: "
            "use fewer clients, or --split=examples"
        )
    num_test = num_tested(len(names), train_share)
    return ~np.isin(subjects, generator.permutation(names)[:num_test])


def by_example(
    examples: Int[np.ndarray, "examples"], subjects: np.ndarray, train_share: float, generator: np.random.Generator
) -> np.ndarray:
    """Draw examples at random, as published: a subject may be on both sides, so scores are optimistic.

    Args and Returns are those of ``by_subject``; ``train_share`` is a share of the examples.

    Raises:
        ValueError: there is only one example.

    >>> int(by_example(np.arange(4), np.array(["a", "a", "a", "a"]), 0.75, np.random.default_rng(0)).sum())
    3
    """
    count = len(examples)
    if count < 2:
        raise ValueError("a client has a single example, which cannot be split: use fewer clients")
    num_test = num_tested(count, train_share)
    return ~np.isin(np.arange(count), generator.permutation(count)[:num_test])


def num_tested(count: int, train_share: float) -> int:
    """How many of so many subjects (or examples) are for testing: at least one, and not all.

    >>> num_tested(10, 0.7), num_tested(2, 0.9)
    (3, 1)
    """
    return max(1, min(round((1 - train_share) * count), count - 1))


LEAST: Mapping[Division, Least] = {by_subject: Least(2, 2), by_example: Least(1, 2)}
"""What a client must have to be divided."""


def split_clients(
    subjects: Sequence[str] | np.ndarray,
    num_clients: int,
    train_share: float,
    generator: np.random.Generator,
    divide: Division = by_subject,
    *,
    partition: Partition = even,
    labels: Int[np.ndarray, "examples"] | None = None,
    least: Least | None = None,
) -> list[Client]:
    """Assign whole subjects to clients, by default at random and as evenly as possible, and split their examples.

    Args:
        subjects: [examples] subject of each example.
        num_clients: number of clients.
        train_share: share of a client's subjects (or examples) to train on, in (0, 1).
        generator: the only source of randomness.
        divide: `by_subject` or `by_example`.
        partition: which subjects are whose: `even`, `dirichlet(alpha)`, `quantity(sigma)`, `shards(n)`.
        labels: [examples] class indices from 0, for partitions that look at classes.
        least: what a client must have; by default what it needs to be divided.

    Returns:
        One `Client` each; every example belongs to exactly one client and one side.

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
    people = people_of(subjects, np.zeros(len(subjects), int) if labels is None else labels)
    least = least or LEAST.get(divide, Least(1, 1))
    clients = []
    for members in partition(people, num_clients, least, generator):
        examples = np.flatnonzero(np.isin(subjects, members))
        trained = divide(examples, subjects[examples], train_share, generator)
        own = tuple(sorted(members.tolist()))
        clients.append(Client(examples[trained], examples[~trained], subjects=own))
    return clients


def split_groups(
    subjects: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    clients_each: int,
    train_share: float,
    generator: np.random.Generator,
    divide: Division = by_subject,
    *,
    partition: Partition = even,
    labels: Int[np.ndarray, "examples"] | None = None,
    least: Least | None = None,
) -> list[Client]:
    """Make each group (a database, a lab) a client, or split its subjects among several clients.

    A subject with examples in several groups belongs, with all of them, to the group that has most.

    Args:
        subjects: [examples] subject of each example.
        groups: [examples] group of each example.
        names: of the groups, in the order of their clients.
        clients_each: clients of a group.
        train_share: as of ``split_clients``, like all that follow, within each group.
        generator: source of all randomness.
        divide: how a client's examples are divided.
        partition: how subjects are assigned to the clients of a group.
        labels: [examples] class indices, for partitions by class.
        least: least examples of a client.

    Returns:
        The clients of the first group, then those of the second, ...; named after their group, with a number if it has
        several.

    Raises:
        ValueError: a group has too few subjects; the sentence names it.

    >>> groups, subjects = np.array(["x", "x", "x", "y", "y"]), np.array(["a", "b", "b", "c", "d"])
    >>> clients = split_groups(subjects, groups, ["y", "x"], 1, 0.5, np.random.default_rng(0))
    >>> [(client.name, client.subjects) for client in clients]
    [('y', ('c', 'd')), ('x', ('a', 'b'))]
    """
    owner = _group_of_each_subject(subjects, groups)
    clients = []
    for name in names:
        rows = np.flatnonzero(owner == name)
        try:
            own = split_clients(
                subjects[rows],
                clients_each,
                train_share,
                generator,
                divide,
                partition=partition,
                labels=None if labels is None else labels[rows],
                least=least,
            )
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        titles = [name] if clients_each == 1 else [f"{name}-{number}" for number in range(1, clients_each + 1)]
        in_all = within(Split(name, tuple(own)), rows).clients
        clients += [client._replace(name=title) for client, title in zip(in_all, titles, strict=True)]
    return clients


def _group_of_each_subject(subjects: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """[examples] the group that has most examples of the example's subject."""
    (people, which), (names, group) = (np.unique(values, return_inverse=True) for values in (subjects, groups))
    counts = np.zeros((len(people), len(names)), int)
    np.add.at(counts, (which, group), 1)
    return names[counts.argmax(axis=1)[which]]
