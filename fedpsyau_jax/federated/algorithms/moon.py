"""MOON: representations stay near the global model's and leave the client's previous ones."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import local_only
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory
from fedpsyau_jax.federated.compact import averaging
from fedpsyau_jax.federated.minibatch import masked_mean
from fedpsyau_jax.federated.problem import Problem, Representation
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Metrics, Params, PRNGKeyArray, PyTree


def moon(weights: Float[Array, "clients"], factor: float | Array, temperature: float | Array = 0.5) -> Strategy:
    """FedAvg whose loss adds mu l_con, l_con = -log(e^(s_g/tau) / (e^(s_g/tau) + e^(s_p/tau))).

    s_g, s_p: cosine of an example's representation with that of the received model, and of the client's own model of
    the round before. W = I keeps that one (an anchor that is the average is where training starts), so it needs no
    other memory. Representations are those before the last layer, without a projection head. With mu = 0 it is FedAvg.

    Source: Li et al., Model-Contrastive Federated Learning, CVPR 2021, eq. 3 and algorithm 1.

    >>> moon(jnp.array([3.0, 1.0]), 1.0).anchor.tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    in_range("MOON's factor", factor)
    in_range("MOON's temperature", temperature, above=True)
    numbers = (jnp.asarray(number, weights.dtype) for number in (factor, temperature))
    return local_only(weights)._replace(anchor=averaging(weights), client=Partial(_contrasted, *numbers))


def _contrasted(factor: Array, temperature: Array, client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    representation: Representation = problem.needed("representation", "MOON")

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        def contrasting(loss: LossFn) -> LossFn:
            def of_batch(params: Params, model_state: PyTree, batch: Batch, key: PRNGKeyArray) -> PyTree:
                models = (params, *jax.lax.stop_gradient((broadcast.anchor, client.params)))
                now, shared, own = (representation.features(one, model_state, batch, key) for one in models)
                excess = (cosine(now, own) - cosine(now, shared)) / temperature.astype(now.dtype)
                value, rest = loss(params, model_state, batch, key)
                contrast = masked_mean(jax.nn.softplus(excess), batch.mask)
                return value + factor.astype(value.dtype) * contrast, rest

            return of_batch

        start = client._replace(params=broadcast.anchor)
        return client_update.update(start, memory, broadcast.with_objective(contrasting), data, key)

    return client_update._replace(update=update)


def cosine(one: Float[Array, "batch feat"], other: Float[Array, "batch feat"]) -> Float[Array, "batch"]:
    """Cosine of the angle between rows; 0 where one of them is 0."""
    squares = (one**2).sum(axis=1) * (other**2).sum(axis=1)
    known = squares > 0
    return jnp.where(known, (one * other).sum(axis=1) * jax.lax.rsqrt(jnp.where(known, squares, 1)), 0)
