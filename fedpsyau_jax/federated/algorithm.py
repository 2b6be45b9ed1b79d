"""A federated algorithm as two pure functions over an ordinary leading client axis."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.federated.axes import AxisMap, OneStep, sequential
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate
from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.federated.mixing import mix
from fedpsyau_jax.types import (
    Array,
    Bool,
    ClientState,
    Float,
    Int,
    Key,
    Metrics,
    Params,
    PRNGKeyArray,
    PyTree,
)

__all__ = ["FedState", "FederatedAlgorithm", "Strategy", "federated", "run"]


class Strategy(NamedTuple):
    """What distinguishes the algorithms, as arrays: stack several and they are one more axis of one program.

    ``mixing``: rows sum to 1; ``mu`` >= 0: factor of each client's proximal term;
    ``anchored_at_start``: True anchors that term at the weights of round 0 (the released P-FedProx), False at
    those received this round; None is as False and stores no weights of round 0.

    A new algorithm is a new pair of arrays. Gossip on a ring, where each client hears its two neighbours:

    >>> import jax.numpy as jnp
    >>> def ring_gossip(weights, mu=0.0):
    ...     identity = jnp.eye(len(weights))
    ...     neighbours = jnp.roll(identity, 1, axis=1) + jnp.roll(identity, -1, axis=1)
    ...     return Strategy((identity + neighbours) / 3, jnp.full(len(weights), mu))
    >>> print(ring_gossip(jnp.ones(4)).mixing.sum(axis=1))
    [1. 1. 1. 1.]
    """

    mixing: Float[Array, "*runs clients clients"]
    mu: Float[Array, "*runs clients"]
    anchored_at_start: Bool[Array, "*runs"] | None = None


class FedState(NamedTuple):
    """Everything carried from round to round.

    ``round``: rounds done; ``clients``: leaves [clients, ...], as each left its last local training;
    ``memory``: what clients keep beside their model, leaves [clients, ...]; ``start``: the weights of round
    0, or None where no strategy anchors there.
    """

    round: Int[Array, "*runs"]
    clients: ClientState
    memory: PyTree
    start: Params | None = None


class FederatedAlgorithm(NamedTuple):
    """``init(client) -> FedState``; ``step(state, data, key) -> (state, metrics [clients])``, one round."""

    init: Callable[[ClientState], FedState]
    step: Callable[[FedState, Identified, Key[Array, "..."]], tuple[FedState, Metrics]]


def federated(
    strategy: Strategy, client_update: ClientUpdate, *, over_clients: AxisMap = sequential
) -> FederatedAlgorithm:
    """Rounds of: mix the weights, then train each client.

    w_k <- sum_j W[k, j] w_j, then w_k <- train(w_k, anchor, mu_k, data_k). Round 0 mixes nothing: all clients
    are equal. Model state (batch statistics) stays with its client.

    Args:
        strategy: W and mu of one algorithm.
        client_update: one client's part.
        over_clients: ``sequential``, ``vectorised`` or ``sharded(mesh)``.

    Returns:
        ``init`` copies one client's state to all clients. ``step`` takes ClientData with leaves [clients,
        ...] and folds the round, then the client's id, into the key.
    """

    def init(client: ClientState) -> FedState:
        num_clients = strategy.mixing.shape[0]
        clients, memory = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (num_clients, *jnp.shape(leaf))),
            (client, client_update.init(client.params)),
        )
        start = None if strategy.anchored_at_start is None else client.params
        return FedState(jnp.int32(0), clients, memory, start)

    def step(state: FedState, data: Identified, key: PRNGKeyArray) -> tuple[FedState, Metrics]:
        with jax.named_scope("mix"):
            received = _received(strategy, state)
        with jax.named_scope("clients"):
            inputs = (strategy.mu, data)
            shared = (
                strategy.anchored_at_start,
                state.start,
                state.round,
                jax.random.fold_in(key, state.round),
            )
            (clients, memory), metrics = over_clients(
                _one_client(client_update), (received, state.memory), inputs, shared
            )
        return FedState(state.round + 1, clients, memory, state.start), metrics

    return FederatedAlgorithm(init, step)


def run(
    algorithm: FederatedAlgorithm, state: FedState, data: Identified, key: Key[Array, "..."], num_rounds: int
) -> tuple[FedState, Metrics]:
    """Some rounds as one ``lax.scan``.

    Returns:
        The state after them and metrics with a leading axis [rounds].
    """
    return lax.scan(lambda state, _: algorithm.step(state, data, key), state, length=num_rounds)


def _received(strategy: Strategy, state: FedState) -> ClientState:
    """The clients with mixed weights; in round 0 exactly as they are, not even rounded."""
    identity = jnp.eye(len(strategy.mixing), dtype=strategy.mixing.dtype)
    mixing = jnp.where(state.round > 0, strategy.mixing, identity)
    return state.clients._replace(params=mix(mixing, state.clients.params))


def _one_client(client_update: ClientUpdate) -> OneStep:
    def update(
        state: tuple[ClientState, PyTree], inputs: PyTree, shared: PyTree
    ) -> tuple[tuple[ClientState, PyTree], Metrics]:
        client, memory = state
        mu, data = inputs
        anchored_at_start, start, round_, key = shared
        anchor = client.params
        if anchored_at_start is not None:
            anchor = jax.tree.map(lambda old, new: jnp.where(anchored_at_start, old, new), start, anchor)
        broadcast = Broadcast(anchor, mu, round_)
        key = jax.random.fold_in(key, data.id)
        client, memory, metrics = client_update.update(client, memory, broadcast, data, key)
        return (client, memory), metrics

    return update
