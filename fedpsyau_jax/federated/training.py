"""Minibatch training of a client with a proximal term towards an anchor."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import lax

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory, reported, reset_state
from fedpsyau_jax.federated.client_data import ClientData
from fedpsyau_jax.federated.loops import BatchLoop, fori_batches
from fedpsyau_jax.federated.minibatch import Batch, num_batches, shuffled, split_order, take_batch
from fedpsyau_jax.federated.regularizers import Regularizer, squared_prox
from fedpsyau_jax.types import (
    Array,
    ClientState,
    Float,
    Int,
    Metrics,
    ModelState,
    Params,
    PRNGKeyArray,
)

__all__ = ["local_training"]


class _Progress(NamedTuple):
    client: ClientState
    opt_state: optax.OptState
    metrics: Metrics


def local_training(
    loss: LossFn,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    regularizer: Regularizer = squared_prox,
    *,
    batch_size: int,
    local_epochs: int = 1,
    optimizer_state: Callable[[ClientUpdate], ClientUpdate] = reset_state,
    tail: bool = False,
    loop: BatchLoop = fori_batches,
) -> ClientUpdate:
    """Minibatch training of loss + mu * regularizer(w, anchor) on one client's data.

    Each local epoch draws its own permutation of the real examples. A batch without a real example changes
    nothing: weights, optimiser state, model state and counts stay as they are.

    Args:
        loss: mean loss of a batch over its real examples, the new model state and metrics (sums and counts).
        optimizer: with unit learning rate and without the sign, such as ``optax.scale_by_adam()``.
        learning_rate: a function of the client's steps since round 0, so that a warm-up can span rounds.
        regularizer: (params, anchor) -> scalar.
        batch_size: examples in a batch; the last one of an epoch may hold fewer real ones.
        local_epochs: passes over the data in one round.
        optimizer_state: ``reset_state`` each round or ``keep_state``.
        tail: give the last batch its own smaller shape instead of padding it: less work, but more to compile.
        loop: ``fori_batches``, or ``scan_batches`` to differentiate through the training.

    Returns:
        A ClientUpdate. To the sums of the loss's metrics it adds ``batch_loss`` (sum over steps of the loss as given,
        without a proximal term or an algorithm's own), ``steps`` (count) and ``diverged`` (1 if a batch loss or a final
        weight is not finite); where the Broadcast steers, also ``rates``, the sum of the learning rates of all steps.

    Raises:
        ValueError: a batch size or a number of epochs below 1.

    Source: Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020, algorithm 2. The released
    implementation restarts its warm-up each round, at learning rate 0.
    """
    if batch_size < 1 or local_epochs < 1:
        raise ValueError(f"batch_size and local_epochs are {batch_size} and {local_epochs}: both must be at least 1")

    def update(
        client: ClientState, opt_state: Memory, broadcast: Broadcast, data: ClientData, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        first_step = broadcast.round * local_epochs * num_batches(data.mask, batch_size)
        reporting = _reporting(loss)
        objective = reporting if broadcast.objective is None else broadcast.objective(reporting)
        descend = _descent(objective, optimizer, learning_rate, regularizer, broadcast, first_step)

        def epoch(progress: _Progress, index: Int[Array, ""]) -> tuple[_Progress, None]:
            epoch_key = jax.random.fold_in(key, index)
            return _epoch(partial(descend, index), progress, data, epoch_key, batch_size, tail, loop), None

        zeros = _zero_metrics(objective, client, data, key, batch_size)
        if broadcast.steer is not None:
            zeros["rates"] = jnp.zeros_like(jnp.asarray(learning_rate(first_step), zeros["batch_loss"].dtype))
        start = _Progress(client, opt_state, zeros)
        end, _ = lax.scan(epoch, start, jnp.arange(local_epochs))
        return end.client, end.opt_state, end.metrics | {"diverged": _diverged(end)}

    return optimizer_state(ClientUpdate(lambda client: optimizer.init(client.params), update))


def _reporting(loss: LossFn) -> LossFn:
    """The loss with itself among its metrics, before any algorithm changes what is trained."""

    def of_batch(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[ModelState, Metrics]]:
        value, (model_state, counts) = loss(params, model_state, batch, key)
        return value, (model_state, counts | {"batch_loss": value, "steps": jnp.int32(1)})

    return of_batch


_Descent: TypeAlias = Callable[[_Progress, Batch, PRNGKeyArray], _Progress]
"""One step on one batch; ``_descent`` makes it of the epoch, too."""


def _descent(
    loss: LossFn,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    regularizer: Regularizer,
    broadcast: Broadcast,
    first_step: Int[Array, ""],
) -> Callable[[Int[Array, ""], _Progress, Batch, PRNGKeyArray], _Progress]:
    """One optimiser step on one batch of an epoch."""

    def objective(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[ModelState, Metrics]]:
        value, (model_state, counts) = loss(params, model_state, batch, key)
        if broadcast.mu is None:
            return value, (model_state, counts)
        pull = broadcast.mu.astype(value.dtype) * regularizer(params, broadcast.anchor)
        return value + pull, (model_state, counts)

    def descend(epoch: Int[Array, ""], progress: _Progress, batch: Batch, key: PRNGKeyArray) -> _Progress:
        (params, model_state), opt_state, metrics = progress
        gradient, (model_state, counts) = jax.grad(objective, has_aux=True)(params, model_state, batch, key)
        direction, opt_state = optimizer.update(gradient, opt_state, params)
        rate = learning_rate(first_step + metrics["steps"])
        if broadcast.steer is not None:
            direction = broadcast.steer(direction, epoch)
            counts["rates"] = jnp.asarray(rate, metrics["rates"].dtype)
        params = jax.tree.map(lambda w, d: w - jnp.asarray(rate, w.dtype) * d, params, direction)
        metrics = jax.tree.map(jnp.add, metrics, counts)
        return _Progress(ClientState(params, model_state), opt_state, metrics)

    return descend


def _epoch(
    descend: _Descent,
    progress: _Progress,
    data: ClientData,
    key: PRNGKeyArray,
    batch_size: int,
    tail: bool,
    loop: BatchLoop,
) -> _Progress:
    """One pass over the client's real examples in random order."""
    order_key, step_key = jax.random.split(key)
    batches, rest = split_order(shuffled(order_key, data.mask), batch_size, tail=tail)
    num_full, num_real = batches.shape[0], num_batches(data.mask, batch_size)

    def descend_on(progress: _Progress, indices: Int[Array, "batch"], step: Int[Array, ""] | int) -> _Progress:
        batch = take_batch(data.examples, data.mask, indices)
        return descend(progress, batch, jax.random.fold_in(step_key, step))

    def full_batch(step: Int[Array, ""], progress: _Progress) -> _Progress:
        return descend_on(progress, batches[step], step)

    progress = loop(full_batch, progress, jnp.minimum(num_real, num_full), num_full)
    if not rest.size:
        return progress
    return loop(
        lambda _, progress: descend_on(progress, rest, num_full), progress, jnp.maximum(num_real - num_full, 0), 1
    )


def _zero_metrics(loss: LossFn, client: ClientState, data: ClientData, key: PRNGKeyArray, batch_size: int) -> Metrics:
    """Zeros of the shapes that the loss reports."""
    batch = take_batch(data.examples, data.mask, jnp.zeros(batch_size, jnp.int32))
    _, (_, metrics) = jax.eval_shape(loss, *client, batch, key)
    for name in ("batch_loss", "steps"):
        reported(metrics, name, "local_training", "a loss changed by a Broadcast's objective")
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), metrics)


def _diverged(progress: _Progress) -> Int[Array, ""]:
    """1 if the loss of some batch, or a weight, is not finite."""
    watched = (progress.client.params, progress.metrics["batch_loss"])
    finite = jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), watched)
    return 1 - jax.tree.reduce(jnp.logical_and, finite).astype(jnp.int32)
