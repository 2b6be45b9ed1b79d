"""A federated algorithm as pure functions over an ordinary leading client axis."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.federated.axes import AxisMap, sequential
from fedpsyau_jax.federated.client import ClientUpdate
from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.federated.client_round import ClientRound, Evaluate, Round, client_round, tested_model
from fedpsyau_jax.federated.exchange import Server, initial_server
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.server_round import deliver, report_round
from fedpsyau_jax.federated.strategy import Reports, Strategy
from fedpsyau_jax.types import (
    Array,
    ClientState,
    Int,
    Key,
    Metrics,
    Params,
    PRNGKeyArray,
    PyTree,
)

__all__ = ["FedState", "FederatedAlgorithm", "federated", "run"]


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

    ``tested(state)``: the models that are evaluated, leaves [clients, ...]: the clients', or their personal ones;
    [clients, models, ...] where several of each client are.
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
        evaluate: of a tested model and all of a client's test examples, with data of ``TrainTest``.

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
        step=partial(
            _round, strategy, own, given, over_clients, client_round(strategy, client_update, given, evaluate)
        ),
        tested=lambda state: jax.vmap(partial(tested_model, strategy, own))(state.clients, state.memory),
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
    of_client: ClientRound,
    state: FedState,
    data: Identified,
    key: PRNGKeyArray,
) -> tuple[FedState, Metrics]:
    key = jax.random.fold_in(key, state.round)
    reports = None if state.reports is None else state.reports._replace(id=data.id.astype(jnp.int32))
    with jax.named_scope("mix"):
        messages = None if strategy.messages is None else jax.vmap(own.message)(state.memory)
        sent = deliver(strategy, problem, state.clients, messages, state.server, reports, state.round, key)
    with jax.named_scope("clients"):
        now = Round(state.round, key, strategy.anchored_at_start, state.start)
        (clients, memory), metrics = over_clients(of_client, (sent.clients, state.memory), (sent.received, data), now)
    if reports is not None:
        reports = report_round(reports, sent.received.takes_part, sent.clients.params, clients.params, metrics)
    metrics = {name: values for name, values in metrics.items() if name != "loss_before"}
    return FedState(state.round + 1, clients, memory, state.start, sent.server, reports), metrics
