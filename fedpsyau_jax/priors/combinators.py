"""Functions from priors to priors, safe under jit, vmap and grad; rows of statistics keep summing to 1."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from fedpsyau_jax.priors.action_units import ACTION_UNITS, LOWER, UPPER
from fedpsyau_jax.priors.prior import Prior, Priors
from fedpsyau_jax.types import Array, Bool, Float, Int

FACE_GROUPS = {"upper": UPPER, "lower": LOWER, "global_": ACTION_UNITS}


def blend(a: Prior, b: Prior, weight: Float[Array, ""] | float) -> Prior:
    """(1 - weight) a + weight b.

    Args:
        a: the prior at weight 0.
        b: the prior at weight 1, of the same nodes.
        weight: in [0, 1]; the statistics are differentiable in it.

    Returns:
        the mixed statistics, and every link of a prior whose weight is not 0.

    >>> far = Prior(np.ones((2, 2), bool), np.array([[0.5, 0.5], [0.0, 1.0]]))
    >>> blend(Prior(np.eye(2, dtype=bool), np.eye(2)), far, 0.5).statistics.tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    links = [jnp.asarray(prior.topology) for prior in (a, b)]
    statistics = [jnp.asarray(prior.statistics) for prior in (a, b)]
    return Prior(
        topology=(links[0] & (weight < 1)) | (links[1] & (weight > 0)),
        statistics=(1 - weight) * statistics[0] + weight * statistics[1],
    )


def restrict(prior: Prior, topology: Bool[Array | np.ndarray, "nodes nodes"]) -> Prior:
    """Restrict a prior to the links of a topology; each row of statistics is renormalised over its neighbours.

    Args:
        prior: of any nodes.
        topology: links that are allowed; none is added.

    Returns:
        a prior with statistics 0 where there is no link. A row without weight on its neighbours is uniform over them;
        a row without neighbours is uniform over all nodes, and attention ignores it.

    >>> prior = Prior(np.ones((2, 2), bool), np.array([[0.5, 0.5], [0.25, 0.75]]))
    >>> restrict(prior, np.array([[True, False], [True, True]])).statistics.tolist()
    [[1.0, 0.0], [0.25, 0.75]]
    """
    links = jnp.asarray(prior.topology) & jnp.asarray(topology)
    return Prior(links, shared_among(links, prior.statistics))


def symmetrise(prior: Prior) -> Prior:
    """Make the links and statistics of a prior symmetric.

    S'[i, j] = min(S[i, j], S[j, i]) for i != j, and S'[i, i] = 1 - the rest of the row. A link in one direction
    becomes a link in both.

    Source: the Metropolis rule for a uniform target (Metropolis et al. 1953), which keeps rows stochastic.

    >>> symmetrise(Prior(np.eye(2, dtype=bool), np.array([[0.5, 0.5], [0.25, 0.75]]))).statistics.tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    links, statistics = jnp.asarray(prior.topology), jnp.asarray(prior.statistics)
    itself = jnp.eye(len(statistics), dtype=bool)
    mutual = jnp.where(itself, 0, jnp.minimum(statistics, statistics.T))
    return Prior(links | links.T, mutual + jnp.where(itself, 1 - mutual.sum(axis=1, keepdims=True), 0))


def permute(prior: Prior, order: Int[Array | np.ndarray, "nodes"]) -> Prior:
    """The same prior with its nodes in another order: the new node k is the old node ``order[k]``.

    DPK-GAT is equivariant: permuted nodes and a permuted prior give permuted results.

    >>> prior = Prior(np.ones((2, 2), bool), np.array([[0.5, 0.5], [0.25, 0.75]]))
    >>> permute(prior, np.array([1, 0])).statistics.tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    order = jnp.asarray(order)
    return jax.tree.map(lambda matrix: jnp.asarray(matrix)[order][:, order], prior)


def subset(prior: Prior, nodes: Sequence[int]) -> Prior:
    """Some nodes of a prior, in the order given; each row of statistics is renormalised over them.

    >>> prior = Prior(np.ones((3, 3), bool), np.array([[0.375, 0.5, 0.125], [0.0, 1.0, 0.0], [0.25, 0.5, 0.25]]))
    >>> subset(prior, [0, 2]).statistics.tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    places = np.ix_(nodes, nodes)
    kept = jnp.asarray(prior.statistics)[places]
    return Prior(jnp.asarray(prior.topology)[places], shared_among(jnp.ones(kept.shape, bool), kept))


def grouped(
    prior: Prior, groups: Mapping[str, Sequence[int]], action_units: Sequence[int] = ACTION_UNITS
) -> dict[str, Prior]:
    """One prior for each group of AUs.

    Args:
        prior: of all AUs.
        groups: AU numbers of each group, in the order of its nodes; groups may overlap.
        action_units: AU numbers of the nodes of ``prior``.

    Raises:
        ValueError: a group names an AU that the prior does not have.

    >>> brows = grouped(Prior(np.eye(12, dtype=bool), np.eye(12)), {"brows": (1, 2, 4)})["brows"]
    >>> brows.statistics.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    place = {au: node for node, au in enumerate(action_units)}
    for name, aus in groups.items():
        if unknown := [au for au in aus if au not in place]:
            raise ValueError(f"group {name!r} names AU {unknown}: the prior has AU {list(action_units)}")
    return {name: subset(prior, [place[au] for au in aus]) for name, aus in groups.items()}


def as_priors(prior: Prior | Priors) -> Priors:
    """The priors of the network's three graphs.

    A prior of the 12 AUs becomes the global prior; those of the upper and the lower face are its blocks, with
    renormalised rows. No link is added or removed.

    Raises:
        ValueError: the prior has another number of nodes.

    >>> priors = as_priors(Prior(np.eye(12, dtype=bool), np.eye(12)))
    >>> priors.upper.statistics.shape, priors.global_.statistics.shape
    ((6, 6), (12, 12))
    """
    if isinstance(prior, Priors):
        return prior
    if prior.statistics.shape != (len(ACTION_UNITS),) * 2:
        raise ValueError(
            f"a prior for the network has shape {(len(ACTION_UNITS),) * 2}, a node for each AU of {ACTION_UNITS}; "
            f"this one has {prior.statistics.shape}"
        )
    return Priors(**grouped(prior, FACE_GROUPS))._replace(global_=prior)


def shared_among(
    links: Bool[Array, "nodes nodes"], weights: Float[Array | np.ndarray, "nodes nodes"]
) -> Float[Array, "nodes nodes"]:
    """Divide each row of weights by its sum over the links, 0 elsewhere; ``restrict`` describes rows without any."""
    weights = jnp.where(links, jnp.asarray(weights, float), 0)
    total = weights.sum(axis=1, keepdims=True)
    known = total > 0
    others = links | ~links.any(axis=1, keepdims=True)
    return jnp.where(known, weights, others) / jnp.where(known, total, others.sum(axis=1, keepdims=True))
