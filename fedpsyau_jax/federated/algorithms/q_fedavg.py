"""q-FedAvg: clients with a larger loss count more."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory
from fedpsyau_jax.federated.minibatch import take_batch
from fedpsyau_jax.federated.problem import Problem, over_batches
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Reports, Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Metrics, PRNGKeyArray

SMALLEST_LOSS = 1e-10


def q_fedavg(weights: Float[Array, "clients"], fairness: float | Array, lipschitz: float | Array) -> Strategy:
    """w <- w + sum_k p_k L F_k^q (w_k - w) / sum_k p_k h_k, with p_k = n_k / N.

    h_k = q F_k^(q-1) L^2 ||w_k - w||^2 + L F_k^q.
    F_k: the client's loss at the weights that it received, in a pass of its own before training (in training mode).
    The step shrinks as q grows; the paper sets L to 1 / learning rate of its SGD. With q = 0 it is FedAvg.

    Source: Li et al., Fair Resource Allocation in Federated Learning, ICLR 2020, algorithm 2 (which draws clients by
    p_k; here all take part, weighted).

    >>> [float(number) for number in q_fedavg(jnp.array([3.0, 1.0]), 0.5, 10.0).rule.args]
    [0.5, 10.0]
    """
    in_range("q-FedAvg's fairness q", fairness)
    in_range("q-FedAvg's Lipschitz constant", lipschitz, above=True)
    numbers = (jnp.asarray(number, weights.dtype) for number in (fairness, lipschitz))
    return fedavg(weights)._replace(rule=Partial(_fair, *numbers), client=Partial(_measured))


def _fair(q: Array, lipschitz: Array, mixing: Array, key: PRNGKeyArray, reports: Reports) -> Array:
    """The step of each row with all losses divided by the largest, so that no power leaves the range of floats."""
    loss = jnp.maximum(reports.loss, SMALLEST_LOSS)
    largest = jnp.where(mixing > 0, loss, SMALLEST_LOSS).max(axis=-1, keepdims=True)
    share = jnp.where(mixing > 0, loss / largest, 1)
    importance = share**q
    curvature = q * share ** (q - 1) * lipschitz * (reports.moved / largest) + importance
    return mixing * importance / (mixing * curvature).sum(axis=-1, keepdims=True)


def _measured(client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    loss: LossFn = problem.needed("loss", "q-FedAvg")

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        def add(total: Array, batch: Batch, key: PRNGKeyArray) -> Array:
            value = loss(*client, batch, key)[0]
            return total + value * batch.mask.sum().astype(value.dtype)

        one = take_batch(data.examples, data.mask, jnp.zeros(problem.batch_size or data.mask.shape[-1], jnp.int32))
        dtype = jax.eval_shape(loss, *client, one, key)[0].dtype
        total = over_batches(add, jnp.zeros((), dtype), data, key, problem)
        before = {"loss_before": total / jnp.maximum(data.mask.sum(), 1).astype(dtype)}
        client_, memory, metrics = client_update.update(client, memory, broadcast, data, key)
        return client_, memory, metrics | before

    return client_update._replace(update=update)
