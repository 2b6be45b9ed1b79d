"""Per-FedAvg: the global model is one from which a single step personalises well."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, TwoModels, global_and_personal
from fedpsyau_jax.federated.problem import Problem, over_batches
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Static, Strategy
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Metrics, Params, PRNGKeyArray, PyTree

ONE_BATCH = 1e-9


def per_fedavg(weights: Float[Array, "clients"], rate: float | Array, *, first_order: bool = True) -> Strategy:
    """FedAvg of f_k(w - alpha grad f_k(w)); the personal model is one such step from the client's, on one batch.

    Its gradient is (I - alpha hess f) grad f(w - alpha grad f); the first-order variant (FO) leaves out the Hessian,
    otherwise it is exact (the paper's HF approximates it by differences). Both gradients are of the same batch, where
    the paper draws independent ones; the personal step is from the client's model after training. Metrics are those
    before the step. With alpha = 0 it is FedAvg.

    Source: Fallah et al., Personalized Federated Learning with Theoretical Guarantees, NeurIPS 2020, algorithm 1.

    >>> float(per_fedavg(jnp.array([3.0, 1.0]), 0.25).client.args[1])
    0.25
    """
    client = Partial(
        _through_a_step, Static(first_order), jnp.asarray(in_range("Per-FedAvg's rate", rate), weights.dtype)
    )
    return fedavg(weights)._replace(client=client, tested=jnp.int32(1))


def _through_a_step(first_order: Static, rate: Array, client_update: ClientUpdate, problem: Problem) -> ClientUpdate:
    loss: LossFn = problem.needed("loss", "Per-FedAvg")

    def stepped(loss: LossFn, params: Params, *rest: PyTree) -> tuple[Params, Metrics]:
        slope, (_, counts) = jax.grad(loss, has_aux=True)(params, *rest)
        slope = jax.lax.stop_gradient(slope) if first_order.value else slope
        return jax.tree.map(lambda w, s: w - rate.astype(w.dtype) * s, params, slope), counts

    def after_step(loss: LossFn) -> LossFn:
        def of_batch(params: Params, *rest: PyTree) -> PyTree:
            moved, counts = stepped(loss, params, *rest)
            value, (model_state, _) = loss(moved, *rest)
            return value, (model_state, counts)

        return of_batch

    def update(
        client: ClientState, memory: TwoModels, broadcast: Broadcast, data: Any, key: PRNGKeyArray
    ) -> tuple[ClientState, TwoModels, Metrics]:
        changed = broadcast.with_objective(after_step)
        trained, inner, metrics = client_update.update(client, memory.inner, changed, data, key)

        def adapt(params: Params, batch: Batch, key: PRNGKeyArray) -> Params:
            return stepped(loss, params, trained.model_state, batch, key)[0]

        adapted = over_batches(adapt, trained.params, data, key, problem, ONE_BATCH)
        return trained, TwoModels(inner, ClientState(adapted, trained.model_state)), metrics

    return client_update._replace(
        init=lambda client: TwoModels(client_update.init(client), client), update=update, models=global_and_personal
    )
