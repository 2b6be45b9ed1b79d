"""Assignment of whole subjects to clients, near a target for each client, in a fixed number of steps (on the host)."""

from typing import NamedTuple

import numpy as np

from fedpsyau_jax.types import Float, Int

_PASSES = 5
_LEAST_GAIN = 1e-9


class People(NamedTuple):
    """Who is to be assigned, in the order of their names.

    Attributes:
        names: [people] sorted.
        counts: [people, classes] examples of each class.

    >>> people_of(np.array(["b", "a", "b"]), np.array([0, 1, 0])).counts.tolist()
    [[0, 1], [2, 0]]
    """

    names: np.ndarray
    counts: Int[np.ndarray, "people classes"]


class Least(NamedTuple):
    """What a client must have at least, to be divided into training and test."""

    subjects: int = 2
    examples: int = 2


def people_of(subjects: np.ndarray, labels: Int[np.ndarray, "examples"]) -> People:
    """Who is in the data.

    Args:
        subjects: [examples] subject of each example.
        labels: [examples] class indices from 0.
    """
    names, person = np.unique(subjects, return_inverse=True)
    counts = np.zeros((len(names), int(labels.max(initial=0)) + 1), int)
    np.add.at(counts, (person, labels), 1)
    return People(names, counts)


def needs(least: Least) -> str:
    """What a client must have, for a sentence.

    >>> needs(Least(1, 2))
    '1 subject and 2 examples'
    """
    return f"{least.subjects} subject{'s' * (least.subjects > 1)} and {least.examples} examples"


def refuse_impossible(people: People, num_clients: int, least: Least) -> None:
    """Refuse what no assignment of these people can give.

    Raises:
        ValueError: what is missing, and how many clients there can be.
    """
    num_examples = int(people.counts.sum())
    most = min(len(people.names) // least.subjects, num_examples // least.examples)
    if not 1 <= num_clients <= most:
        raise ValueError(
            f"{num_clients} clients need at least {needs(least)} each, but the data has {len(people.names)} subjects "
            f"and {num_examples} examples: choose {f'1 to {most} clients' if most else 'more data'}"
        )


def near(
    targets: Float[np.ndarray, "clients classes"], people: People, least: Least, generator: np.random.Generator
) -> list[np.ndarray]:
    """Whole subjects for each client, so that ``sum_k ||examples_k - target_k||^2`` is small.

    Greedy, the largest subjects first; then each subject moves where that is nearer, in a fixed number of passes.

    Args:
        targets: [clients, classes] wanted numbers of examples.
        people: who is to be assigned.
        least: what each client must have.
        generator: draws the order of subjects with equally many examples.

    Returns:
        Names of each client's subjects.

    Raises:
        ValueError: there are too few subjects.
    """
    order = generator.permutation(len(people.names))
    order = order[np.argsort(-people.counts[order].sum(axis=1), kind="stable")]
    owner = _greedy(targets, people, least, order)
    for _ in range(_PASSES):
        improved = _improved(owner, targets, people, least, order)
        if np.array_equal(improved, owner):
            break
        owner = improved
    return named(with_least(owner, people, len(targets), least), people, len(targets))


def _greedy(targets: np.ndarray, people: People, least: Least, order: np.ndarray) -> Int[np.ndarray, "people"]:
    """Each subject goes where the sum of squares is least; the last ones where subjects are lacking."""
    owner, excess = np.empty(len(order), int), -targets
    lacking = np.full(len(targets), least.subjects)
    for place, person in enumerate(order):
        must = len(order) - place <= lacking.sum()
        open_to = lacking > 0 if must else np.ones(len(targets), bool)
        owner[person] = client = int(np.where(open_to, excess @ people.counts[person], np.inf).argmin())
        excess[client] += people.counts[person]
        lacking[client] = max(0, lacking[client] - 1)
    return owner


def _improved(
    owner: np.ndarray, targets: np.ndarray, people: People, least: Least, order: np.ndarray
) -> Int[np.ndarray, "people"]:
    """Each subject moves to the client where the sum of squares is least, if their own can spare them."""
    owner, excess = owner.copy(), -targets
    np.add.at(excess, owner, people.counts)
    sizes = np.bincount(owner, minlength=len(targets))
    for person in order:
        own, counts = owner[person], people.counts[person]
        if sizes[own] <= least.subjects:
            continue
        cost = excess @ counts
        cost[own] -= counts @ counts
        best = int(cost.argmin())
        if cost[best] < cost[own] - _LEAST_GAIN:
            excess[own] -= counts
            excess[best] += counts
            sizes[[own, best]] += -1, 1
            owner[person] = best
    return owner


def with_least(owner: np.ndarray, people: People, num_clients: int, least: Least) -> np.ndarray:
    """Subjects moved from clients that can spare them, until each client has what it must have.

    Raises:
        ValueError: there are no more subjects to spare.
    """
    owner, size = owner.copy(), people.counts.sum(axis=1)
    subjects = np.bincount(owner, minlength=num_clients)
    examples = np.bincount(owner, size, num_clients)
    for client in range(num_clients):
        while subjects[client] < least.subjects or examples[client] < least.examples:
            spare = (subjects[owner] > least.subjects) & (examples[owner] - size >= least.examples) & (owner != client)
            if not spare.any():
                raise ValueError(
                    f"{num_clients} clients cannot each have {needs(least)} of whole subjects: choose fewer clients"
                )
            richest = np.where(spare, examples[owner], -1)
            person = int(richest.argmax())
            subjects[[owner[person], client]] += -1, 1
            examples[[owner[person], client]] += -size[person], size[person]
            owner[person] = client
    return owner


def named(owner: np.ndarray, people: People, num_clients: int) -> list[np.ndarray]:
    """Names of each client's subjects, from the client of each subject."""
    return [people.names[owner == client] for client in range(num_clients)]
