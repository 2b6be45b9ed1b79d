"""A table of algorithms x repeats x clients as one federated algorithm, which compiles to one program."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from fedpsyau_jax.federated.algorithm import FederatedAlgorithm, FedState, federated
from fedpsyau_jax.federated.axes import AxisMap, sequential
from fedpsyau_jax.federated.client import ClientUpdate
from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.federated.factored import dense, is_factored
from fedpsyau_jax.federated.groups import with_groups
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.strategy import Strategy, structure
from fedpsyau_jax.types import Array, ClientState, Key, Metrics

__all__ = ["stacked", "sweep"]


def stacked(strategies: Sequence[Strategy]) -> Strategy:
    """Stack several strategies of one ``structure`` along a leading axis [algorithms].

    If any of them has matrices for groups, the others get theirs for each group; if any sets ``anchored_at_start``, it
    becomes explicitly False in the others. Where some have a matrix written out and others a ``DiagonalPlusOuter``,
    all are written out.

    Raises:
        ValueError: their functions or optional fields differ, so that one program cannot run them all.

    >>> import jax.numpy as jnp
    >>> from fedpsyau_jax.federated.alias import fedavg, local_only
    >>> sizes = jnp.array([[30.0, 10.0], [20.0, 20.0]])  # [repeats, clients]
    >>> stacked([jax.vmap(local_only)(sizes), jax.vmap(fedavg)(sizes)]).mixing.shape
    (2, 2, 2, 2)
    """
    if len({structure(strategy) for strategy in strategies}) > 1:
        raise ValueError("strategies with different functions or optional fields need a program each")
    if any(strategy.anchored_at_start is not None for strategy in strategies):
        strategies = [_with_explicit_anchor(strategy) for strategy in strategies]
    if any(_has_groups(strategy) for strategy in strategies):
        strategies = [_with_groups(strategy) for strategy in strategies]
    if len({jax.tree.structure(strategy) for strategy in strategies}) > 1:
        strategies = [jax.tree.map(dense, strategy, is_leaf=is_factored) for strategy in strategies]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *strategies)


def _has_groups(strategy: Strategy) -> bool:
    return strategy.mixing.ndim > strategy.mu.ndim + 1


def _with_groups(strategy: Strategy) -> Strategy:
    if _has_groups(strategy):
        return strategy
    return strategy._replace(mixing=with_groups(strategy.mixing))


def _with_explicit_anchor(strategy: Strategy) -> Strategy:
    if strategy.anchored_at_start is not None:
        return strategy
    return strategy._replace(anchored_at_start=jnp.zeros(strategy.mu.shape[:-1], bool))


def sweep(
    strategies: Strategy,
    client_update: ClientUpdate,
    *,
    over_runs: AxisMap = sequential,
    over_clients: AxisMap = sequential,
    problem: Problem | None = None,
) -> FederatedAlgorithm:
    """Run every algorithm on every repeat.

    Algorithms share the initial weights, the data and the keys of a repeat (common random numbers), so that a
    difference between two rows of a table is due to the algorithm alone.

    Args:
        strategies: from ``stacked``, leaves [algorithms, repeats, ...]; the sizes of clients differ between repeats.
        client_update: what a client does in a round.
        over_runs: how to map over algorithms and repeats.
        over_clients: how to map over the clients of a run.
        problem: as for ``federated``.

    Returns:
        A FederatedAlgorithm. ``init`` takes ClientState with leaves [repeats, ...]; ``step`` takes FedState
        [algorithms, repeats, ...], ClientData [repeats, clients, ...] and keys [repeats], and returns
        FedState and metrics [algorithms, repeats, clients].

    >>> from fedpsyau_jax.federated import fedavg, local_only
    >>> idle = ClientUpdate(lambda client: (), lambda client, memory, broadcast, data, key: (client, memory, {}))
    >>> sizes = jnp.array([[30.0, 10.0], [20.0, 20.0], [5.0, 35.0]])  # [repeats, clients]
    >>> table = sweep(stacked([jax.vmap(local_only)(sizes), jax.vmap(fedavg)(sizes)]), idle)
    >>> table.init(ClientState(jnp.zeros((3, 7)), ())).clients.params.shape  # [algorithms, repeats, clients, ...]
    (2, 3, 2, 7)
    """

    def algorithm(strategy: Strategy) -> FederatedAlgorithm:
        return federated(strategy, client_update, over_clients=over_clients, problem=problem)

    def init(client: ClientState) -> FedState:
        init_repeats = jax.vmap(lambda strategy, client: algorithm(strategy).init(client))
        return jax.vmap(init_repeats, in_axes=(0, None))(strategies, client)

    def step_one(
        state: FedState, inputs: tuple[Strategy, Identified, Key[Array, ""]], _: None
    ) -> tuple[FedState, Metrics]:
        strategy, data, key = inputs
        return algorithm(strategy).step(state, data, key)

    def step_repeats(
        states: FedState, strategy: Strategy, shared: tuple[Identified, Key[Array, "repeats"]]
    ) -> tuple[FedState, Metrics]:
        return over_runs(step_one, states, (strategy, *shared), None)

    def step(state: FedState, data: Identified, keys: Key[Array, "repeats"]) -> tuple[FedState, Metrics]:
        return over_runs(step_repeats, state, strategies, (data, keys))

    return FederatedAlgorithm(init, step)
