"""One optimiser step of a client, whatever its gradient is made of, and the sums that it reports."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from fedpsyau_jax.federated.client import Broadcast, LossFn, reported
from fedpsyau_jax.federated.regularizers import Regularizer
from fedpsyau_jax.types import (
    Array,
    Batch,
    ClientState,
    Float,
    Int,
    Metrics,
    ModelState,
    Params,
    PRNGKeyArray,
)

__all__ = [
    "Descent",
    "Progress",
    "Pull",
    "Slope",
    "descent",
    "diverged",
    "objective_of",
    "of_batch",
    "zeros_like_metrics",
]


class Progress(NamedTuple):
    """A client in training: its model, its optimiser's state, and the sums of its metrics."""

    client: ClientState
    opt_state: optax.OptState
    metrics: Metrics


Pull: TypeAlias = Callable[[Params, Any], Float[Array, ""]]
"""``(params, dtype) -> mu regularizer(params, anchor)``: the proximal term, which knows no example."""
Gradient: TypeAlias = Callable[[Params, ModelState, Any, PRNGKeyArray], tuple[Params, tuple[ModelState, Metrics]]]
Slope: TypeAlias = Callable[[LossFn, Pull | None], Gradient]
"""From the loss and the proximal term to the gradient of their sum on what a step sees, with new state and metrics."""
Descent: TypeAlias = Callable[[Int[Array, ""], Progress, Any, PRNGKeyArray], Progress]
"""One step in an epoch on what it sees, usually a batch."""


def of_batch(loss: LossFn, pull: Pull | None) -> Gradient:
    """The gradient of a batch, as it is; a ``Slope``."""

    def objective(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[ModelState, Metrics]]:
        value, (model_state, counts) = loss(params, model_state, batch, key)
        if pull is None:
            return value, (model_state, counts)
        return value + pull(params, value.dtype), (model_state, counts)

    return jax.grad(objective, has_aux=True)


def descent(
    loss: LossFn,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    regularizer: Regularizer,
    broadcast: Broadcast,
    first_step: Int[Array, ""],
    slope: Slope = of_batch,
) -> Descent:
    """The step of ``local_training`` and ``private_training``.

    Args:
        loss: that is trained, without proximal term; it reports ``steps``.
        optimizer: with unit learning rate and without the sign.
        learning_rate: of the steps since round 0.
        regularizer: of the proximal term.
        broadcast: of the round.
        first_step: number of the round's first step.
        slope: what a gradient is.
    """
    gradient_of = slope(loss, _pull(regularizer, broadcast))

    def descend(epoch: Int[Array, ""], progress: Progress, batch: Any, key: PRNGKeyArray) -> Progress:
        (params, model_state), opt_state, metrics = progress
        gradient, (model_state, counts) = gradient_of(params, model_state, batch, key)
        direction, opt_state = optimizer.update(gradient, opt_state, params)
        rate = learning_rate(first_step + metrics["steps"])
        if broadcast.steer is not None:
            direction = broadcast.steer(direction, epoch)
            counts["rates"] = jnp.asarray(rate, metrics["rates"].dtype)
        params = jax.tree.map(lambda w, d: w - jnp.asarray(rate, w.dtype) * d, params, direction)
        metrics = jax.tree.map(jnp.add, metrics, counts)
        return Progress(ClientState(params, model_state), opt_state, metrics)

    return descend


def _pull(regularizer: Regularizer, broadcast: Broadcast) -> Pull | None:
    if (mu := broadcast.mu) is None:
        return None
    return lambda params, dtype: mu.astype(dtype) * regularizer(params, broadcast.anchor)


def objective_of(loss: LossFn, broadcast: Broadcast) -> LossFn:
    """What is trained: the loss with itself among its metrics, changed as the algorithm's Broadcast says."""

    def reporting(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[ModelState, Metrics]]:
        value, (model_state, counts) = loss(params, model_state, batch, key)
        return value, (model_state, counts | {"batch_loss": value, "steps": jnp.int32(1)})

    return reporting if broadcast.objective is None else broadcast.objective(reporting)


def zeros_like_metrics(
    loss: LossFn, client: ClientState, batch: Batch, key: PRNGKeyArray, broadcast: Broadcast, rate: Any
) -> Metrics:
    """Zeros of the shapes that the loss reports on a batch; with ``rates`` where the Broadcast steers.

    Raises:
        ValueError: a changed loss does not report what training needs.
    """
    _, (_, metrics) = jax.eval_shape(loss, *client, batch, key)
    for name in ("batch_loss", "steps"):
        reported(metrics, name, "local_training", "a loss changed by a Broadcast's objective")
    zeros: Metrics = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), metrics)
    if broadcast.steer is not None:
        zeros["rates"] = jnp.zeros_like(jnp.asarray(rate, zeros["batch_loss"].dtype))
    return zeros


def diverged(progress: Progress) -> Int[Array, ""]:
    """1 if the loss of some batch, or a weight, is not finite."""
    watched = (progress.client.params, progress.metrics["batch_loss"])
    finite = jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), watched)
    return 1 - jax.tree.reduce(jnp.logical_and, finite).astype(jnp.int32)
