"""What clients receive at the beginning of a round: mixed weights, anchors and messages."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from fedpsyau_jax.federated.factored import DiagonalPlusOuter, Matrix, dense, identity_like
from fedpsyau_jax.federated.groups import mix_groups
from fedpsyau_jax.federated.mixing import mix
from fedpsyau_jax.federated.participation import heard_from
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.strategy import Reports, Strategy
from fedpsyau_jax.types import Array, Bool, ClientState, Params, PRNGKeyArray, PyTree

__all__ = ["Server", "exchange", "initial_server"]

Started = Bool[Array, ""]


class Server(NamedTuple):
    """What the server remembers for an ``outer`` optimiser or a ``rule``, leaves [clients, ...].

    ``previous``: the weights that each client received last; ``outer``: state of the optimiser, or None.
    """

    previous: Params
    outer: PyTree


def initial_server(strategy: Strategy, params: Params) -> Server | None:
    """The server before the first round; None if the strategy needs none.

    Args:
        strategy: of the federation.
        params: of all clients, leaves [clients, ...].
    """
    if strategy.outer is None and strategy.rule is None:
        return None
    outer = None if strategy.outer is None else jax.vmap(_transform(strategy).init)(params)
    return Server(params, outer)


def exchange(
    strategy: Strategy,
    clients: ClientState,
    server: Server | None,
    reports: Reports | None,
    problem: Problem,
    started: Started,
    key: PRNGKeyArray,
) -> tuple[ClientState, Params | None, Server | None]:
    """The clients with the weights that they receive, their anchors if these are others, and the server afterwards.

    received_k = sum_j W[k, j] w_j; what a row of a ``rule`` lacks to 1 stays with the previous weights; an ``outer``
    optimiser then replaces the step from the previous weights. Round 0 changes nothing, not even by rounding.
    """
    matrix = _of_round(strategy, reports, key)
    labels = problem.groups_of(clients.params) if strategy.mixing.ndim == 3 else None
    params = _mixed(matrix, clients.params, labels, started)
    anchors = None
    if strategy.anchor is not None:
        anchor = _among_heard(strategy, strategy.anchor, reports)
        of_groups = problem.groups_of(clients.params) if anchor.ndim == 3 else None
        anchors = _mixed(anchor, clients.params, of_groups, started)
    if server is not None:
        params, server = _through_server(strategy, matrix, params, server, labels, started)
    model_state = clients.model_state
    if strategy.statistics is not None:
        model_state = _mixed(_among_heard(strategy, strategy.statistics, reports), model_state, None, started)
    return ClientState(params, model_state), anchors, server


def _among_heard(strategy: Strategy, matrix: Matrix, reports: Reports | None) -> Matrix:
    if strategy.sampling is None or reports is None:
        return matrix
    return heard_from(matrix, reports.took_part)


def _of_round(strategy: Strategy, reports: Reports | None, key: PRNGKeyArray) -> Matrix:
    matrix = _among_heard(strategy, strategy.mixing, reports)
    return matrix if strategy.rule is None else strategy.rule(dense(matrix), key, reports)


def _mixed(matrix: Matrix, params: PyTree, labels: PyTree | None, started: Started) -> PyTree:
    matrix = jax.tree.map(lambda mixing, own: jnp.where(started, mixing, own), matrix, identity_like(matrix))
    return mix(matrix, params) if labels is None else mix_groups(matrix, params, labels)


def _through_server(
    strategy: Strategy, matrix: Matrix, mixed: Params, server: Server, labels: PyTree | None, started: Started
) -> tuple[Params, Server]:
    received, outer = mixed, server.outer
    if strategy.rule is not None:
        assert not isinstance(matrix, DiagonalPlusOuter)
        missing = jnp.where(started, 1 - matrix.sum(axis=-1), 0)
        kept = jax.vmap(lambda share: jnp.diag(share))(missing) if matrix.ndim == 3 else jnp.diag(missing)
        rest = mix(kept, server.previous) if labels is None else mix_groups(kept, server.previous, labels)
        received = jax.tree.map(jnp.add, received, rest)
    if strategy.outer is not None:
        step = jax.tree.map(jnp.subtract, received, server.previous)
        taken, new = jax.vmap(_transform(strategy).update)(step, server.outer, server.previous)
        moved = jax.tree.map(jnp.add, server.previous, taken)
        received, outer = jax.tree.map(lambda a, b: jnp.where(started, a, b), (moved, new), (mixed, server.outer))
    return received, Server(received, outer)


def _transform(strategy: Strategy) -> optax.GradientTransformation:
    assert strategy.outer is not None
    transform: optax.GradientTransformation = strategy.outer()
    return transform
