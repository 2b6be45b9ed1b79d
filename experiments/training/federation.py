"""A federation as a program: algorithms x repeats x clients in one compiled round, training and test included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.inputs.configs import TITLES, AlgorithmName, FedSettings
from experiments.inputs.prior_axis import named_rows
from experiments.training.compiler import to_run_long, to_run_once
from experiments.training.tasks import CHUNK, Task
from fedpsyau_jax.federated import (
    AxisMap,
    ClientData,
    ClientUpdate,
    FederatedAlgorithm,
    FedState,
    Regularizer,
    Strategy,
    TrainTest,
    anchored_at_start,
    client_mesh,
    client_sharding,
    equal_batches,
    evaluated,
    fedavg,
    fedprox,
    in_chunks,
    kept,
    local_only,
    local_training,
    norm_prox,
    num_examples,
    p_fedprox,
    reset,
    sequential,
    sharded,
    squared_prox,
    stacked,
    state_sharding,
    sweep,
    vectorised,
)
from fedpsyau_jax.splits.clients import ClientSplit, pad_indices
from fedpsyau_jax.types import Array, Batch, Float, Metrics, PyTree

OPTIMIZER_STATE = {"reset": reset, "kept": kept}
INITIAL_WEIGHTS = 2**31 - 1
"""Folded into a repeat's key for its initial weights; rounds count from 0 and never get there."""


@dataclass(frozen=True)
class Federation:
    """Algorithms that train on the same clients, each with every prior.

    Attributes:
      algorithms: which; a row of the table is one of them with one prior, algorithm by algorithm.
      splits: [repeats][clients].
      names: of the clients.
      priors: names of the priors.
      begins: [priors][repeats] index in the task's store where the examples begin, as seen through that prior.
    """

    algorithms: tuple[AlgorithmName, ...]
    splits: Sequence[Sequence[ClientSplit]]
    names: tuple[str, ...]
    priors: tuple[str, ...] = ("published",)
    begins: Sequence[Sequence[int]] | None = None

    @property
    def titles(self) -> list[str]:
        """Names of the rows."""
        return named_rows([TITLES[name] for name in self.algorithms], self.priors)

    @property
    def runs(self) -> list[tuple[int, int]]:
        """What the program's axis of runs means: for each prior every repeat, and where its examples begin."""
        repeats = range(len(self.splits))
        begins = self.begins or [[0] * len(repeats) for _ in self.priors]
        return [(repeat, begin) for own in begins for repeat, begin in zip(repeats, own, strict=True)]

    def data(self) -> TrainTest:
        """Indices of everybody's examples, padded: leaves [runs, clients, ...]."""
        runs, clients = self.runs, len(self.names)
        train, train_mask = pad_indices([[own.train + begin for own in self.splits[r]] for r, begin in runs])
        test, test_mask = pad_indices([[own.test + begin for own in self.splits[r]] for r, begin in runs])
        length = test.shape[-1]
        chunked = length if length <= CHUNK else length + -length % CHUNK
        fill = [(0, 0), (0, 0), (0, chunked - length)]
        ids = jnp.tile(jnp.arange(clients, dtype=jnp.int32), (len(runs), 1))
        tested = Batch(jnp.asarray(np.pad(test, fill)), jnp.asarray(np.pad(test_mask, fill)))
        return TrainTest(ids, ClientData(ids, jnp.asarray(train), jnp.asarray(train_mask)), tested)


def strategy(settings: FedSettings, name: AlgorithmName, weights: Float[Array, "clients"]) -> Strategy:
    """An algorithm of the table for clients of these sizes."""
    mu = jnp.asarray(settings.mu if len(settings.mu) > 1 else settings.mu[0], weights.dtype)
    if name == "fedavg":
        return fedavg(weights)
    if name == "fedprox":
        return fedprox(weights, mu)
    if name == "p-fedprox":
        chosen = p_fedprox(weights, mu, settings.self_weight)
        return anchored_at_start(chosen) if settings.proximal == "released" else chosen
    return local_only(weights)


def warm_up(settings: FedSettings, num_train: int) -> optax.Schedule:
    """Linear from lr / n to lr in the n steps of the warm-up, all of them in the first round; never 0."""
    epochs = min(settings.warmup_epochs, settings.local_epochs)
    steps = max(epochs * -(-num_train // settings.batch), 1)
    return optax.linear_schedule(settings.learning_rate / steps, settings.learning_rate, steps - 1)


def of_tensors(regularizer: Regularizer, task: Task) -> Regularizer:
    """A regulariser that wants the network's own tensors, for packed parameters."""
    return lambda params, anchor: regularizer(task.unpack(params), task.unpack(anchor))


def client_update(settings: FedSettings, task: Task, store: PyTree, data: TrainTest) -> ClientUpdate:
    """Local training as the settings say, then a look at the test examples."""
    num_train, num_test = data.train.mask.shape[-1], data.test.mask.shape[-1]
    training = local_training(
        task.loss(store),
        optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(settings.weight_decay)),
        warm_up(settings, num_train),
        squared_prox if settings.proximal == "squared" else of_tensors(norm_prox, task),
        batch_size=equal_batches(num_train, settings.batch),
        local_epochs=settings.local_epochs,
        optimizer_state=OPTIMIZER_STATE[settings.optimizer_state],
    )
    return evaluated(training, in_chunks(task.predict(store), min(num_test, CHUNK)))


def algorithm(
    settings: FedSettings,
    names: Sequence[AlgorithmName],
    task: Task,
    store: PyTree,
    data: TrainTest,
    over_clients: AxisMap,
    over_runs: AxisMap,
) -> FederatedAlgorithm:
    """All algorithms on all runs as one federated algorithm; its axes are [algorithms, runs, clients]."""
    weights = num_examples(data.train)
    strategies = stacked([jax.vmap(partial(strategy, settings, name))(weights) for name in names])
    update = client_update(settings, task, store, data)
    return sweep(strategies, update, over_runs=over_runs, over_clients=over_clients)


class Functions(NamedTuple):
    """A federation as pure functions.

    ``inputs``: (store, data, keys), which both take last; ``init(*inputs) -> FedState``; ``round(state, *inputs) ->
    (FedState, metrics)``. Metrics have the axes [rows of the table, repeats, clients].
    """

    inputs: tuple[PyTree, TrainTest, Array]
    init: Callable[..., FedState]
    round: Callable[..., tuple[FedState, Metrics]]


def functions(
    settings: FedSettings, federation: Federation, task: Task, over_clients: AxisMap, over_runs: AxisMap
) -> Functions:
    """A federation; all priors of a repeat share its keys."""
    repeats, begins = (jnp.asarray(values) for values in zip(*federation.runs, strict=True))
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(settings.seed)))(repeats)

    def built(store: PyTree, data: TrainTest) -> FederatedAlgorithm:
        return algorithm(settings, federation.algorithms, task, store, data, over_clients, over_runs)

    def init(store: PyTree, data: TrainTest, keys: Array) -> FedState:
        initial_keys = jax.vmap(lambda key: jax.random.fold_in(key, INITIAL_WEIGHTS))(keys)
        return built(store, data).init(jax.vmap(task.init)(initial_keys, begins))

    def round_(state: FedState, store: PyTree, data: TrainTest, keys: Array) -> tuple[FedState, Metrics]:
        state, metrics = built(store, data).step(state, data, keys)
        by_row = (-1, len(federation.splits))
        return state, jax.tree.map(lambda leaf: leaf.reshape(*by_row, *leaf.shape[2:]), metrics)

    return Functions((task.store, federation.data(), keys), init, round_)


def saved_like(settings: FedSettings, federation: Federation, task: Task) -> tuple[FedState, PyTree]:
    """Shapes and dtypes of what a checkpoint holds of a federation: its state, and the predictions of a round."""
    pure = functions(settings, federation, task, sequential, sequential)
    state = jax.eval_shape(pure.init, *pure.inputs)
    return state, jax.eval_shape(pure.round, state, *pure.inputs)[1]["evaluation"]


class Program(NamedTuple):
    """A federation on the devices of this machine and its examples: its first state and its round, both compiled.

    ``like``: shapes, dtypes and places of the state; ``evaluation``: those of a round's predictions;
    ``init() -> FedState``; ``round(state) -> (FedState, metrics)`` leaves the state it is given as it was, so that a
    round that fails loses nothing.
    """

    like: FedState
    evaluation: PyTree
    init: Callable[[], FedState]
    round: Callable[[FedState], tuple[FedState, Metrics]]


def compiled(settings: FedSettings, federation: Federation, task: Task) -> Callable[[PyTree], Program]:
    """Compile a federation; rounds, priors and repeats share the one program.

    Clients run one after another on a CPU, where that is faster and smaller, and all at once on an accelerator;
    over several devices, each takes its share.

    Returns:
      The program for a store of examples, of the shapes of the task's own.
    """
    on_one_device = sequential if jax.default_backend() == "cpu" else vectorised
    spread = settings.devices > 1 and len(federation.names) % settings.devices == 0
    over_clients: AxisMap = on_one_device
    placed: dict[str, Any] = {}
    if spread:
        mesh = client_mesh(settings.devices)
        over_clients = sharded(mesh, on_one_device)
        placed = {"out_shardings": state_sharding(mesh, 2)}
    inputs, init, round_ = functions(settings, federation, task, over_clients, on_one_device)
    shapes = jax.eval_shape(lambda *given: given, *inputs)
    lowered = jax.jit(init, **placed).lower(*shapes)
    first, like = lowered.compile(to_run_once()), lowered.out_info
    if spread:
        placed = {"out_shardings": (state_sharding(mesh, 2), client_sharding(mesh, 2))}
        like = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            like,
            first.output_shardings,
        )
    lowered = jax.jit(round_, **placed).lower(like, *shapes)
    step, evaluation = lowered.compile(to_run_long()), lowered.out_info[1]["evaluation"]

    def on(store: PyTree) -> Program:
        placed_inputs = jax.device_put((store, *inputs[1:]), step.input_shardings[0][1:])
        return Program(like, evaluation, lambda: first(*placed_inputs), lambda state: step(state, *placed_inputs))

    return on
