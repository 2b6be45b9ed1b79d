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
    """A federated algorithm as arrays, so that several algorithms can be stacked along an axis of one program.

    ``mixing``: rows sum to 1; ``mu`` >= 0: factor of each client's proximal term;
    ``anchored_at_start``: True anchors that term at the weights of round 0 (the released P-FedProx), False at
    those received this round; None is the same as False, but does not store the weights of round 0.

    A new algorithm is a new pair of arrays. Gossip on a ring, where each client averages with its two neighbours:

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
    """The state carried from round to round.

    ``round``: number of completed rounds; ``clients``: models after their last local training, leaves [clients, ...];
    ``memory``: what a client stores besides its model (optimiser state), leaves [clients, ...]; ``start``: the
    weights of round 0, or None if no strategy is anchored there.

    >>> state = FedState(jnp.int32(0), ClientState(jnp.ones((5, 3)), ()), memory=())
    >>> state.clients.params.shape, state.start is None
    ((5, 3), True)
    """

    round: Int[Array, "*runs"]
    clients: ClientState
    memory: PyTree
    start: Params | None = None


class FederatedAlgorithm(NamedTuple):
    """``init(client) -> FedState``; ``step(state, data, key) -> (state, metrics [clients])``, one round.

    ``federated`` builds one from a strategy, ``sweep`` one from a whole table of strategies.

    >>> def init(client):
    ...     return FedState(jnp.int32(0), client, memory=())
    >>> def step(state, data, key):
    ...     return state._replace(round=state.round + 1), {}
    >>> algorithm = FederatedAlgorithm(init, step)
    >>> int(algorithm.step(algorithm.init(ClientState((), ())), None, None)[0].round)
    1
    """

    init: Callable[[ClientState], FedState]
    step: Callable[[FedState, Identified, Key[Array, "..."]], tuple[FedState, Metrics]]


def federated(
    strategy: Strategy, client_update: ClientUpdate, *, over_clients: AxisMap = sequential
) -> FederatedAlgorithm:
    """A federated algorithm. Each round mixes the weights, then trains each client.

    w_k <- sum_j W[k, j] w_j, then w_k <- train(w_k, anchor, mu_k, data_k). Round 0 does not mix, because all clients
    are equal. Model state (batch statistics) stays with its client.

    Args:
        strategy: W and mu of one algorithm.
        client_update: what a client does in a round, usually ``local_training``.
        over_clients: how to map over clients: ``sequential``, ``vectorised`` or ``sharded(mesh)``.

    Returns:
        ``init`` copies one client's state to all clients. ``step`` takes ClientData with leaves [clients,
        ...] and folds the round, then the client's id, into the key.

    >>> from fedpsyau_jax.federated import ClientUpdate, fedavg
    >>> idle = ClientUpdate(lambda params: (), lambda client, memory, broadcast, data, key: (client, memory, {}))
    >>> algorithm = federated(fedavg(jnp.array([30.0, 10.0])), idle)
    >>> algorithm.init(ClientState(jnp.zeros(3), ())).clients.params.shape
    (2, 3)
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
            received = _mixed_clients(strategy, state)
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
    """Run several rounds as one ``lax.scan``, without returning to Python between them.

    For programs that need nothing between rounds: notebooks, tests, experiments inside ``jax.vmap``, and gradients
    through training (with ``scan_batches``). The commands call ``algorithm.step`` once a round instead, because
    they report progress, save checkpoints and can stop between rounds. On two busy cores of an AMD EPYC, ``run`` was
    6 to 9 times as fast for a network of 8 hidden units and twice as fast for 512; ``python -m benchmarks.scan_rounds``
    repeats the measurement, docs/api.md has the details.

    Args:
        algorithm: from ``federated`` or ``sweep``.
        state: from ``algorithm.init``, or from an earlier ``run``, which this one continues.
        data: of all clients, the same in every round.
        key: the same for every round; ``step`` folds the round into it.
        num_rounds: number of rounds; static under ``jax.jit``.

    Returns:
        The final state, and metrics with a leading axis [rounds]. Rounds, keys and results are those of as many calls
        of ``step``.

    >>> def step(state, data, key):
    ...     return state._replace(round=state.round + 1), {"loss": 1.0 / (1 + state.round)}
    >>> algorithm = FederatedAlgorithm(lambda client: FedState(jnp.int32(0), client, memory=()), step)
    >>> state = algorithm.init(ClientState(jnp.zeros(2), ()))
    >>> from fedpsyau_jax.federated import ClientData
    >>> state, metrics = run(algorithm, state, ClientData(jnp.arange(2), (), jnp.ones((2, 1))), jax.random.key(0), 2)
    >>> int(state.round), metrics["loss"].tolist()
    (2, [1.0, 0.5])
    """
    return lax.scan(lambda state, _: algorithm.step(state, data, key), state, length=num_rounds)


def _mixed_clients(strategy: Strategy, state: FedState) -> ClientState:
    """The clients with mixed weights; in round 0 unchanged, without any rounding."""
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
