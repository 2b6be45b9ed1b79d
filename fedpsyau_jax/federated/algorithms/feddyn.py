"""FedDyn: a dual of each client makes the clients' stationary points meet that of the sum."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import Mu, fedprox
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory
from fedpsyau_jax.federated.compact import averaging
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Metrics, Params, PRNGKeyArray, PyTree


class Dual(NamedTuple):
    """A client's memory: that of its training, and its dual g_k, an estimate of grad f_k, which others hear of."""

    inner: Memory
    dual: Params


def feddyn(weights: Float[Array, "clients"], alpha: Mu) -> Strategy:
    """min f_k(w) - <g_k, w> + alpha/2 ||w - s||^2 from s = sum_j n_j w_j / N - g / alpha, g the mean of all g_k.

    After training g_k <- g_k - alpha (w_k - s). alpha > 0 is the proximal factor. Where clients minimise exactly, the
    fixed point is the minimiser of the sum. In the first round, g = 0, it is FedProx with mu = alpha.

    Source: Acar et al., Federated Learning Based on Dynamic Regularization, ICLR 2021, algorithm 1.

    >>> feddyn(jnp.array([3.0, 1.0]), 0.1).messages.tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    drawn = fedprox(weights, in_range("FedDyn's alpha", alpha, above=True))
    return drawn._replace(messages=averaging(weights), client=Partial(_with_dual))


def _with_dual(client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    def init(client: ClientState) -> Dual:
        return Dual(client_update.init(client), jax.tree.map(jnp.zeros_like, client.params))

    def update(
        client: ClientState, memory: Dual, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Dual, Metrics]:
        assert broadcast.mu is not None
        alpha = broadcast.mu

        def tilted(loss: LossFn) -> LossFn:
            def of_batch(params: Params, model_state: PyTree, batch: Batch, key: PRNGKeyArray) -> PyTree:
                value, rest = loss(params, model_state, batch, key)
                products = jax.tree.map(lambda g, w: jnp.vdot(g, w).astype(value.dtype), memory.dual, params)
                return value - jax.tree.reduce(jnp.add, products), rest

            return of_batch

        start = jax.tree.map(lambda w, g: w - g / alpha.astype(w.dtype), client.params, broadcast.heard)
        towards = broadcast.drawn_to(start, alpha).with_objective(tilted)
        trained, inner, metrics = client_update.update(client._replace(params=start), memory.inner, towards, data, key)
        dual = jax.tree.map(lambda g, w, s: g - alpha.astype(w.dtype) * (w - s), memory.dual, trained.params, start)
        return trained, Dual(inner, dual), metrics

    return client_update._replace(init=init, update=update, message=lambda memory: memory.dual)
