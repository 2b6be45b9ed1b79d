"""Partitions: which subjects are whose client, evenly or with skewed classes or sizes (on the host).

Every partition ends after a fixed number of steps, and gives each client what it needs, or says why that cannot be.
"""

from collections.abc import Callable

import numpy as np

from fedpsyau_jax.splits.assignment import Least, People, named, near, refuse_impossible, with_least
from fedpsyau_jax.types import Float, Int

_BALANCING_STEPS = 100
_SMALLEST_SHARE = 1e-9

Partition = Callable[[People, int, Least, np.random.Generator], list[np.ndarray]]
"""(people, number of clients, what each must have, generator) -> names of each client's subjects."""


def even(people: People, num_clients: int, least: Least, generator: np.random.Generator) -> list[np.ndarray]:
    """Subjects at random, the same number (or one more) for each client.

    >>> from fedpsyau_jax.splits import people_of
    >>> [len(names) for names in even(people_of(np.arange(5), np.zeros(5, int)), 2, Least(), np.random.default_rng(0))]
    [3, 2]
    """
    return np.array_split(generator.permutation(people.names), num_clients)


def dirichlet(alpha: float) -> Partition:
    """Label skew: class shares of each client ~ Dirichlet(alpha C p), p the shares of all; sizes alike.

    Shares are brought to the class totals and equal sizes by iterative proportional fitting, and whole subjects are
    assigned so that ``sum_k ||examples_k - target_k||^2`` is small: so the clients' skew is below that of the targets
    where subjects show many classes.

    Args:
        alpha: above 0; 100 gives clients that are alike, 0.1 clients with about one class each.

    Source: Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution", arXiv 1909.06335, 2019, where
    single examples are drawn; for equally frequent classes ``alpha C p`` is their usual (alpha, ..., alpha).
    """

    def partition(people: People, num_clients: int, least: Least, generator: np.random.Generator) -> list[np.ndarray]:
        refuse_impossible(people, num_clients, least)
        total = people.counts.sum(axis=0)
        shares = np.zeros((num_clients, len(total)))
        shown = total > 0
        prior = total[shown] / total.sum()
        drawn = generator.dirichlet(alpha * shown.sum() * prior, num_clients)
        shares[:, shown] = np.maximum(np.nan_to_num(drawn), _SMALLEST_SHARE)
        return near(_balanced(shares, total), people, least, generator)

    return partition


def quantity(sigma: float) -> Partition:
    """Size skew: examples of each client ~ LogNormal(0, sigma^2), with the class shares of all.

    Args:
        sigma: at least 0; 0 gives equal sizes, 1 to 2 what federations of institutions have.

    Source: the unbalanced split of FedDyn (Acar et al., ICLR 2021) and FedLab, of whole subjects.
    """

    def partition(people: People, num_clients: int, least: Least, generator: np.random.Generator) -> list[np.ndarray]:
        refuse_impossible(people, num_clients, least)
        logarithms = sigma * generator.standard_normal(num_clients)
        sizes = np.exp(logarithms - logarithms.max())
        targets = np.outer(sizes / sizes.sum(), people.counts.sum(axis=0))
        return near(targets, people, least, generator)

    return partition


def shards(per_client: int) -> Partition:
    """Few classes: subjects sorted by their most frequent class, cut into shards of which each client gets so many.

    With fewer subjects than shards there are as many shards as whole rounds of subjects for all clients.

    Args:
        per_client: shards of a client, at least 1.

    Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017,
    here of whole subjects.
    """

    def partition(people: People, num_clients: int, least: Least, generator: np.random.Generator) -> list[np.ndarray]:
        refuse_impossible(people, num_clients, least)
        shuffled = generator.permutation(len(people.names))
        by_class = shuffled[np.argsort(people.counts[shuffled].argmax(axis=1), kind="stable")]
        each = max(1, min(per_client, len(by_class) // num_clients))
        pieces = np.array_split(by_class, num_clients * each)
        owner = np.empty(len(by_class), int)
        for place, shard in enumerate(generator.permutation(len(pieces))):
            owner[pieces[shard]] = place // each
        return named(with_least(owner, people, num_clients, least), people, num_clients)

    return partition


def _balanced(
    shares: Float[np.ndarray, "clients classes"], total: Int[np.ndarray, "classes"]
) -> Float[np.ndarray, "clients classes"]:
    """Scale rows and columns in turn until rows sum to the same and columns to the total of each class, nearly."""
    targets, size = shares, total.sum() / len(shares)
    for _ in range(_BALANCING_STEPS):
        targets = targets * _quotient(size, targets.sum(axis=1, keepdims=True))
        targets = targets * _quotient(total, targets.sum(axis=0))
    return targets


def _quotient(wanted: float | np.ndarray, present: np.ndarray) -> np.ndarray:
    return np.divide(wanted, present, out=np.zeros(present.shape), where=present > 0)
