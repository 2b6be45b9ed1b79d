"""A control for a prior: the same number and strength of links, but between other action units."""

import jax
import jax.numpy as jnp

from fedpsyau_jax.priors.prior import Prior
from fedpsyau_jax.types import Array, Bool, Float, PRNGKeyArray

TRADES_PER_NODE = 20


def shuffle_edges(prior: Prior, key: PRNGKeyArray) -> Prior:
    """A random prior with the same degrees.

    Every node keeps its in-degree, its out-degree and its self-loop. Every row keeps its statistics: the diagonal
    stays, the weights of old neighbours move to new neighbours at random, those of non-neighbours to non-neighbours.
    So a network that performs equally well with it depends on the number and strength of the links, not on which AUs
    they connect.

    Args:
        prior: of any nodes; may be traced.
        key: determines the random prior.

    Source: the directed curveball chain, Carstens, Berger & Strona (2016), which samples graphs of these
    degrees uniformly, except that it never reverses a directed triangle.

    >>> from fedpsyau_jax.priors import published
    >>> shuffled = shuffle_edges(published().global_, jax.random.key(0)).topology
    >>> bool((shuffled.sum(axis=0) == published().global_.topology.sum(axis=0)).all())
    True
    """
    old = jnp.asarray(prior.topology)
    exchanging, moving = jax.random.split(key)
    keys = jax.random.split(exchanging, TRADES_PER_NODE * len(old))
    new, _ = jax.lax.scan(_exchange_senders, old, keys)
    return Prior(new, _move_statistics(old, new, jnp.asarray(prior.statistics), moving))


def _exchange_senders(links: Bool[Array, "nodes nodes"], key: PRNGKeyArray) -> tuple[Bool[Array, "nodes nodes"], None]:
    """Two receivers pool the senders that only one of them has, and redistribute them at random."""
    which, offset, order = jax.random.split(key, 3)
    num_nodes = len(links)
    a = jax.random.randint(which, (), 0, num_nodes)
    b = (a + jax.random.randint(offset, (), 1, num_nodes)) % num_nodes
    nodes = jnp.arange(num_nodes)
    pooled = (links[a] ^ links[b]) & (nodes != a) & (nodes != b)
    position = _ranks(jnp.where(pooled, jax.random.uniform(order, (num_nodes,)), jnp.inf))
    goes_to_a = position < (links[a] & pooled).sum()
    exchanged = links.at[a].set(jnp.where(pooled, goes_to_a, links[a]))
    return exchanged.at[b].set(jnp.where(pooled, ~goes_to_a, links[b])), None


def _move_statistics(
    old: Bool[Array, "nodes nodes"],
    new: Bool[Array, "nodes nodes"],
    statistics: Float[Array, "nodes nodes"],
    key: PRNGKeyArray,
) -> Float[Array, "nodes nodes"]:
    """Move the statistics of each row to the new links, in the order: itself, neighbours, others."""
    itself = jnp.eye(len(old), dtype=bool)

    def place(links: Bool[Array, "nodes nodes"]) -> Array:
        return jnp.where(itself, 0, jnp.where(links, 1, 2))

    rows = jnp.arange(len(old))[:, None]
    to = jnp.argsort(place(new) + jax.random.uniform(key, new.shape), axis=1)
    return jnp.zeros_like(statistics).at[rows, to].set(statistics[rows, jnp.argsort(place(old), axis=1)])


def _ranks(values: Float[Array, "nodes"]) -> Array:
    return jnp.argsort(jnp.argsort(values))
