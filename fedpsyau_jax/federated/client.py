"""What a client does in a round: minibatch training with a proximal term towards an anchor."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import lax

from fedpsyau_jax.federated.client_data import ClientData, Identified
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
    PyTree,
)

__all__ = [
    "BatchLoop",
    "Broadcast",
    "ClientUpdate",
    "LossFn",
    "fori_batches",
    "keep_state",
    "local_training",
    "reset_state",
    "scan_batches",
]

Memory = PyTree
LossFn: TypeAlias = Callable[
    [Params, ModelState, Batch, PRNGKeyArray], tuple[Float[Array, ""], tuple[ModelState, Metrics]]
]


class Broadcast(NamedTuple):
    """What a client receives besides the weights: anchor and factor of the proximal term, and the round (from 0)."""

    anchor: Params
    mu: Float[Array, ""]
    round: Int[Array, ""]


class ClientUpdate(NamedTuple):
    """What one client does in a round, as two pure functions without a client axis.

    ``init(params) -> memory``: what the client stores between rounds besides its model;
    ``update(client, memory, broadcast, data, key) -> (client, memory, metrics)``.
    Noise, compression or a drift correction is a function from one ClientUpdate to another.
    """

    init: Callable[[Params], Memory]
    update: Callable[[ClientState, Memory, Broadcast, Any, PRNGKeyArray], tuple[ClientState, Memory, Metrics]]


class _Progress(NamedTuple):
    client: ClientState
    opt_state: optax.OptState
    metrics: Metrics


def keep_state(client_update: ClientUpdate) -> ClientUpdate:
    """Keep the client's memory (optimiser state) from round to round."""
    return client_update


def reset_state(client_update: ClientUpdate) -> ClientUpdate:
    """Reinitialise the client's memory (optimiser state) each round, as in FedProx; nothing is stored."""

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: Identified, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        fresh = client_update.init(client.params)
        client, _, metrics = client_update.update(client, fresh, broadcast, data, key)
        return client, memory, metrics

    return ClientUpdate(lambda params: (), update)


BatchLoop: TypeAlias = Callable[[Callable[[Int[Array, ""], Any], Any], Any, Int[Array, ""], int], Any]


def fori_batches(body: Callable[[Int[Array, ""], Any], Any], start: Any, num_real: Int[Array, ""], num_all: int) -> Any:
    """Loop ``body(step, progress)`` over the real batches of an epoch, and stop after the last one.

    A ``lax.cond`` around each step would also skip empty batches, but XLA:CPU runs its branches on a single core.
    """
    del num_all
    return lax.fori_loop(0, num_real, body, start)


def scan_batches(body: Callable[[Int[Array, ""], Any], Any], start: Any, num_real: Int[Array, ""], num_all: int) -> Any:
    """The same as ``fori_batches``, but differentiable (``lax.scan``); slower on a CPU."""

    def step(progress: Any, index: Int[Array, ""]) -> tuple[Any, None]:
        return lax.cond(index < num_real, body, lambda _, unchanged: unchanged, index, progress), None

    return lax.scan(step, start, jnp.arange(num_all))[0]


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
        A ClientUpdate. To the sums of the loss's metrics it adds ``batch_loss`` (sum over steps, without
        the proximal term), ``steps`` (count) and ``diverged`` (1 if a batch loss or a final weight is not
        finite).

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
        descend = _descent(loss, optimizer, learning_rate, regularizer, broadcast, first_step)

        def epoch(progress: _Progress, index: Int[Array, ""]) -> tuple[_Progress, None]:
            epoch_key = jax.random.fold_in(key, index)
            return _epoch(descend, progress, data, epoch_key, batch_size, tail, loop), None

        start = _Progress(client, opt_state, _zero_metrics(loss, client, data, key, batch_size))
        end, _ = lax.scan(epoch, start, jnp.arange(local_epochs))
        return end.client, end.opt_state, end.metrics | {"diverged": _diverged(end)}

    return optimizer_state(ClientUpdate(optimizer.init, update))


_Descent: TypeAlias = Callable[[_Progress, Batch, PRNGKeyArray], _Progress]


def _descent(
    loss: LossFn,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    regularizer: Regularizer,
    broadcast: Broadcast,
    first_step: Int[Array, ""],
) -> _Descent:
    """One optimiser step on one batch."""

    def objective(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[ModelState, Metrics]]:
        value, (model_state, counts) = loss(params, model_state, batch, key)
        pull = broadcast.mu.astype(value.dtype) * regularizer(params, broadcast.anchor)
        return value + pull, (model_state, counts | {"batch_loss": value, "steps": jnp.int32(1)})

    def descend(progress: _Progress, batch: Batch, key: PRNGKeyArray) -> _Progress:
        (params, model_state), opt_state, metrics = progress
        gradient, (model_state, counts) = jax.grad(objective, has_aux=True)(params, model_state, batch, key)
        direction, opt_state = optimizer.update(gradient, opt_state, params)
        rate = learning_rate(first_step + metrics["steps"])
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
    value, (_, metrics) = jax.eval_shape(loss, *client, batch, key)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), metrics | {"batch_loss": value})
    return zeros | {"steps": jnp.int32(0)}


def _diverged(progress: _Progress) -> Int[Array, ""]:
    """1 if the loss of some batch, or a weight, is not finite."""
    watched = (progress.client.params, progress.metrics["batch_loss"])
    finite = jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), watched)
    return 1 - jax.tree.reduce(jnp.logical_and, finite).astype(jnp.int32)
