"""Who takes part in a round, and that a client which sits out keeps everything."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory
from fedpsyau_jax.federated.factored import ROUNDING, DiagonalPlusOuter, Matrix
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Reports, Strategy
from fedpsyau_jax.types import Array, Bool, ClientState, Float, Metrics, PRNGKeyArray, PyTree

__all__ = ["by_those_who_take_part", "heard_from", "sitting_out", "with_participation"]


def with_participation(strategy: Strategy, weights: Float[Array, "clients"], share: float | Array) -> Strategy:
    """The same strategy, with a random share of the clients in each round: m = max(round(share K), 1) of K.

    Args:
        strategy: any.
        weights: of the clients; those with weight 0 are never drawn.
        share: in (0, 1].

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks, AISTATS 2017, algorithm 1 (C).

    >>> from fedpsyau_jax.federated import fedavg
    >>> sizes = jnp.array([3.0, 1.0, 2.0, 2.0])
    >>> strategy = with_participation(fedavg(sizes), sizes, 0.5)
    >>> zeros = jnp.zeros(4)
    >>> int(strategy.sampling(jax.random.key(0), Reports(jnp.arange(4), zeros, zeros, zeros)).sum())
    2
    """
    share = jnp.asarray(in_range("the share of clients that take part", share, 0.0, 1.0, above=True), weights.dtype)
    return strategy._replace(sampling=Partial(_drawn, weights > 0, share))


def _drawn(
    real: Bool[Array, "clients"], share: Float[Array, ""], key: PRNGKeyArray, reports: Reports
) -> Bool[Array, "clients"]:
    """A client's draw depends on its id, so that the order of clients does not matter."""
    draws = jax.vmap(lambda number: jax.random.uniform(jax.random.fold_in(key, number)))(reports.id)
    draws = jnp.where(real, draws, 2.0)
    places = jnp.argsort(jnp.argsort(draws))
    return real & (places < jnp.maximum(jnp.round(share * real.sum()), 1))


def heard_from(mixing: Matrix, took_part: Float[Array, "clients"]) -> Matrix:
    """W among the clients that trained in the round before: the columns of the others are 0, and rows sum to 1 again.

    A client's own column stays, because nobody has to send it its own copy, unless the row is an average: one that W
    leaves as it is, (W W)[k] = W[k], as for the mean of all or of a cluster. So an average is one over those who took
    part, while gossip and P-FedProx keep the client's own share. A row that hears nobody keeps its own weights.

    >>> print(heard_from(jnp.array([[0.5, 0.5], [0.5, 0.5]]), jnp.array([1.0, 0.0])))
    [[1. 0.]
     [1. 0.]]
    >>> print(heard_from(jnp.array([[0.25, 0.75], [0.75, 0.25]]), jnp.array([1.0, 0.0])))
    [[1.   0.  ]
     [0.75 0.25]]
    """
    if isinstance(mixing, DiagonalPlusOuter):
        return _heard_in_factors(mixing, took_part)
    identity = jnp.eye(mixing.shape[-1], dtype=mixing.dtype)
    again = jnp.matmul(mixing, mixing, precision=lax.Precision.HIGHEST)
    averages = (jnp.abs(again - mixing) <= ROUNDING).all(axis=-1, keepdims=True)
    own = jnp.where(averages, 0, mixing * identity)
    heard = own + (mixing - own) * took_part.astype(mixing.dtype)
    total = heard.sum(axis=-1, keepdims=True)
    return jnp.where(total > 0, heard / jnp.where(total > 0, total, 1), identity)


def _heard_in_factors(mixing: DiagonalPlusOuter, took_part: Float[Array, "clients"]) -> DiagonalPlusOuter:
    """The same in K numbers. A row counts as an average if a bound on all entries of its W W - W is at most rounding.

    With s = l . r, W W - W has l_k r_j (d_k + d_j + s - 1) beside the diagonal, d_k (d_k - 1) + l_k r_k (2 d_k + s - 1)
    on it.
    """
    d, left, right = mixing.diagonal, mixing.left, mixing.right
    there = took_part.astype(mixing.dtype)
    excess = (left * right).sum(axis=-1, keepdims=True) - 1
    largest, steepest = (jnp.abs(one).max(axis=-1, keepdims=True) for one in (right, right * d))
    beside = jnp.abs(left) * (steepest + jnp.abs(d + excess) * largest)
    on = jnp.abs(d * (d - 1) + left * right * (2 * d + excess))
    averages = jnp.maximum(beside, on) <= ROUNDING
    own = jnp.where(averages, d * there, d + left * right * (1 - there))
    others = left * (right * there).sum(axis=-1, keepdims=True)
    heard = own + others > ROUNDING * (jnp.abs(own) + others)
    total = jnp.where(heard, own + others, 1)
    return DiagonalPlusOuter(jnp.where(heard, own / total, 1), jnp.where(heard, left / total, 0), right * there)


def by_those_who_take_part(takes_part: Float[Array, "clients"], received: PyTree, own: PyTree) -> PyTree:
    """What clients start from, leaves [clients, ...]: what they receive, or what they have if they sit out."""

    def of_leaf(new: Array, old: Array) -> Array:
        return jnp.where(takes_part.reshape(-1, *[1] * (new.ndim - 1)) > 0, new, old)

    return jax.tree.map(of_leaf, received, own)


def sitting_out(client_update: ClientUpdate, takes_part: Float[Array, ""]) -> ClientUpdate:
    """The same update for a client that takes part; one that does not keeps weights, model state and memory.

    Its metrics are zero. Nothing is computed for it where clients run one after another. Where they run at once, a
    client's examples are masked, so that its loops have no steps.
    """

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        masked = data._replace(mask=data.mask * takes_part.astype(data.mask.dtype))

        def train(client: ClientState, memory: Memory) -> tuple[ClientState, Memory, Metrics]:
            return client_update.update(client, memory, broadcast, masked, key)

        *_, like = jax.eval_shape(train, client, memory)

        def rest(client: ClientState, memory: Memory) -> tuple[ClientState, Memory, Metrics]:
            return client, memory, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)

        found: tuple[ClientState, Memory, Metrics] = lax.cond(takes_part > 0, train, rest, client, memory)
        return found

    return client_update._replace(update=update)
