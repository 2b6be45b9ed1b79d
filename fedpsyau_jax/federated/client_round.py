"""The client's part of a round: a pure function of what it has and what it received."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory
from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.federated.evaluation import evaluated, of_tested_models
from fedpsyau_jax.federated.participation import sitting_out
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import (
    Array,
    Batch,
    Bool,
    ClientState,
    Float,
    Int,
    Metrics,
    Params,
    PRNGKeyArray,
    PyTree,
)

__all__ = ["ClientRound", "Evaluate", "Received", "Round", "client_round", "tested_model"]

Evaluate: TypeAlias = Callable[[ClientState, Batch], PyTree]


class Received(NamedTuple):
    """What a client receives in a round besides the weights that it starts from; None means "nothing of the kind".

    ``mu``: factor of its proximal term; ``anchor``: of that term, if not the weights; ``heard``: the clients' messages,
    as mixed for this client; ``takes_part``: 1 or 0, where clients are sampled.

    >>> Received(jnp.array(0.1)).anchor is None
    True
    """

    mu: Float[Array, "*clients"]
    anchor: Params | None = None
    heard: PyTree | None = None
    takes_part: Float[Array, "*clients"] | None = None


class Round(NamedTuple):
    """What all clients know of a round.

    ``number``: from 0; ``key``: of the round; ``anchored_at_start``, ``start``: of a strategy that anchors the proximal
    term at the weights of round 0, else None.
    """

    number: Int[Array, ""]
    key: PRNGKeyArray
    anchored_at_start: Bool[Array, ""] | None = None
    start: Params | None = None


ClientRound: TypeAlias = Callable[
    [tuple[ClientState, Memory], tuple[Received, Any], Round], tuple[tuple[ClientState, Memory], Metrics]
]
"""``((client, memory), (received, data), round) -> ((client, memory), metrics)``; an ``axes.OneStep``."""


def client_round(
    strategy: Strategy, client_update: ClientUpdate, problem: Problem, evaluate: Evaluate | None = None
) -> ClientRound:
    """What one client does in a round: the simulation maps it over clients, a site of a real federation calls it.

    It knows no other client: of the strategy it uses ``client`` and ``tested`` only. Its random numbers depend on the
    round's key and the id of its data.

    Args:
        strategy: of the federation.
        client_update: what a client does in a round, usually ``local_training``.
        problem: what some algorithms must know of a client's problem.
        evaluate: of a tested model and all of a client's test examples, with data of ``TrainTest``.

    Returns:
        A function of ``(client, memory)``, where ``client`` has the received weights, of ``(received, data)`` and of
        the round. It returns the trained client with its memory, and metrics.

    >>> from fedpsyau_jax.federated import ClientData, fedavg
    >>> def add(client, memory, broadcast, data, key):
    ...     return client._replace(params=client.params + data.mask.sum()), memory, {}
    >>> update = client_round(fedavg(jnp.ones(2)), ClientUpdate(lambda client: (), add), Problem())
    >>> data, now = ClientData(jnp.int32(0), (), jnp.ones(3)), Round(jnp.int32(0), jax.random.key(0))
    >>> (client, _), _ = update((ClientState(jnp.array(1.0), ()), ()), (Received(jnp.array(0.0)), data), now)
    >>> float(client.params)
    4.0
    """
    own = client_update if strategy.client is None else strategy.client(client_update, problem)
    model = partial(tested_model, strategy, own)
    of_models = None if evaluate is None else of_tested_models(strategy.tested, evaluate)

    def of_client(
        state: tuple[ClientState, Memory], inputs: tuple[Received, Identified], now: Round
    ) -> tuple[tuple[ClientState, Memory], Metrics]:
        client, memory = state
        received, data = inputs
        anchor = client.params if received.anchor is None else received.anchor
        if (at_start := now.anchored_at_start) is not None:
            anchor = jax.tree.map(lambda old, new: jnp.where(at_start, old, new), now.start, anchor)
        broadcast = Broadcast(anchor, received.mu, now.number, received.heard)
        update = own if received.takes_part is None else sitting_out(own, received.takes_part)
        if of_models is not None:
            update = evaluated(update, of_models, model)
        key = jax.random.fold_in(now.key, data.id)
        client, memory, metrics = update.update(client, memory, broadcast, data, key)
        return (client, memory), metrics

    return of_client


def tested_model(strategy: Strategy, own: ClientUpdate, client: ClientState, memory: Memory) -> ClientState:
    """The model of a client that is evaluated, or several, leaves [models, ...]."""
    models = own.models(client, memory)
    if strategy.tested is None or len(models) == 1:
        return models[0]
    chosen: ClientState = jax.tree.map(lambda *leaves: jnp.stack(leaves)[strategy.tested], *models)
    return chosen
