"""Training of AU detectors that differ in examples, priors or random numbers only: one axis of one compiled program."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.inputs.configs import PretrainingSettings
from experiments.run import commandline, starting
from experiments.run.commandline import StopRequest
from experiments.run.progress import Stages
from experiments.training.compiler import to_run_a_minute, to_run_once
from experiments.training.tasks import Task
from fedpsyau_jax.checkpoint import Checkpoints
from fedpsyau_jax.federated import (
    ClientData,
    ClientUpdate,
    FederatedAlgorithm,
    FedState,
    centralised,
    equal_batches,
    federated,
    kept,
    local_training,
    sequential,
    vectorised,
)
from fedpsyau_jax.packing import Packed
from fedpsyau_jax.splits.clients import pad_indices
from fedpsyau_jax.types import Array, ClientState, Float, Int, Key, Metrics, Params, PyTree


class DetectorTrial(NamedTuple):
    """One detector to be trained.

    ``name``: for messages; ``seed``: of its weights and batches; ``train``: the examples of the task's store.
    """

    name: str
    seed: int
    train: Int[np.ndarray, "examples"]


class Trained(NamedTuple):
    """A detector as far as it is trained, as the network itself has it, and the mean loss of each epoch so far."""

    client: ClientState
    loss: Float[np.ndarray, "epochs"]


class Saving(NamedTuple):
    """Where an interrupted training goes on from, and how many seconds are at least between two checkpoints."""

    checkpoints: Checkpoints
    seconds: float


def train_detectors(
    task: Task,
    rates: Mapping[str, float],
    choices: PretrainingSettings,
    trials: Sequence[DetectorTrial],
    stages: Stages,
    saving: Saving | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[Trained]:
    """Train AU detectors together, or the rest of it: one after another on a CPU, all at once on an accelerator.

    Training is the federated core's with a single client, an epoch a round: masked BCE of both heads, AdamW, linear
    warm-up over one epoch, then cosine decay over a fixed number of epochs. Trials with fewer examples than the largest
    are padded: they take batches of its size and go along its schedule.

    Args:
      task: AU detection on a store of examples.
      rates: how fast modules learn, relative to the learning rate, where that is not 1.
      choices: epochs, batch, learning rate, weight decay.
      trials: the detectors.
      stages: where progress is shown.
      saving: with it, Ctrl-C ends and saves the epoch, and fewer epochs than chosen come back; else it interrupts.
      meanwhile: called when all is compiled.

    Returns:
      [trials] all with equally many epochs.

    Raises:
      ValueError: the loss became infinite or undefined; whose, and in which epoch.
    """
    with stages.stage("compiling AU pretraining"):
        epoch, states = _compiled(task, rates, choices, trials)
    meanwhile()
    loss, done = np.full((len(trials), choices.epochs), np.nan), 0
    if saving and (found := starting.restored(saving.checkpoints, (jax.eval_shape(lambda: states), loss))):
        done, (states, loss) = found[0], (found[1][0], np.array(found[1][1]))
    with stages.stage("AU pretraining", total=choices.epochs, done=done, unit="epoch") as stage:
        saved = stage.elapsed
        with commandline.stopping_gently(stage.stopping) if saving else nullcontext(StopRequest()) as stop:
            while done < choices.epochs and not stop.asked:
                states, metrics = epoch(states)
                done += 1
                _refuse_diverged(metrics, trials, done)
                loss[:, done - 1] = metrics["loss_sum"].sum(-1) / metrics["num_examples"].sum(-1)
                stage.advance(loss=loss[:, done - 1].mean())
                if saving and (stop.asked or stage.elapsed - saved > saving.seconds):
                    saving.checkpoints.save(done, (states, loss))
                    saved = stage.elapsed
    return [Trained(task.unpacked(_only_client(states, place)), own[:done]) for place, own in enumerate(loss)]


def module_rates(params: Params, rates: Mapping[str, float]) -> Params:
    """How fast each weight learns, relative to the learning rate: 1, but for those inside the modules of ``rates``."""

    def rate(path: tuple[Any, ...], leaf: Array) -> Array:
        module = next((entry.key for entry in path if entry.key in rates), "")
        return jnp.full(leaf.shape, rates.get(module, 1.0), leaf.dtype)

    return jax.tree_util.tree_map_with_path(rate, params)


def at_rates(rates: Callable[[], Packed]) -> optax.GradientTransformation:
    """Slow down modules whose wide layers take too large a step at the rate that the others need."""
    return optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, rates()))


def _compiled(
    task: Task, rates: Mapping[str, float], choices: PretrainingSettings, trials: Sequence[DetectorTrial]
) -> tuple[Callable[[FedState], tuple[FedState, Metrics]], FedState]:
    """An epoch of all trials, which takes over the memory of the states it is given, and the states before it."""
    data, keys = _trial_data(trials)
    over = sequential if jax.default_backend() == "cpu" else vectorised
    num_train = data.mask.shape[-1]

    def algorithm(store: PyTree) -> FederatedAlgorithm:
        return federated(centralised(jnp.ones(1)), _training(task._replace(store=store), rates, choices, num_train))

    def first(store: PyTree, keys: Key[Array, "trials"]) -> FedState:
        return jax.lax.map(lambda key: algorithm(store).init(task.init(key)), keys)

    def one(state: FedState, trial: tuple[ClientData, Array], store: PyTree) -> tuple[FedState, Metrics]:
        return algorithm(store).step(state, *trial)

    def pretraining_epoch(
        states: FedState, store: PyTree, data: ClientData, keys: Key[Array, "trials"]
    ) -> tuple[FedState, Metrics]:
        return over(one, states, (data, keys), store)

    states = jax.jit(first, compiler_options=to_run_once())(task.store, keys)
    step = jax.jit(pretraining_epoch, donate_argnums=0, compiler_options=to_run_a_minute())
    epoch = step.lower(states, task.store, data, keys).compile()
    return lambda states: epoch(states, task.store, data, keys), states


def _trial_data(trials: Sequence[DetectorTrial]) -> tuple[ClientData, Key[Array, "trials"]]:
    """Leaves [trials, 1, ...], one client each, padded to the largest; and all randomness of each trial."""
    (rows,), (mask,) = pad_indices([[trial.train for trial in trials]])
    ids = jnp.zeros((len(trials), 1), jnp.int32)
    data = ClientData(ids, jnp.asarray(rows[:, None]), jnp.asarray(mask[:, None]))
    return data, jnp.stack([jax.random.key(trial.seed) for trial in trials])


def _only_client(states: FedState, place: int) -> ClientState:
    return jax.tree.map(lambda leaf: leaf[place, 0], states.clients)


def _refuse_diverged(metrics: Metrics, trials: Sequence[DetectorTrial], epoch: int) -> None:
    if len(where := np.flatnonzero(metrics["diverged"])):
        raise ValueError(
            f"AU pretraining{trials[where[0]].name}: the loss or a weight was not finite in epoch {epoch}; nothing was "
            "kept of it; a smaller --pretraining.learning-rate usually helps"
        )


def _training(task: Task, rates: Mapping[str, float], choices: PretrainingSettings, num_train: int) -> ClientUpdate:
    steps_an_epoch = -(-num_train // choices.batch)
    num_steps = max(choices.epochs * steps_an_epoch, 2)
    like = jax.eval_shape(lambda key: task.unpacked(task.init(key)), jax.random.key(0)).params
    return local_training(
        task.loss(task.store),
        optax.chain(
            optax.scale_by_adam(),
            optax.add_decayed_weights(choices.weight_decay),
            at_rates(lambda: task.pack(module_rates(like, rates))),
        ),
        optax.warmup_cosine_decay_schedule(
            choices.learning_rate / steps_an_epoch,
            choices.learning_rate,
            min(steps_an_epoch, num_steps - 1),
            num_steps,
        ),
        batch_size=equal_batches(num_train, choices.batch),
        optimizer_state=kept,
    )
