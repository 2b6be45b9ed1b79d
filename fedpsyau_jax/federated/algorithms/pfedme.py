"""pFedMe: the global model follows the clients' Moreau envelopes, whose minimisers are the personal models."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, TwoModels, global_and_personal, reported
from fedpsyau_jax.federated.problem import Problem
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Static, Strategy
from fedpsyau_jax.types import Array, ClientState, Float, Metrics, PRNGKeyArray, PyTree


def pfedme(weights: Float[Array, "clients"], pull: float | Array, rate: float | Array, steps: int = 1) -> Strategy:
    """R times a round: theta_k minimises f_k(theta) + lambda/2 ||theta - w_k||^2; w_k -= eta lambda (w_k - theta_k).

    The minimiser is approximated by local training from w_k over all of the client's data (the paper: over one
    minibatch). The server averages; the paper's beta is an ``outer`` of ``optax.scale(beta)``. With eta = 1/lambda and
    R = 1 the global models are those of ``fedprox`` with mu = lambda, and the personal ones are equal to them.

    Source: T. Dinh et al., Personalized Federated Learning with Moreau Envelopes, NeurIPS 2020, algorithm 1.

    >>> [float(number) for number in pfedme(jnp.array([3.0, 1.0]), 16.0, 0.25).client.args[1:]]
    [16.0, 0.25]
    """
    in_range("pFedMe's pull", pull, above=True)
    in_range("pFedMe's rate", rate)
    in_range("pFedMe's number of steps", steps, 1.0)
    numbers = (jnp.asarray(number, weights.dtype) for number in (pull, rate))
    client = Partial(_in_envelopes, Static(steps), *numbers)
    return fedavg(weights)._replace(client=client, tested=jnp.int32(1))


def _in_envelopes(
    steps: Static, pull: Array, rate: Array, client_update: ClientUpdate, problem: Problem
) -> ClientUpdate:
    def init(client: ClientState) -> TwoModels:
        return TwoModels(client_update.init(client), client)

    def update(
        client: ClientState, memory: TwoModels, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, TwoModels, Metrics]:
        def step(state: PyTree, index: Array) -> tuple[PyTree, Metrics]:
            (w, model_state), inner, _ = state
            towards_w = broadcast.drawn_to(w, pull)
            theta, inner, metrics = client_update.update(
                ClientState(w, model_state), inner, towards_w, data, jax.random.fold_in(key, index)
            )
            move = rate * pull
            w = jax.tree.map(lambda a, b: a - move.astype(a.dtype) * (a - b), w, theta.params)
            return (ClientState(w, theta.model_state), inner, theta), metrics

        start = (client, memory.inner, memory.personal)
        (client, inner, theta), metrics = jax.lax.scan(step, start, jnp.arange(steps.value))
        diverged = reported(metrics, "diverged", "pFedMe").max()
        counts = jax.tree.map(lambda leaf: leaf.sum(axis=0), metrics) | {"diverged": diverged}
        return client, TwoModels(inner, theta), counts

    return client_update._replace(init=init, update=update, models=global_and_personal)
