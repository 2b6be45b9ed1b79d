"""Local training in which no subject can change a step by more than a bound, which noise hides."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, LossFn, Memory, reset_state
from fedpsyau_jax.federated.descent import Gradient, Progress, Pull, descent, diverged, objective_of, zeros_like_metrics
from fedpsyau_jax.federated.loops import BatchLoop, fori_batches
from fedpsyau_jax.federated.private.clipping import clipped, gaussian_like
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.regularizers import Regularizer, squared_prox
from fedpsyau_jax.types import (
    Array,
    Batch,
    Bool,
    ClientState,
    Float,
    Int,
    Metrics,
    ModelState,
    Params,
    PRNGKeyArray,
    PyTree,
)

__all__ = ["BySubject", "private_training"]

Number = float | Float[Array, ""]


class BySubject(NamedTuple):
    """Training data of one client, or of several with a leading axis [clients], in which each row is a subject.

    ``id``: as of ``ClientData``; ``examples``: a pytree with leaves [subjects, clips, ...]; ``mask``: 1 for a real
    example; a subject without one is padding. Passes of an algorithm over a client's examples (``over_batches``) cannot
    read it: only ``private_training`` does.

    >>> BySubject(jnp.int32(0), jnp.zeros((2, 3)), jnp.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])).num_subjects.tolist()
    2
    """

    id: Int[Array, "*clients"]
    examples: PyTree
    mask: Float[Array, "*clients subjects clips"]

    @property
    def present(self) -> Bool[Array, "*clients subjects"]:
        """Which subjects are none of the padding."""
        return (self.mask > 0).any(axis=-1)

    @property
    def num_subjects(self) -> Int[Array, "*clients"]:
        """How many subjects there are. It is public, as are the numbers of clips."""
        return self.present.sum(axis=-1, dtype=jnp.int32)


def private_training(
    loss: LossFn,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    regularizer: Regularizer = squared_prox,
    *,
    clip: Number,
    noise: Number,
    sampling: float,
    local_epochs: int = 1,
    optimizer_state: Callable[[ClientUpdate], ClientUpdate] = reset_state,
    loop: BatchLoop = fori_batches,
) -> ClientUpdate:
    """``local_training`` for ``BySubject`` data, differentially private for each subject with all of their clips.

    A step draws each subject with probability q and goes along

        (sum_s clip_C(grad f_s(w)) + N(0, (z C)^2)) / (q S) + mu grad regularizer(w, anchor),

    f_s: mean loss of all clips of a drawn subject s; S: number of the client's subjects. Replacing a subject by one
    without a gradient changes the sum by at most C. A local epoch is round(1/q) steps. The model state stays as it is,
    whatever the loss returns. ``accountant.subject_events`` says which mechanism this is.

    Args:
        loss: as of ``local_training``; an algorithm may change it (then each subject sees the changed one).
        optimizer, learning_rate, regularizer, local_epochs, optimizer_state, loop: as of ``local_training``.
        clip: C > 0; may be traced, as noise may.
        noise: multiplier z >= 0 of C; with 0 there is no privacy.
        sampling: q in (0, 1]; decides the number of steps, so that other numbers are other programs.

    Returns:
        A ClientUpdate with the metrics of ``local_training``; ``batch_loss`` is the mean over the drawn subjects. They
        are not private.

    Raises:
        ValueError: a number out of its range.

    Source: Abadi et al., Deep Learning with Differential Privacy, CCS 2016, algorithm 1, with subjects instead of
    examples (McMahan et al., Learning Differentially Private Recurrent Language Models, ICLR 2018).
    """
    in_range("the clip", clip, above=True)
    in_range("the noise multiplier", noise)
    in_range("the share of subjects in a step", sampling, 0.0, 1.0, above=True)
    in_range("local_epochs", local_epochs, 1.0)
    steps = max(round(1 / sampling), 1)

    def update(
        client: ClientState, opt_state: Memory, broadcast: Broadcast, data: BySubject, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        first_step = broadcast.round * local_epochs * steps
        objective = objective_of(loss, broadcast)
        slope = partial(_of_subjects, clip, noise, sampling, loop)
        descend = descent(objective, optimizer, learning_rate, regularizer, broadcast, first_step, slope)
        num_real = jnp.where(data.present.any(), steps, 0)

        def epoch(progress: Progress, index: Int[Array, ""]) -> tuple[Progress, None]:
            epoch_key = jax.random.fold_in(key, index)

            def step(number: Int[Array, ""], progress: Progress) -> Progress:
                return descend(index, progress, data, jax.random.fold_in(epoch_key, number))

            return loop(step, progress, num_real, steps), None

        zeros = zeros_like_metrics(objective, client, _of(data, 0), key, broadcast, learning_rate(first_step))
        end, _ = lax.scan(epoch, Progress(client, opt_state, zeros), jnp.arange(local_epochs))
        return end.client, end.opt_state, end.metrics | {"diverged": diverged(end)}

    return optimizer_state(ClientUpdate(lambda client: optimizer.init(client.params), update))


def _of(data: BySubject, subject: Int[Array, ""] | int) -> Batch:
    """All clips of a subject; padding becomes zeros, as in ``take_batch``."""
    mask = jnp.take(data.mask, subject, axis=0)

    def take(leaf: Array) -> Array:
        clips = jnp.take(leaf, subject, axis=0)
        return jnp.where(mask.reshape(-1, *[1] * (clips.ndim - 1)) > 0, clips, 0)

    return Batch(jax.tree.map(take, data.examples), mask)


def _of_subjects(
    clip: Number, noise: Number, sampling: float, loop: BatchLoop, loss: LossFn, pull: Pull | None
) -> Gradient:
    """The noised mean of the clipped gradients of a random sample of subjects, as a ``Slope``."""

    def gradient(
        params: Params, model_state: ModelState, data: BySubject, key: PRNGKeyArray
    ) -> tuple[Params, tuple[ModelState, Metrics]]:
        draw_key, noise_key, loss_key = jax.random.split(key, 3)
        drawn = data.present & jax.random.bernoulli(draw_key, sampling, data.present.shape)
        order, num_drawn = jnp.argsort(~drawn, stable=True), drawn.sum(dtype=jnp.int32)

        def of_one(subject: Int[Array, ""]) -> tuple[Params, Metrics]:
            own_key = jax.random.fold_in(loss_key, subject)
            slope, (_, counts) = jax.grad(loss, has_aux=True)(params, model_state, _of(data, subject), own_key)
            return clipped(slope, clip), counts

        def add(place: Int[Array, ""], sums: tuple[Params, Metrics]) -> tuple[Params, Metrics]:
            total: tuple[Params, Metrics] = jax.tree.map(jnp.add, sums, of_one(order[place]))
            return total

        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(of_one, jnp.int32(0)))
        total, counts = loop(add, nothing, num_drawn, len(drawn))
        hidden = jax.tree.map(jnp.add, total, gaussian_like(noise_key, total, jnp.asarray(noise) * clip))
        expected = sampling * jnp.maximum(data.num_subjects, 1)
        mean = jax.tree.map(lambda leaf: leaf / expected.astype(leaf.dtype), hidden)
        if pull is not None:
            mean = jax.tree.map(jnp.add, mean, jax.grad(pull)(params, counts["batch_loss"].dtype))
        loss_of_step = counts["batch_loss"] / jnp.maximum(num_drawn, 1).astype(counts["batch_loss"].dtype)
        return mean, (model_state, counts | {"batch_loss": loss_of_step, "steps": jnp.int32(1)})

    return gradient
