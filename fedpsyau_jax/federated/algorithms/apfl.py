"""APFL: each client mixes a local model of its own with the global one."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, TwoModels, global_and_personal
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Metrics, Params, PRNGKeyArray, PyTree


class Mixing(NamedTuple):
    """What a client stores beside its mixture: the local model v, and the mixture's alpha."""

    local: Params
    alpha: Float[Array, ""]


def apfl(weights: Float[Array, "clients"], share: float | Array, adaptation: float | Array = 0.0) -> Strategy:
    """FedAvg for w; beside it a local v_k learns in the mixture m_k = alpha_k v_k + (1 - alpha_k) w.

    Each local step is w <- w - eta grad f_k(w), v_k <- v_k - eta alpha_k grad f_k(m_k) and, with a rate of adaptation,
    alpha_k <- alpha_k - rate <v_k - w, grad f_k(m_k)>, kept in [0, 1]; all from the old values. m_k is the personal
    model, with batch statistics of its own; alpha_k starts at ``share``. There is no proximal term. The optimiser sees
    w and v_k as one tree. With alpha = 1 the personal models are those of ``local_only``; with alpha = 0 they are the
    clients' of ``fedavg``. A known rate of 0 leaves the third step out and is a program of its own.

    Source: Deng et al., Adaptive Personalized Federated Learning, 2020, algorithm 1 and section 4.2.

    >>> float(apfl(jnp.array([3.0, 1.0]), 0.25).client.args[0])
    0.25
    """
    share = jnp.asarray(in_range("APFL's share", share, 0.0, 1.0), weights.dtype)
    rate = jnp.asarray(in_range("APFL's rate of adaptation", adaptation), weights.dtype)
    fixed = not isinstance(rate, jax.core.Tracer) and not rate.any()
    client = Partial(_with_mixture, share, None if fixed else rate)
    return fedavg(weights)._replace(client=client, tested=jnp.int32(1))


def mixture(mixing: Mixing, shared: Params) -> Params:
    """Alpha v + (1 - alpha) w."""
    alpha = mixing.alpha
    return jax.tree.map(lambda v, w: alpha.astype(v.dtype) * v + (1 - alpha.astype(v.dtype)) * w, mixing.local, shared)


def _joint(rate: Array | None, loss: LossFn) -> LossFn:
    """The loss of w and v together; the model state carries that of w, that of the mixture, and alpha."""

    def of_both(params: PyTree, model_states: PyTree, batch: Batch, key: PRNGKeyArray) -> PyTree:
        (w, v), (state, mixed_state, alpha) = params, model_states
        value, (state, counts) = loss(w, state, batch, key)

        def of_mixture(alpha: Array) -> PyTree:
            return loss(mixture(Mixing(v, alpha), jax.lax.stop_gradient(w)), mixed_state, batch, key)

        personal, (new_state, _) = of_mixture(alpha)
        if rate is not None:
            alpha = jnp.clip(alpha - rate * jax.grad(of_mixture, has_aux=True)(alpha)[0], 0, 1)
        return value + personal - jax.lax.stop_gradient(personal), ((state, new_state, alpha), counts)

    return of_both


def _with_mixture(share: Array, rate: Array | None, client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    def init(client: ClientState) -> TwoModels:
        both = ClientState(*((leaf, leaf) for leaf in client))
        return TwoModels(client_update.init(both), client, Mixing(client.params, share))

    def update(
        client: ClientState, memory: TwoModels, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, TwoModels, Metrics]:
        local, alpha = memory.own
        states = (client.model_state, memory.personal.model_state, alpha)
        broadcast = broadcast._replace(mu=None).with_objective(lambda loss: _joint(rate, loss))
        both = ClientState((client.params, local), states)
        (params, states), inner, metrics = client_update.update(both, memory.inner, broadcast, data, key)
        own = Mixing(params[1], states[2])
        personal = ClientState(mixture(own, params[0]), states[1])
        return ClientState(params[0], states[0]), TwoModels(inner, personal, own), metrics

    return client_update._replace(init=init, update=update, models=global_and_personal)
