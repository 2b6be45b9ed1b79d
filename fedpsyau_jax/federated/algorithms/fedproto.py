"""FedProto: clients exchange the mean representation of each class instead of weights."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import local_only
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory
from fedpsyau_jax.federated.minibatch import masked_mean
from fedpsyau_jax.federated.problem import Problem, Representation, over_batches
from fedpsyau_jax.federated.prototypes import Prototypes
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Metrics, Params, PRNGKeyArray, PyTree


class Remembered(NamedTuple):
    """A client's memory: that of its training, and the prototypes that it sends to the others."""

    inner: Memory
    prototypes: Prototypes


def fedproto(weights: Float[Array, "clients"], factor: float | Array) -> Strategy:
    """Local training whose loss adds lambda times the mean squared difference of z from the prototype of its class.

    C_j = sum of z over all clients' examples of class j / their number. Differs from the paper: the distance is that of
    examples (the released code), not of class means; the further 1 / (number of clients) of eq. 6 is left out; a client
    predicts with its own last layer. No term in round 0 or for a class that nobody has. With lambda = 0 it is
    ``local_only``.

    Source: Tan et al., FedProto: Federated Prototype Learning across Heterogeneous Clients, AAAI 2022, algorithm 1.

    >>> fedproto(jnp.array([3.0, 1.0]), 1.0).mixing.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    real = (weights > 0).astype(weights.dtype)
    messages = jnp.broadcast_to(real, (len(weights), len(weights)))
    return local_only(weights)._replace(
        messages=messages,
        client=Partial(_with_prototypes, jnp.asarray(in_range("FedProto's factor", factor), weights.dtype)),
    )


def _with_prototypes(factor: Array, client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    representation: Representation = problem.needed("representation", "FedProto")
    nothing = Prototypes.none(representation)

    def update(
        client: ClientState, memory: Remembered, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Remembered, Metrics]:
        def drawn_together(loss: LossFn) -> LossFn:
            def of_batch(params: Params, model_state: PyTree, batch: Batch, key: PRNGKeyArray) -> PyTree:
                value, rest = loss(params, model_state, batch, key)
                z = representation.features(params, model_state, batch, key)
                gaps = broadcast.heard.distances(z, representation.label(batch))
                return value + factor.astype(value.dtype) * masked_mean(gaps, batch.mask), rest

            return of_batch

        def add(sums: Prototypes, batch: Batch, key: PRNGKeyArray) -> Prototypes:
            z = representation.features(trained.params, trained.model_state, batch, key)
            return sums.plus(z, representation.label(batch), batch.mask)

        changed = broadcast.with_objective(drawn_together)
        trained, inner, metrics = client_update.update(client, memory.inner, changed, data, key)
        prototypes = over_batches(add, jax.tree.map(jnp.zeros_like, memory.prototypes), data, key, problem)
        return trained, Remembered(inner, prototypes), metrics

    return client_update._replace(
        init=lambda client: Remembered(client_update.init(client), nothing),
        update=update,
        message=lambda memory: memory.prototypes,
    )
