"""Ditto: a personal model beside the global one, drawn towards it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.axes import sequential
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, TwoModels, global_and_personal, reported
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, ClientState, Float, Metrics, PRNGKeyArray, PyTree


def ditto(weights: Float[Array, "clients"], pull: float | Float[Array, ""]) -> Strategy:
    """FedAvg for the global w, and for each client a personal v_k: min f_k(v) + lambda/2 ||v - w||^2.

    v_k takes as many steps as w_k, on the same batches, towards the w received in this round. With lambda = 0 the
    personal models are those of ``local_only``.

    Source: Li et al., Ditto: Fair and Robust Federated Learning Through Personalization, ICML 2021, algorithm 1.

    >>> float(ditto(jnp.array([3.0, 1.0]), 0.5).client.args[0])
    0.5
    """
    pull = jnp.asarray(in_range("Ditto's pull", pull), weights.dtype)
    return fedavg(weights)._replace(client=Partial(_with_personal, pull), tested=jnp.int32(1))


def _with_personal(pull: Array, client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    def init(client: ClientState) -> TwoModels:
        return TwoModels(client_update.init(client), client, client_update.init(client))

    def update(
        client: ClientState, memory: TwoModels, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, TwoModels, Metrics]:
        def train(state: PyTree, factors: tuple[Array, Array], _: None) -> tuple[PyTree, PyTree]:
            client, stored = state
            mu, towards = factors
            drawn = broadcast.drawn_to(broadcast.anchor, towards)._replace(mu=mu)
            model, stored, metrics = client_update.update(client, stored, drawn, data, key)
            return (model, stored), metrics

        mu = jnp.asarray(0 if broadcast.mu is None else broadcast.mu, pull.dtype)
        pair = (client, memory.inner), (memory.personal, memory.own)
        factors = (jnp.stack([mu, jnp.zeros_like(mu)]), jnp.stack([jnp.zeros_like(pull), pull]))
        trained, metrics = sequential(train, jax.tree.map(lambda *leaves: jnp.stack(leaves), *pair), factors, None)
        (client, inner), (personal, own) = (jax.tree.map(lambda leaf, at=at: leaf[at], trained) for at in (0, 1))
        diverged = reported(metrics, "diverged", "Ditto").max()
        counts = jax.tree.map(lambda leaf: leaf[0], metrics) | {"diverged": diverged}
        return client, TwoModels(inner, personal, own), counts

    return client_update._replace(init=init, update=update, models=global_and_personal)
