"""A prior as a value: who may attend to whom, and how often AUs occur together in annotations."""

from typing import NamedTuple

import numpy as np

from fedpsyau_jax.priors import action_units, topologies
from fedpsyau_jax.priors.cooccurrence import Counts, block, published_counts, row_stochastic
from fedpsyau_jax.types import Array, Bool, Float


class Prior(NamedTuple):
    """Prior knowledge of one group of nodes, a pytree.

    ``topology[i, j]`` is true where receiving node i may attend to sending node j (the psychological prior,
    a directed graph). ``statistics`` is row-stochastic (the data prior): non-negative, rows sum to 1. NumPy arrays
    keep full precision until they enter a computation; traced arrays work too.

    >>> prior = Prior(np.array([[True, True], [False, True]]), np.array([[0.75, 0.25], [0.0, 1.0]]))
    >>> prior.statistics.sum(axis=1).tolist()
    [1.0, 1.0]
    """

    topology: Bool[Array | np.ndarray, "nodes nodes"]
    statistics: Float[Array | np.ndarray, "nodes nodes"]


class Priors(NamedTuple):
    """The priors of the network's three graphs: upper face [6, 6], lower face [6, 6], whole face [12, 12].

    >>> [len(prior.topology) for prior in published()]
    [6, 6, 12]
    """

    upper: Prior
    lower: Prior
    global_: Prior


def from_counts(topology: Bool[np.ndarray, "nodes nodes"], counts: Counts) -> Prior:
    """A prior of a topology and co-occurrence counts of the same nodes.

    Raises:
        ValueError: if the two have different shapes, or the counts are not counts.

    >>> from_counts(np.eye(2, dtype=bool), np.array([[3, 1], [1, 1]])).statistics.tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    if topology.shape != counts.shape:
        raise ValueError(
            f"the topology has shape {topology.shape} and the counts have {counts.shape}: give both for the same nodes"
        )
    return Prior(topology, row_stochastic(counts))


def published() -> Priors:
    """The priors of FED-PsyAU: published topologies, statistics from the co-occurrence counts.

    Returns:
        upper [6, 6], lower [6, 6] and global [12, 12] priors, AUs in the order of ``action_units``.

    Source: FED-PsyAU (ICCV 2025). The released implementation holds the statistics rounded to 4 digits; here
    they are exact.

    >>> published().upper.statistics[0].round(4).tolist()
    [0.4096, 0.3375, 0.0179, 0.2166, 0.0032, 0.0153]
    """
    counts = published_counts()
    return Priors(
        upper=from_counts(topologies.UPPER, block(counts, action_units.UPPER)),
        lower=from_counts(topologies.LOWER, block(counts, action_units.LOWER)),
        global_=from_counts(topologies.GLOBAL, counts),
    )
