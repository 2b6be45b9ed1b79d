"""What a server does with arrays: the simulation's functions, on lists of leaves, in the order of the sites' ids."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from deployment.replies import Like
from fedpsyau_jax.federated import Delivery, FedState, Problem, Reports, Strategy, deliver
from fedpsyau_jax.types import Array, ClientState, PRNGKeyArray, PyTree

__all__ = ["Begun", "after_round", "everyone", "group_label", "mixed", "no_reports"]


class Begun(NamedTuple):
    """A federation whose sites have all begun; ``examples``: how many each trains on."""

    strategy: Strategy
    problem: Problem
    like: Like
    metrics: Mapping[str, np.ndarray]
    examples: Sequence[int]


def mixed(
    problem: Problem,
    strategy: Strategy,
    clients: ClientState,
    messages: PyTree,
    server: PyTree,
    reports: Reports | None,
    number: Array,
    key: PRNGKeyArray,
) -> Delivery:
    """What the sites receive in a round; see ``deliver``."""
    return deliver(strategy, problem, clients, messages, server, reports, number, key)


def everyone(key: PRNGKeyArray, reports: Reports) -> Array:
    """All sites are asked, also after a round that some missed."""
    del key
    return jnp.ones_like(reports.took_part)


def no_reports(strategy: Strategy) -> Reports:
    """Reports before the first round."""
    zeros = jnp.zeros(strategy.mixing.shape[-1], strategy.mu.dtype)
    return Reports(jnp.zeros(len(zeros), jnp.int32), zeros, zeros, zeros)


def group_label(array: np.ndarray) -> Any:
    """The group of a leaf, or those of its entries."""
    return int(array) if array.ndim == 0 else array


def after_round(
    begun: Begun, state: FedState, answers: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> tuple[ClientState, PyTree, Mapping[str, np.ndarray]]:
    """The sites' trees after a round, in the order of their ids; a site that was left out keeps what it had."""

    def renewed(name: str, old: list[Any]) -> list[np.ndarray]:
        filled = [np.array(leaf) for leaf in old]
        for place, site in enumerate(names):
            if site in answers:
                for leaf, new in zip(filled, answers[site][name], strict=True):
                    leaf[place] = new
        return filled

    clients = ClientState(renewed("weights", state.clients.params), renewed("statistics", state.clients.model_state))
    zeros = {name: np.zeros_like(value) for name, value in begun.metrics.items()}
    metrics = {
        name: np.stack([answers[site]["metrics"][name] if site in answers else zero for site in names])
        for name, zero in zeros.items()
    }
    return clients, renewed("message", state.memory), metrics
