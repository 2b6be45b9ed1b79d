"""Minibatch training of a client with a proximal term towards an anchor."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import lax

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory, reset_state
from fedpsyau_jax.federated.client_data import ClientData
from fedpsyau_jax.federated.descent import Progress, descent, diverged, objective_of, zeros_like_metrics
from fedpsyau_jax.federated.loops import BatchLoop, fori_batches
from fedpsyau_jax.federated.minibatch import num_batches, shuffled, split_order, take_batch
from fedpsyau_jax.federated.regularizers import Regularizer, squared_prox
from fedpsyau_jax.types import Array, Batch, ClientState, Int, Metrics, PRNGKeyArray

__all__ = ["local_training"]


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
        objective = objective_of(loss, broadcast)
        descend = descent(objective, optimizer, learning_rate, regularizer, broadcast, first_step)

        def epoch(progress: Progress, index: Int[Array, ""]) -> tuple[Progress, None]:
            epoch_key = jax.random.fold_in(key, index)
            return _epoch(partial(descend, index), progress, data, epoch_key, batch_size, tail, loop), None

        batch = take_batch(data.examples, data.mask, jnp.zeros(batch_size, jnp.int32))
        zeros = zeros_like_metrics(objective, client, batch, key, broadcast, learning_rate(first_step))
        start = Progress(client, opt_state, zeros)
        end, _ = lax.scan(epoch, start, jnp.arange(local_epochs))
        return end.client, end.opt_state, end.metrics | {"diverged": diverged(end)}

    return optimizer_state(ClientUpdate(lambda client: optimizer.init(client.params), update))


def _epoch(
    descend: Callable[[Progress, Batch, PRNGKeyArray], Progress],
    progress: Progress,
    data: ClientData,
    key: PRNGKeyArray,
    batch_size: int,
    tail: bool,
    loop: BatchLoop,
) -> Progress:
    """One pass over the client's real examples in random order."""
    order_key, step_key = jax.random.split(key)
    batches, rest = split_order(shuffled(order_key, data.mask), batch_size, tail=tail)
    num_full, num_real = batches.shape[0], num_batches(data.mask, batch_size)

    def descend_on(progress: Progress, indices: Int[Array, "batch"], step: Int[Array, ""] | int) -> Progress:
        batch = take_batch(data.examples, data.mask, indices)
        return descend(progress, batch, jax.random.fold_in(step_key, step))

    def full_batch(step: Int[Array, ""], progress: Progress) -> Progress:
        return descend_on(progress, batches[step], step)

    if num_full:
        progress = loop(full_batch, progress, jnp.minimum(num_real, num_full), num_full)
    if not rest.size:
        return progress
    return loop(
        lambda _, progress: descend_on(progress, rest, num_full), progress, jnp.maximum(num_real - num_full, 0), 1
    )
