"""The server's part of a round: what each client receives, and what the server knows of the round afterwards."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fedpsyau_jax.federated.client import reported
from fedpsyau_jax.federated.client_round import Received
from fedpsyau_jax.federated.exchange import Server, exchange
from fedpsyau_jax.federated.mixing import mix
from fedpsyau_jax.federated.participation import by_those_who_take_part
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.strategy import Reports, Strategy
from fedpsyau_jax.types import Array, ClientState, Float, Int, Metrics, Params, PRNGKeyArray, PyTree

__all__ = ["Delivery", "deliver", "report_round"]

SAMPLING, RULE = 2**31 - 2, 2**31 - 3
"""Folded into the key of a round for draws that are no client's."""


class Delivery(NamedTuple):
    """What the clients receive in a round, leaves [clients, ...], and what the server then remembers.

    ``clients``: the weights that they start from, with their model state; ``received``: everything else.
    """

    clients: ClientState
    received: Received
    server: Server | None


def deliver(
    strategy: Strategy,
    problem: Problem,
    clients: ClientState,
    messages: PyTree | None,
    server: Server | None,
    reports: Reports | None,
    round_: Int[Array, ""],
    key: PRNGKeyArray,
) -> Delivery:
    """Mix what the clients sent, as the strategy says; round 0 does not mix, because all clients are equal.

    Args:
        strategy: of the federation.
        problem: its labels, for matrices of groups.
        clients: their weights after the round before, and model state where the strategy has a matrix for it.
        messages: of the clients, leaves [clients, ...]; None if the strategy has no matrix for them.
        server: what it remembers.
        reports: of the round before.
        round_: number of this round.
        key: of this round.

    >>> from fedpsyau_jax.federated import fedavg
    >>> trained = ClientState(jnp.array([1.0, 3.0]), ())
    >>> sent = deliver(fedavg(jnp.ones(2)), Problem(), trained, None, None, None, jnp.int32(1), jax.random.key(0))
    >>> sent.clients.params.tolist()
    [2.0, 2.0]
    """
    rule_key = jax.random.fold_in(key, RULE)
    received, anchors, server = exchange(strategy, clients, server, reports, problem, round_ > 0, rule_key)
    heard = None if strategy.messages is None else mix(strategy.messages, messages)
    takes_part = None
    if strategy.sampling is not None:
        takes_part = strategy.sampling(jax.random.fold_in(key, SAMPLING), reports).astype(strategy.mu.dtype)
        received = by_those_who_take_part(takes_part, received, clients)
    return Delivery(received, Received(strategy.mu, anchors, heard, takes_part), server)


def report_round(
    before: Reports, takes_part: Float[Array, "clients"] | None, received: Params, trained: Params, metrics: Metrics
) -> Reports:
    """What a rule of the next round may know of this one.

    Args:
        before: of the round before.
        takes_part: 1 or 0 of each client; None if all do.
        received: the weights from which the clients started, leaves [clients, ...].
        trained: those that they ended with.
        metrics: of their training.
    """
    dtype = before.moved.dtype
    distances = jax.tree.map(lambda a, b: ((a - b) ** 2).reshape(len(a), -1).sum(axis=1), trained, received)
    moved = jax.tree.reduce(jnp.add, distances).astype(dtype)
    if (loss := metrics.get("loss_before")) is None:
        total, steps = (reported(metrics, name, "participation or a rule") for name in ("batch_loss", "steps"))
        loss = total / jnp.maximum(steps, 1)
    took_part = jnp.ones_like(before.took_part) if takes_part is None else takes_part
    return Reports(before.id, took_part, loss.astype(dtype), moved)
