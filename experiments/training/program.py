"""A group of trainings as one compiled program: the initial state, a round, and the test."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.training.compiler import long_run_options, run_once_options, short_run_options
from experiments.training.local import client_update
from experiments.training.placement import placement, put, with_sharding
from experiments.training.plan import Arrays, Recipe
from experiments.training.store import CHUNK, Store
from experiments.training.task import Context, Task
from fedpsyau_jax import metrics
from fedpsyau_jax.federated import (
    AxisMap,
    ClientUpdate,
    Evaluate,
    FederatedAlgorithm,
    FedState,
    Problem,
    Strategy,
    TrainTest,
    equal_batches,
    federated,
    in_chunks,
    of_tested_models,
    sequential,
)
from fedpsyau_jax.types import Array, Batch, Bool, ClientState, Float, Metrics, PyTree

INITIAL_WEIGHTS = 2**31 - 1
"""Folded into a training's key for its initial weights; no round has this number."""


class State(NamedTuple):
    """The state between rounds, leaves [trainings, ...].

    ``best``: with selection, the networks of the round with the best validation ``score`` so far; else, if clients have
    several networks, those that are tested; else None. If several of each client are tested, ``best`` and ``score``
    have an axis of models, after that of clients.
    """

    federation: FedState
    best: ClientState | None
    score: Float[Array, "*trainings_models"]

    @property
    def tested(self) -> ClientState:
        """The networks to test, packed, leaves [trainings, clients, ...]: the selected or last ones, of each model."""
        return self.federation.clients if self.best is None else self.best


class Program(NamedTuple):
    """A compiled group of trainings. It works for any ``Arrays`` and ``Store`` of the same shapes.

    ``like``, ``counts``: shapes, dtypes and shardings of the states, and of a round's metrics, leaves [trainings,
    clients, ...]; ``place(store, arrays)``: moves both to the devices; ``init(store, arrays) -> State``;
    ``round(state, store, arrays) -> (State, metrics)`` does not donate its input, so that a failed round loses nothing;
    ``test(state, store, arrays)``: logits [trainings, clients, test examples, ...], with an axis of models, after that
    of clients, where several of each client are tested; ``gather(arrays)``: states, or a part of them, of all processes
    (see ``parts``); ``spread(states)``: the reverse, from the states that the first process has.
    """

    like: State
    counts: Metrics
    place: Callable[[Store, Arrays], tuple[Store, Arrays]]
    init: Callable[[Store, Arrays], State]
    round: Callable[[State, Store, Arrays], tuple[State, Metrics]]
    test: Callable[[State, Store, Arrays], PyTree]
    gather: Callable[[PyTree], PyTree] = lambda arrays: arrays
    spread: Callable[[State], State] = lambda states: states


def context_of(store: Store, arrays: Arrays, round_: Array | int) -> Context:
    """The context of one training in a round."""
    priors = jax.tree.map(lambda leaf: leaf[arrays.prior], store.priors)
    ratio = arrays.numbers.ratio[jnp.minimum(round_, len(arrays.numbers.ratio) - 1)]
    return Context(store, priors, ratio, arrays.detector, arrays.numbers)


def algorithm(
    recipe: Recipe, task: Task, context: Context, arrays: Arrays, over_clients: AxisMap
) -> FederatedAlgorithm:
    """One training as a federated algorithm, with scores of held-out examples; a fold has a single client."""
    update, problem, evaluate = client_of(
        recipe, task, context, arrays.train.mask.shape[-1], arrays.scored.mask.shape[-1]
    )
    return federated(arrays.strategy, update, over_clients=over_clients, problem=problem, evaluate=evaluate)


def client_of(
    recipe: Recipe, task: Task, context: Context, num_train: int, num_scored: int
) -> tuple[ClientUpdate, Problem, Evaluate]:
    """What one client does in a round, what an algorithm may know of it, and how its model is scored.

    Args:
      recipe: how to train.
      task: what to train.
      context: of the training, in this round.
      num_train: rows that training data are padded to; it decides the size of batches and the learning rates.
      num_scored: held-out examples that are scored, padded; 0 for none.
    """
    problem = Problem(
        task.labels,
        task.loss(context),
        task.representation(context) if task.representation else None,
        equal_batches(num_train, recipe.batch),
    )
    evaluate: Evaluate = partial(_scores, task, context) if num_scored else lambda client, batch: {}
    return client_update(recipe, task, context, num_train), problem, evaluate


def tests_other_networks(recipe: Recipe, strategy: Strategy) -> bool:
    """Whether networks other than those of the last round's clients are tested."""
    return recipe.select or strategy.tested is not None


def initial_state(recipe: Recipe, task: Task, store: Store, arrays: Arrays) -> State:
    """The state of one training before its first round."""
    context = context_of(store, arrays, 0)
    client = task.init(jax.random.fold_in(arrays.key, INITIAL_WEIGHTS), context)
    own = algorithm(recipe, task, context, arrays, sequential)
    state = own.init(client)
    best = own.tested(state) if tests_other_networks(recipe, arrays.strategy) else None
    models = () if arrays.strategy.tested is None else arrays.strategy.tested.shape
    return State(state, best, jnp.full(models, -1, jnp.float32))


def one_round(
    recipe: Recipe, task: Task, over_clients: AxisMap, state: State, arrays: Arrays, store: Store
) -> tuple[State, Metrics]:
    """One round of one training; with selection, its networks are kept if their validation UF1 is the best so far."""
    context = context_of(store, arrays, state.federation.round)
    data = TrainTest(arrays.train.id, arrays.train, arrays.scored)
    own = algorithm(recipe, task, context, arrays, over_clients)
    federation, counts = own.step(state.federation, data, arrays.key)
    counts |= counts.pop("evaluation")
    if state.best is None:
        return State(federation, None, state.score), counts
    tested = own.tested(federation)
    if not recipe.select:
        return State(federation, tested, state.score), counts
    score = jnp.nan_to_num(metrics.uf1(counts["confusion"].sum(axis=0)), nan=0.0).astype(jnp.float32)
    best = jax.tree.map(partial(_where_better, score > state.score), tested, state.best)
    return State(federation, best, jnp.maximum(score, state.score)), counts


def _where_better(better: Bool[Array, "*models"], new: Array, old: Array) -> Array:
    """The new networks [clients, *models, ...] where they are better."""
    return jnp.where(better.reshape(*better.shape, *[1] * (new.ndim - 1 - better.ndim)), new, old)


def predictions(task: Task, context: Context, client: ClientState, batch: Batch) -> PyTree:
    """Logits for held-out examples."""
    return in_chunks(task.predict(context), max(min(batch.mask.shape[-1], CHUNK), 1))(client, batch)


def compile_program(
    recipe: Recipe,
    task: Task,
    store: PyTree,
    arrays: PyTree,
    devices: int | Sequence[jax.Device] = 1,
    on_one_device: AxisMap | None = None,
    *,
    spread: str = "",
) -> Program:
    """Compile the programs for trainings of these shapes; ``placement`` says how their axes are mapped.

    Args:
      recipe: how to train.
      task: what to train.
      store: the store, or its shapes and dtypes.
      arrays: the trainings, or their shapes and dtypes.
      devices: number of devices, or which.
      on_one_device: how to map trainings and clients on each device; None for the default of the backend.
      spread: see ``placement``.
    """
    over = placement(devices, arrays.train.id.shape[-1], on_one_device, spread=spread)
    others = tests_other_networks(recipe, arrays.strategy)
    init = jax.jit(partial(_initial_states, recipe, task), **over.init(State, others), **over.inputs())
    shapes = jax.eval_shape(lambda *given: given, store, arrays)
    lowered = init.lower(*shapes)
    first, like = lowered.compile(run_once_options()), lowered.out_info
    like = jax.tree.map(with_sharding, like, first.output_shardings) if over.mesh else like
    step_of = partial(_round_of_all, recipe, task, over.trainings, over.clients)
    lowered_round = jax.jit(step_of, **over.round(State, others), **over.inputs(None)).lower(like, *shapes)
    step, counts = lowered_round.compile(long_run_options()), lowered_round.out_info[1]
    inputs = step.input_shardings[0][1:]
    if over.mesh and over.everywhere is None:
        shapes = jax.tree.map(with_sharding, shapes, inputs)
    tested = jax.jit(partial(_tested, recipe, task), **over.inputs(None))
    test = tested.lower(like, *shapes).compile(short_run_options())

    def place(store: Store, arrays: Arrays) -> tuple[Store, Arrays]:
        placed: tuple[Store, Arrays] = (
            jax.device_put((store, arrays), inputs)
            if over.everywhere is None
            else jax.tree.map(partial(put, sharding=over.everywhere), (store, arrays))
        )
        return placed

    return Program(like, counts, place, first, step, test)


def _initial_states(recipe: Recipe, task: Task, store: Store, arrays: Arrays) -> State:
    return jax.lax.map(lambda training: initial_state(recipe, task, store, training), arrays)


def _round_of_all(
    recipe: Recipe,
    task: Task,
    over_trainings: AxisMap,
    over_clients: AxisMap,
    state: State,
    store: Store,
    arrays: Arrays,
) -> tuple[State, Metrics]:
    return over_trainings(partial(one_round, recipe, task, over_clients), state, arrays, store)


def _tested(recipe: Recipe, task: Task, state: State, store: Store, arrays: Arrays) -> PyTree:
    def of_training(clients: ClientState, training: Arrays) -> PyTree:
        context = context_of(store, training, recipe.rounds - 1)
        predict = of_tested_models(training.strategy.tested, partial(predictions, task, context))
        return jax.lax.map(lambda one: predict(*one), (clients, training.test))

    return jax.lax.map(lambda both: of_training(*both), (state.tested, arrays))


def _scores(task: Task, context: Context, client: ClientState, batch: Batch) -> Metrics:
    """Confusion counts and summed loss of held-out examples; empty if the network predicts no emotion."""
    logits = predictions(task, context, client, batch)
    if "emotion" not in logits:
        return {}
    emotion = context.store.examples.emotion[batch.examples]
    loss = optax.softmax_cross_entropy_with_integer_labels(logits["emotion"], emotion)
    confusion = metrics.confusion_counts(emotion, logits["emotion"].argmax(-1), logits["emotion"].shape[-1], batch.mask)
    return {"confusion": jnp.asarray(confusion), "scored_loss_sum": jnp.where(batch.mask > 0, loss, 0).sum()}


def num_bytes(tree: PyTree) -> int:
    """Bytes of a tree of arrays, or of their shapes and dtypes."""
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
