"""SCAFFOLD: control variates correct the drift of local training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory, reported
from fedpsyau_jax.federated.compact import averaging
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, ClientState, Float, Metrics, Params, PRNGKeyArray


class Controlled(NamedTuple):
    """A client's memory: that of its training, and its control variate c_k, which it sends to the others."""

    inner: Memory
    control: Params


def scaffold(weights: Float[Array, "clients"]) -> Strategy:
    """FedAvg, each of whose local steps goes along d - c_k + c, where c is the mean of all c_k.

    d: the optimiser's direction, for plain SGD the gradient. After training c_k <- c_k - c + (x - y_k) / sum of the
    learning rates (option II), the mean direction of the client's steps: so with Adam, too, variates and directions
    are of one size. The server's rate is an ``outer`` of ``optax.scale``. In the first round, c = 0, it is FedAvg; on
    any problem its fixed point is a stationary point of the sum, which FedAvg's is not.

    Source: Karimireddy et al., SCAFFOLD: Stochastic Controlled Averaging for Federated Learning, ICML 2020, alg. 1.

    >>> scaffold(jnp.array([3.0, 1.0])).messages.tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    return fedavg(weights)._replace(messages=averaging(weights), client=Partial(_with_control))


def _with_control(client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    def init(client: ClientState) -> Controlled:
        return Controlled(client_update.init(client), jax.tree.map(jnp.zeros_like, client.params))

    def update(
        client: ClientState, memory: Controlled, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Controlled, Metrics]:
        correction = jax.tree.map(jnp.subtract, broadcast.heard, memory.control)
        steered = broadcast._replace(steer=lambda direction, _: jax.tree.map(jnp.add, direction, correction))
        trained, inner, metrics = client_update.update(client, memory.inner, steered, data, key)
        total = reported(metrics, "rates", "SCAFFOLD")
        per_rate = jnp.where(total > 0, 1 / jnp.where(total > 0, total, 1), 0)

        def renewed(x: Array, y: Array, shift: Array, old: Array) -> Array:
            return jnp.where(total > 0, (x - y) * per_rate.astype(x.dtype) - shift, old)

        control = jax.tree.map(renewed, client.params, trained.params, correction, memory.control)
        counts = {name: value for name, value in metrics.items() if name != "rates"}
        return trained, Controlled(inner, control), counts

    return client_update._replace(init=init, update=update, message=lambda memory: memory.control)
