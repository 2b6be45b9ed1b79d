"""The control of a prior: as many links and the same strengths, but between other action units."""

import jax
import jax.numpy as jnp

from fedpsyau_jax.priors.prior import Prior
from fedpsyau_jax.types import Array, Bool, Float, PRNGKeyArray

TRADES_PER_NODE = 20


def shuffle_edges(prior: Prior, key: PRNGKeyArray) -> Prior:
    """A random prior of the same degrees.

    Every node keeps how many it hears, by how many it is heard, and whether it hears itself. Every row keeps
    its statistics: the diagonal stays, the weights on old neighbours go to new neighbours at random, those on
    the others to the others. So a network that does as well with it draws on the number and strength of the
    links, not on which AUs they join.

    Args:
        prior: of any nodes; may be traced.
        key: another key, another prior.

    Source: the directed curveball chain, Carstens, Berger & Strona (2016), which reaches every graph of these
    degrees with equal chance, except that a directed triangle is never turned round.

    >>> from fedpsyau_jax.priors import published
    >>> shuffled = shuffle_edges(published().global_, jax.random.key(0)).topology
    >>> bool((shuffled.sum(axis=0) == published().global_.topology.sum(axis=0)).all())
    True
    """
    old = jnp.asarray(prior.topology)
    trading, dealing = jax.random.split(key)
    keys = jax.random.split(trading, TRADES_PER_NODE * len(old))
    new, _ = jax.lax.scan(_trade, old, keys)
    return Prior(new, _deal(old, new, jnp.asarray(prior.statistics), dealing))


def _trade(links: Bool[Array, "nodes nodes"], key: PRNGKeyArray) -> tuple[Bool[Array, "nodes nodes"], None]:
    """Two receivers pool the senders that only one of them hears and deal them out anew."""
    which, offset, order = jax.random.split(key, 3)
    num_nodes = len(links)
    a = jax.random.randint(which, (), 0, num_nodes)
    b = (a + jax.random.randint(offset, (), 1, num_nodes)) % num_nodes
    nodes = jnp.arange(num_nodes)
    pooled = (links[a] ^ links[b]) & (nodes != a) & (nodes != b)
    position = _ranks(jnp.where(pooled, jax.random.uniform(order, (num_nodes,)), jnp.inf))
    goes_to_a = position < (links[a] & pooled).sum()
    dealt = links.at[a].set(jnp.where(pooled, goes_to_a, links[a]))
    return dealt.at[b].set(jnp.where(pooled, ~goes_to_a, links[b])), None


def _deal(
    old: Bool[Array, "nodes nodes"],
    new: Bool[Array, "nodes nodes"],
    statistics: Float[Array, "nodes nodes"],
    key: PRNGKeyArray,
) -> Float[Array, "nodes nodes"]:
    """Statistics of each row on the new links; itself first, then neighbours, then the others."""
    itself = jnp.eye(len(old), dtype=bool)

    def place(links: Bool[Array, "nodes nodes"]) -> Array:
        return jnp.where(itself, 0, jnp.where(links, 1, 2))

    rows = jnp.arange(len(old))[:, None]
    to = jnp.argsort(place(new) + jax.random.uniform(key, new.shape), axis=1)
    return jnp.zeros_like(statistics).at[rows, to].set(statistics[rows, jnp.argsort(place(old), axis=1)])


def _ranks(values: Float[Array, "nodes"]) -> Array:
    return jnp.argsort(jnp.argsort(values))
