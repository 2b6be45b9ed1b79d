"""FedALA: each client learns how much of the global model to start from, weight by weight."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import local_only
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory
from fedpsyau_jax.federated.compact import averaging
from fedpsyau_jax.federated.groups import where_in
from fedpsyau_jax.federated.problem import Problem, over_batches
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Static, Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Int, Metrics, Params, PRNGKeyArray


class Adapted(NamedTuple):
    """A client's memory: that of its training, its weights A in [0, 1], and the rounds that it took part in."""

    inner: Memory
    share: Params
    rounds: Int[Array, ""]


def fedala(
    weights: Float[Array, "clients"], rate: float | Array = 1.0, first_passes: int = 5, data_share: float | Array = 0.8
) -> Strategy:
    """Local training from w_k + A_k (w - w_k), where w is the average and A_k learns: A -= eta grad_A f_k, in [0, 1].

    A is 1 but for the head, the paper's top layers. It learns in one pass over a share of the client's batches each
    round, and where averages differ for the first time in ``first_passes`` (the paper: until it settles). With eta = 0
    it is FedAvg.

    Source: Zhang et al., FedALA: Adaptive Local Aggregation for Personalized Federated Learning, AAAI 2023, alg. 1.

    >>> fedala(jnp.array([3.0, 1.0])).anchor.tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    in_range("FedALA's rate", rate)
    in_range("FedALA's share of the batches", data_share, 0.0, 1.0, above=True)
    in_range("FedALA's number of first passes", first_passes, 1.0)
    numbers = (jnp.asarray(number, weights.dtype) for number in (rate, data_share))
    client = Partial(_with_adaptive_start, Static(first_passes), *numbers)
    return local_only(weights)._replace(anchor=averaging(weights), client=client)


def _with_adaptive_start(
    first_passes: Static, rate: Array, data_share: Array, client_update: ClientUpdate, problem: Problem
) -> ClientUpdate:
    loss: LossFn = problem.needed("loss", "FedALA")
    problem.needed("labels", "FedALA")

    def init(client: ClientState) -> Adapted:
        return Adapted(client_update.init(client), jax.tree.map(jnp.ones_like, client.params), jnp.int32(0))

    def update(
        client: ClientState, memory: Adapted, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, Adapted, Metrics]:
        groups = problem.groups_of(client.params)

        def started(share: Params) -> Params:
            return jax.tree.map(lambda own, w, a: own + a * (w - own), client.params, broadcast.anchor, share)

        def learn(share: Params, batch: Batch, key: PRNGKeyArray) -> Params:
            slope = jax.grad(lambda a: loss(started(a), client.model_state, batch, key)[0])(share)
            moved = jax.tree.map(lambda a, s: jnp.clip(a - rate.astype(a.dtype) * s, 0, 1), share, slope)
            return where_in("head", groups, moved, share)

        def one_pass(share: Params, index: Array) -> tuple[Params, None]:
            active = (memory.rounds > 0) & ((index == 0) | (memory.rounds == 1))
            shown = data._replace(mask=data.mask * active.astype(data.mask.dtype))
            return over_batches(learn, share, shown, jax.random.fold_in(key, index), problem, data_share), None

        share, _ = jax.lax.scan(one_pass, memory.share, jnp.arange(first_passes.value))
        start = client._replace(params=started(share))
        trained, inner, metrics = client_update.update(start, memory.inner, broadcast, data, key)
        return trained, Adapted(inner, share, memory.rounds + 1), metrics

    return client_update._replace(init=init, update=update)
