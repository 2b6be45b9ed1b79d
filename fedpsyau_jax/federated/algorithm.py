"""A federated algorithm as pure functions over an ordinary leading client axis."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.federated.axes import AxisMap, OneStep, sequential
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, reported
from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.federated.evaluation import evaluated
from fedpsyau_jax.federated.exchange import Server, exchange, initial_server
from fedpsyau_jax.federated.mixing import mix
from fedpsyau_jax.federated.participation import by_those_who_take_part, sitting_out
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.strategy import Reports, Strategy
from fedpsyau_jax.types import (
    Array,
    Batch,
    ClientState,
    Float,
    Int,
    Key,
    Metrics,
    Params,
    PRNGKeyArray,
    PyTree,
)

__all__ = ["FedState", "FederatedAlgorithm", "federated", "run"]

Evaluate: TypeAlias = Callable[[ClientState, Batch], PyTree]
SAMPLING, RULE = 2**31 - 2, 2**31 - 3
"""Folded into the key of a round for draws that are no client's."""


class FedState(NamedTuple):
    """The state carried from round to round.

    ``round``: number of completed rounds; ``clients``: models after their last local training, leaves [clients, ...];
    ``memory``: what a client stores besides its model (optimiser state, control variates), leaves [clients, ...];
    ``start``: the weights of round 0; ``server``: what an outer optimiser or a rule needs; ``reports``: of the last
    round. Each of these three is None for strategies that do not need it.

    >>> state = FedState(jnp.int32(0), ClientState(jnp.ones((5, 3)), ()), memory=())
    >>> state.clients.params.shape, state.start is None
    ((5, 3), True)
    """

    round: Int[Array, "*runs"]
    clients: ClientState
    memory: PyTree
    start: Params | None = None
    server: Server | None = None
    reports: Reports | None = None


class FederatedAlgorithm(NamedTuple):
    """``init(client) -> FedState``; ``step(state, data, key) -> (state, metrics [clients])``, one round.

    ``tested(state)``: the models that are evaluated, leaves [clients, ...]: the clients', or their personal ones.
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
    tested: Callable[[FedState], ClientState] = lambda state: state.clients


def federated(
    strategy: Strategy,
    client_update: ClientUpdate,
    *,
    over_clients: AxisMap = sequential,
    problem: Problem | None = None,
    evaluate: Evaluate | None = None,
) -> FederatedAlgorithm:
    """A federated algorithm. Each round mixes the weights, then trains each client.

    w_k <- sum_j W[k, j] w_j, then w_k <- train(w_k, anchor, mu_k, data_k). Round 0 does not mix, because all clients
    are equal. Model state (batch statistics) stays with its client unless the strategy has a matrix for it.

    Args:
        strategy: of one algorithm.
        client_update: what a client does in a round, usually ``local_training``.
        over_clients: how to map over clients: ``sequential``, ``vectorised`` or ``sharded(mesh)``.
        problem: what some algorithms must know of a client's problem: groups of weights, the loss, features.
        evaluate: of the tested model and all of a client's test examples, with data of ``TrainTest``.

    Returns:
        ``init`` copies one client's state to all. ``step`` takes ClientData [clients, ...] and folds the round, then
        the client's id, into the key.

    Raises:
        ValueError: the algorithm needs something of the problem that is not given.

    >>> from fedpsyau_jax.federated import ClientUpdate, fedavg
    >>> idle = ClientUpdate(lambda client: (), lambda client, memory, broadcast, data, key: (client, memory, {}))
    >>> algorithm = federated(fedavg(jnp.array([30.0, 10.0])), idle)
    >>> algorithm.init(ClientState(jnp.zeros(3), ())).clients.params.shape
    (2, 3)
    """
    given = problem or Problem()
    own = client_update if strategy.client is None else strategy.client(client_update, given)
    if strategy.mixing.ndim == 3 or (strategy.anchor is not None and strategy.anchor.ndim == 3):
        given.needed("labels", "a matrix for each group of weights, as in FedBN or FedPer,")
    return FederatedAlgorithm(
        init=partial(_initial_state, strategy, own),
        step=partial(_round, strategy, own, given, over_clients, evaluate),
        tested=lambda state: jax.vmap(partial(_model, strategy, own))(state.clients, state.memory),
    )


def run(
    algorithm: FederatedAlgorithm, state: FedState, data: Identified, key: Key[Array, "..."], num_rounds: int
) -> tuple[FedState, Metrics]:
    """Run several rounds as one ``lax.scan``, without returning to Python between them.

    For programs that need nothing between rounds: notebooks, tests, experiments inside ``jax.vmap``, and gradients
    through training (with ``scan_batches``). The commands call ``algorithm.step`` once a round, to report progress,
    save checkpoints and stop between rounds. On two busy cores of an AMD EPYC, ``run`` was 6 to 9 times as fast for
    8 hidden units, twice as fast for 512; ``python -m benchmarks.scan_rounds`` repeats it, docs/api.md says more.

    Args:
        algorithm: from ``federated`` or ``sweep``.
        state: from ``algorithm.init``, or from an earlier ``run``, which this one continues.
        data: of all clients, the same in every round.
        key: the same for every round; ``step`` folds the round into it.
        num_rounds: number of rounds; static under ``jax.jit``.

    Returns:
        The final state, and metrics with a leading axis [rounds]; all as from so many calls of ``step``.

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


def _initial_state(strategy: Strategy, own: ClientUpdate, client: ClientState) -> FedState:
    num_clients = strategy.mixing.shape[-1]
    clients, memory = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (num_clients, *jnp.shape(leaf))), (client, own.init(client))
    )
    start = None if strategy.anchored_at_start is None else client.params
    reports = None
    if strategy.rule is not None or strategy.sampling is not None:
        zeros = jnp.zeros(num_clients, strategy.mu.dtype)
        reports = Reports(jnp.zeros(num_clients, jnp.int32), zeros, zeros, zeros)
    return FedState(jnp.int32(0), clients, memory, start, initial_server(strategy, clients.params), reports)


def _round(
    strategy: Strategy,
    own: ClientUpdate,
    problem: Problem,
    over_clients: AxisMap,
    evaluate: Evaluate | None,
    state: FedState,
    data: Identified,
    key: PRNGKeyArray,
) -> tuple[FedState, Metrics]:
    key = jax.random.fold_in(key, state.round)
    reports = None if state.reports is None else state.reports._replace(id=data.id.astype(jnp.int32))
    with jax.named_scope("mix"):
        rule_key = jax.random.fold_in(key, RULE)
        received, anchors, server = exchange(
            strategy, state.clients, state.server, reports, problem, state.round > 0, rule_key
        )
        heard = None if strategy.messages is None else mix(strategy.messages, jax.vmap(own.message)(state.memory))
    takes_part = None
    if strategy.sampling is not None:
        takes_part = strategy.sampling(jax.random.fold_in(key, SAMPLING), reports).astype(strategy.mu.dtype)
        received = by_those_who_take_part(takes_part, received, state.clients)
    with jax.named_scope("clients"):
        inputs = (strategy.mu, data, anchors, heard, takes_part)
        shared = (strategy.anchored_at_start, state.start, state.round, key)
        update = _one_client(own, partial(_model, strategy, own), evaluate)
        (clients, memory), metrics = over_clients(update, (received, state.memory), inputs, shared)
    if reports is not None:
        reports = _reports(reports, takes_part, received.params, clients.params, metrics)
    metrics = {name: values for name, values in metrics.items() if name != "loss_before"}
    return FedState(state.round + 1, clients, memory, state.start, server, reports), metrics


def _model(strategy: Strategy, own: ClientUpdate, client: ClientState, memory: PyTree) -> ClientState:
    """The model of a client that is evaluated."""
    models = own.models(client, memory)
    if strategy.tested is None or len(models) == 1:
        return models[0]
    chosen: ClientState = jax.tree.map(lambda *leaves: jnp.stack(leaves)[strategy.tested], *models)
    return chosen


def _one_client(
    client_update: ClientUpdate,
    model: Callable[[ClientState, PyTree], ClientState],
    evaluate: Evaluate | None,
) -> OneStep:
    def update(
        state: tuple[ClientState, PyTree], inputs: PyTree, shared: PyTree
    ) -> tuple[tuple[ClientState, PyTree], Metrics]:
        client, memory = state
        mu, data, anchor, heard, takes_part = inputs
        anchored_at_start, start, round_, key = shared
        anchor = client.params if anchor is None else anchor
        if anchored_at_start is not None:
            anchor = jax.tree.map(lambda old, new: jnp.where(anchored_at_start, old, new), start, anchor)
        broadcast = Broadcast(anchor, mu, round_, heard)
        key = jax.random.fold_in(key, data.id)
        own = client_update if takes_part is None else sitting_out(client_update, takes_part)
        if evaluate is not None:
            own = evaluated(own, evaluate, model)
        client, memory, metrics = own.update(client, memory, broadcast, data, key)
        return (client, memory), metrics

    return update


def _reports(
    before: Reports, takes_part: Float[Array, "clients"] | None, received: Params, trained: Params, metrics: Metrics
) -> Reports:
    """What the clients of this round report to the rule of the next."""
    dtype = before.moved.dtype
    distances = jax.tree.map(lambda a, b: ((a - b) ** 2).reshape(len(a), -1).sum(axis=1), trained, received)
    moved = jax.tree.reduce(jnp.add, distances).astype(dtype)
    if (loss := metrics.get("loss_before")) is None:
        total, steps = (reported(metrics, name, "participation or a rule") for name in ("batch_loss", "steps"))
        loss = total / jnp.maximum(steps, 1)
    took_part = jnp.ones_like(before.took_part) if takes_part is None else takes_part
    return Reports(before.id, took_part, loss.astype(dtype), moved)
