"""APFL: each client mixes a local model of its own with the global one."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, TwoModels, global_and_personal
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Metrics, Params, PRNGKeyArray, PyTree


def apfl(weights: Float[Array, "clients"], share: float | Float[Array, ""]) -> Strategy:
    """FedAvg for w; beside it a local v_k learns in the mixture m_k = alpha v_k + (1 - alpha) w.

    Each local step is w <- w - eta grad f_k(w) and v_k <- v_k - eta alpha grad f_k(m_k), both from the old values.
    m_k is the personal model, with batch statistics of its own. alpha is fixed: the paper's rule that adapts it is left
    out. There is no proximal term. With alpha = 1 the personal models are those of ``local_only``; with alpha = 0 they
    are the clients' of ``fedavg``.

    Source: Deng et al., Adaptive Personalized Federated Learning, 2020, algorithm 1.

    >>> float(apfl(jnp.array([3.0, 1.0]), 0.25).client.args[0])
    0.25
    """
    share = jnp.asarray(share, weights.dtype)
    return fedavg(weights)._replace(client=Partial(_with_mixture, share), tested=jnp.int32(1))


def _with_mixture(share: Array, client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    def mixture(local: Params, shared: Params) -> Params:
        return jax.tree.map(lambda v, w: share.astype(v.dtype) * v + (1 - share.astype(v.dtype)) * w, local, shared)

    def joint(loss: LossFn) -> LossFn:
        def of_both(params: PyTree, model_states: PyTree, batch: Batch, key: PRNGKeyArray) -> PyTree:
            (w, v), (state, mixed_state) = params, model_states
            value, (state, counts) = loss(w, state, batch, key)
            m = mixture(v, jax.lax.stop_gradient(w))
            personal, (mixed_state, _) = loss(m, mixed_state, batch, key)
            return value + personal - jax.lax.stop_gradient(personal), ((state, mixed_state), counts)

        return of_both

    def init(client: ClientState) -> TwoModels:
        both = ClientState(*((leaf, leaf) for leaf in client))
        return TwoModels(client_update.init(both), client, client.params)

    def update(
        client: ClientState, memory: TwoModels, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, TwoModels, Metrics]:
        both = ClientState((client.params, memory.own), (client.model_state, memory.personal.model_state))
        broadcast = broadcast._replace(mu=None).with_objective(joint)
        (params, states), inner, metrics = client_update.update(both, memory.inner, broadcast, data, key)
        personal = ClientState(mixture(params[1], params[0]), states[1])
        return ClientState(params[0], states[0]), TwoModels(inner, personal, params[1]), metrics

    return client_update._replace(init=init, update=update, models=global_and_personal)
