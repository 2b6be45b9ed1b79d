"""Priors from priors: pure functions, safe under jit, vmap and grad; rows of statistics stay stochastic."""

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
        the mixed statistics, and every link of a prior whose share is not 0.

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
    """The links of a prior that a topology allows; each row of statistics is shared among its neighbours anew.

    Args:
        prior: of any nodes.
        topology: links that may stay; none is added.

    Returns:
        statistics 0 where there is no link. A row without weight on its neighbours is uniform over them; one
        without neighbours is uniform over all nodes, and no attention reads it.

    >>> prior = Prior(np.ones((2, 2), bool), np.array([[0.5, 0.5], [0.25, 0.75]]))
    >>> restrict(prior, np.array([[True, False], [True, True]])).statistics.tolist()
    [[1.0, 0.0], [0.25, 0.75]]
    """
    links = jnp.asarray(prior.topology) & jnp.asarray(topology)
    return Prior(links, shared_among(links, prior.statistics))


def symmetrise(prior: Prior) -> Prior:
    """A prior whose links and statistics are the same both ways.

    S'[i, j] = min(S[i, j], S[j, i]) for i != j, and S'[i, i] = 1 - the rest of the row: a pair goes together as
    strongly as the weaker side has it. A link heard from one side becomes mutual.

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
    """
    order = jnp.asarray(order)
    return jax.tree.map(lambda matrix: jnp.asarray(matrix)[order][:, order], prior)


def subset(prior: Prior, nodes: Sequence[int]) -> Prior:
    """Some nodes of a prior, in the order given; each row of statistics is shared among them anew."""
    places = np.ix_(nodes, nodes)
    kept = jnp.asarray(prior.statistics)[places]
    return Prior(jnp.asarray(prior.topology)[places], shared_among(jnp.ones(kept.shape, bool), kept))


def grouped(
    prior: Prior, groups: Mapping[str, Sequence[int]], action_units: Sequence[int] = ACTION_UNITS
) -> dict[str, Prior]:
    """One prior for each group of AUs.

    Args:
        prior: of all AUs.
        groups: AU numbers of each group, in the order wanted; groups may overlap.
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

    A prior of the 12 AUs is the global one; the upper and the lower face are its blocks, their rows of
    statistics summing to 1 again. Links are those of the prior: none is added or taken away.

    Raises:
        ValueError: a prior of another number of nodes.
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
    """Each row of weights divided by its sum over the links, 0 elsewhere; see ``restrict`` for rows without any."""
    weights = jnp.where(links, jnp.asarray(weights, float), 0)
    total = weights.sum(axis=1, keepdims=True)
    known = total > 0
    others = links | ~links.any(axis=1, keepdims=True)
    return jnp.where(known, weights, others) / jnp.where(known, total, others.sum(axis=1, keepdims=True))
