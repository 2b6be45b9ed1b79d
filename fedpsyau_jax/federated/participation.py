"""Who takes part in a round, and that a client which sits out keeps everything."""

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory
from fedpsyau_jax.federated.client_data import ClientData
from fedpsyau_jax.federated.strategy import Reports, Strategy
from fedpsyau_jax.types import Array, Bool, ClientState, Float, Metrics, PRNGKeyArray, PyTree

__all__ = ["by_those_who_take_part", "heard_from", "sitting_out", "with_participation"]

Matrix = Float[Array, "*groups clients clients"]


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
    share = jnp.asarray(share, weights.dtype)
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

    A client's own column stays as far as it exceeds what others give it: that share is the client's own copy of its
    weights, which nobody has to send. So the identity stays, and an average is one over those who took part. A row that
    hears nobody keeps its own weights.

    >>> print(heard_from(jnp.array([[0.5, 0.5], [0.5, 0.5]]), jnp.array([1.0, 0.0])))
    [[1. 0.]
     [1. 0.]]
    >>> print(heard_from(jnp.eye(2), jnp.array([1.0, 0.0])))
    [[1. 0.]
     [0. 1.]]
    """
    identity = jnp.eye(mixing.shape[-1], dtype=mixing.dtype)
    given_by_others = jnp.where(identity > 0, 0, mixing).max(axis=-2)
    own = jnp.maximum(jnp.diagonal(mixing, axis1=-2, axis2=-1) - given_by_others, 0)[..., None] * identity
    heard = own + (mixing - own) * took_part.astype(mixing.dtype)
    total = heard.sum(axis=-1, keepdims=True)
    return jnp.where(total > 0, heard / jnp.where(total > 0, total, 1), identity)


def by_those_who_take_part(takes_part: Float[Array, "clients"], received: PyTree, own: PyTree) -> PyTree:
    """What clients start from, leaves [clients, ...]: what they receive, or what they have if they sit out."""

    def of_leaf(new: Array, old: Array) -> Array:
        return jnp.where(takes_part.reshape(-1, *[1] * (new.ndim - 1)) > 0, new, old)

    return jax.tree.map(of_leaf, received, own)


def sitting_out(client_update: ClientUpdate, takes_part: Float[Array, ""]) -> ClientUpdate:
    """The same update for a client that takes part; one that does not keeps weights, model state and memory.

    Its examples are masked, so that its loops have no steps and cost nothing where clients run one after another.
    """

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: ClientData, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        masked = data._replace(mask=data.mask * takes_part.astype(data.mask.dtype))
        *new, metrics = client_update.update(client, memory, broadcast, masked, key)
        client, memory = jax.tree.map(lambda a, b: jnp.where(takes_part > 0, a, b), tuple(new), (client, memory))
        return client, memory, metrics

    return client_update._replace(update=update)
