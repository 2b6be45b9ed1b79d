"""Many trials in one compiled program, an epoch a call: one after another on a CPU, all at once on an accelerator.

A trial is a federation of one client that holds the whole training set; an epoch is a round.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.inputs.mer_settings import MerSettings
from experiments.training.compiler import to_run_a_minute, to_run_long, to_run_once
from experiments.training.detector_training import at_rates
from experiments.training.federation import INITIAL_WEIGHTS
from experiments.training.recognition import Context, Recognition
from experiments.training.tasks import CHUNK
from experiments.training.trials import TrialData
from fedpsyau_jax import metrics
from fedpsyau_jax.federated import (
    AxisMap,
    FederatedAlgorithm,
    FedState,
    centralised,
    equal_batches,
    federated,
    in_chunks,
    kept,
    local_training,
    sequential,
    vectorised,
)
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Int, Metrics, PyTree

MEMORY_SHARE = 0.5
ACTIVATION_BYTES = {"frozen": 1.5e6, "finetuned": 1.2e7, "scratch": 1.2e7}
"""Working memory of training for each example of a batch, roughly."""


class TrialState(NamedTuple):
    """What is carried from epoch to epoch.

    ``training``: the federation of one; ``best``: the network with the best validation ``score`` so far, where it is
    to be selected, else None.
    """

    training: FedState
    best: ClientState | None
    score: Float[Array, "*trials"]


class Program(NamedTuple):
    """A chunk of trials, compiled.

    ``like``, ``counts``: shapes and dtypes of the states, and of an epoch's metrics; ``init(data)``;
    ``epoch(states, data, ratio) -> (states, metrics)`` takes over the memory of the states it is given;
    ``test(states, data, ratio) -> predictions`` of the selected or last networks, [trials, test examples, ...].
    """

    like: TrialState
    counts: Metrics
    init: Callable[[TrialData], TrialState]
    epoch: Callable[[TrialState, TrialData, Array], tuple[TrialState, Metrics]]
    test: Callable[[TrialState, TrialData, Array], PyTree]


def one_client(settings: MerSettings, recognition: Recognition, context: Context, num_train: int) -> FederatedAlgorithm:
    """The training of one trial."""

    training = local_training(
        recognition.loss(context),
        optax.chain(
            optax.scale_by_adam(), optax.add_decayed_weights(settings.weight_decay), at_rates(recognition.rates)
        ),
        optax.constant_schedule(settings.learning_rate),
        batch_size=equal_batches(num_train, settings.batch),
        optimizer_state=kept,
    )
    return federated(centralised(jnp.ones(1)), training)


def initial(settings: MerSettings, recognition: Recognition, context: Context, data: TrialData) -> TrialState:
    """The state of one trial before its first epoch."""
    algorithm = one_client(settings, recognition, context, data.train.mask.shape[-1])
    state = algorithm.init(recognition.init(jax.random.fold_in(data.key, INITIAL_WEIGHTS), context))
    return TrialState(state, _only_client(state) if settings.select else None, jnp.float32(-1))


def one_epoch(
    settings: MerSettings, recognition: Recognition, context: Context, state: TrialState, data: TrialData, label: Array
) -> tuple[TrialState, Metrics]:
    """Train one trial for an epoch, score it on its validation examples, and keep it if it is to be selected."""
    algorithm = one_client(settings, recognition, context, data.train.mask.shape[-1])
    training, counts = algorithm.step(state.training, data.train, data.key)
    counts = jax.tree.map(lambda leaf: leaf[0], counts)
    if not data.validation.mask.shape[-1]:
        return TrialState(training, None, state.score), counts
    client = _only_client(training)
    logits = predictions(recognition, context, client, data.validation)["emotion"]
    truth, mask = label[data.validation.examples % len(label)], data.validation.mask
    confusion = metrics.confusion_counts(truth, logits.argmax(-1), logits.shape[-1], mask)
    score = jnp.nan_to_num(metrics.uf1(confusion), nan=0.0).astype(jnp.float32)
    best = state.best
    if best is not None:
        best = jax.tree.map(lambda new, old: jnp.where(score > state.score, new, old), client, best)
        score = jnp.maximum(score, state.score)
    return TrialState(training, best, score), counts | {"validation": confusion}


def predictions(recognition: Recognition, context: Context, client: ClientState, batch: Batch) -> PyTree:
    """Logits for held-out examples."""
    size = min(batch.mask.shape[-1], CHUNK)
    return in_chunks(recognition.predict(context), size)(client, batch)


def compiled(
    settings: MerSettings,
    recognition: Recognition,
    store: PyTree,
    labels: Int[np.ndarray, "rows"],
    data: TrialData,
    over_trials: AxisMap | None = None,
) -> Program:
    """Compile what a chunk of trials does; other chunks of the same shape take the same program.

    Args:
      settings: how to train.
      recognition: what to train.
      store: examples that rows of ``data`` mean.
      labels: classes of the rows.
      data: a chunk.
      over_trials: by default one after another on a CPU, all at once on an accelerator.
    """
    over = over_trials or (sequential if jax.default_backend() == "cpu" else vectorised)
    init = partial(_initial_states, settings, recognition)
    epoch = partial(_epoch_of_all, settings, recognition, over)
    test = partial(_tested, recognition)
    label, ratio = jnp.asarray(labels, jnp.int32), jnp.float32(0)
    lowered = jax.jit(init).lower(store, data)
    first, like = lowered.compile(to_run_once()), lowered.out_info
    lowered = jax.jit(epoch, donate_argnums=0).lower(like, store, label, data, ratio)
    step, counts = lowered.compile(to_run_long()), lowered.out_info[1]
    last = jax.jit(test).lower(like, store, data, ratio).compile(to_run_a_minute())
    return Program(
        like,
        counts,
        lambda data: first(store, data),
        lambda states, data, ratio: step(states, store, label, data, ratio),
        lambda states, data, ratio: last(states, store, data, ratio),
    )


def _initial_states(settings: MerSettings, recognition: Recognition, store: PyTree, data: TrialData) -> TrialState:
    def one(trial: TrialData) -> TrialState:
        return initial(settings, recognition, Context(store, trial.priors, jnp.float32(0), trial.detector), trial)

    return jax.lax.map(one, data)


def _epoch_of_all(
    settings: MerSettings,
    recognition: Recognition,
    over: AxisMap,
    states: TrialState,
    store: PyTree,
    label: Array,
    data: TrialData,
    ratio: Array,
) -> tuple[TrialState, Metrics]:
    def one(state: TrialState, trial: TrialData, shared: PyTree) -> tuple[TrialState, Metrics]:
        store, label, ratio = shared
        return one_epoch(settings, recognition, Context(store, trial.priors, ratio), state, trial, label)

    return over(one, states, data, (store, label, ratio))


def _tested(recognition: Recognition, states: TrialState, store: PyTree, data: TrialData, ratio: Array) -> PyTree:
    def one(tested: tuple[TrialState, TrialData]) -> PyTree:
        state, trial = tested
        client = _only_client(state.training) if state.best is None else state.best
        return predictions(recognition, Context(store, trial.priors, ratio), client, trial.test)

    return jax.lax.map(one, (states, data))


def networks(states: TrialState) -> ClientState:
    """[trials, ...] the networks that are tested, packed: the selected or last ones."""
    return jax.tree.map(lambda leaf: leaf[:, 0], states.training.clients) if states.best is None else states.best


def trials_at_once(settings: MerSettings, recognition: Recognition, context: Context, num_trials: int) -> int:
    """Trials of a chunk: as chosen, or as many as half of the memory holds; then equally many in each chunk."""
    chosen = settings.folds_at_once or _fitting(settings, recognition, context)
    num_chunks = -(-num_trials // min(chosen, num_trials))
    return -(-num_trials // num_chunks)


def _fitting(settings: MerSettings, recognition: Recognition, context: Context) -> int:
    client = jax.eval_shape(recognition.init, jax.random.key(0), context)
    weights = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(client))
    needed = (4 if settings.select else 3) * weights
    if jax.default_backend() != "cpu":
        needed += 3 * weights + settings.batch * ACTIVATION_BYTES[settings.au]
    return max(int(MEMORY_SHARE * _memory() / needed), 1)


def _memory() -> float:
    """Bytes of the device; of the machine, where the device does not tell."""
    told = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    return told or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _only_client(state: FedState) -> ClientState:
    return jax.tree.map(lambda leaf: leaf[0], state.clients)
