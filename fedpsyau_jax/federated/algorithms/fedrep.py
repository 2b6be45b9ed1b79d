"""FedRep: first the client's own head is trained, then the shared body."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.algorithms.fedper import fedper
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory
from fedpsyau_jax.federated.groups import where_in
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, ClientState, Float, Int, Metrics, Params, PRNGKeyArray


def fedrep(weights: Float[Array, "clients"], head_epochs: int | Int[Array, ""]) -> Strategy:
    """FedPer in two phases: of the local epochs, the first train the head only, the others the rest only.

    h_k <- GRD(f_k(h, phi), h), head_epochs times; then phi_k <- GRD(f_k(h_k, phi), phi) in the epochs left (the paper
    takes one step). An optimiser with moments sees the gradients of both phases. Without a head and with
    head_epochs = 0 it is FedAvg.

    Source: Collins et al., Exploiting Shared Representations for Personalized Federated Learning, ICML 2021, alg. 1.

    >>> fedrep(jnp.array([3.0, 1.0]), 1).mixing.shape
    (4, 2, 2)
    """
    return fedper(weights)._replace(
        client=Partial(_in_two_phases, jnp.asarray(in_range("FedRep's head_epochs", head_epochs)))
    )


def _in_two_phases(head_epochs: Array, client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    problem.needed("labels", "FedRep")

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        groups = problem.groups_of(client.params)

        def steer(direction: Params, epoch: Array) -> Params:
            first = (epoch < head_epochs).astype(jnp.int32)
            in_head, others = (
                jax.tree.map(lambda d, on=on: d * on.astype(d.dtype), direction) for on in (first, 1 - first)
            )
            return where_in("head", groups, in_head, others)

        client, memory, metrics = client_update.update(client, memory, broadcast._replace(steer=steer), data, key)
        return client, memory, {name: value for name, value in metrics.items() if name != "rates"}

    return client_update._replace(update=update)
