"""The pretrained AU detector: trained on subjects outside every federation, then kept beside the data."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.dataset import Dataset
from experiments import commandline, starting
from experiments.commandline import StopRequest
from experiments.compiling import to_run_a_minute, to_run_once
from experiments.configs import NetworkSettings, PretrainingSettings
from experiments.detectors import detector_like
from experiments.priors import annotations_of, prior_named
from experiments.progress import Stages
from experiments.tasks import Detector, Task, detection
from fedpsyau_jax.checkpoint import Checkpoints, open_checkpoints
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
)
from fedpsyau_jax.packing import Packed
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import Array, ClientState, Float, Int, Metrics, Params, PyTree

DETECTORS = "fedpsyau_jax_detectors"
"""Folder of pretrained detectors, beside the databases."""
BRANCH = 0.05
RATES = {"spatial": 0.01, "upper": 0.1, "lower": 0.1, "global": 0.1}
RECIPE = 4
"""Raise it when the training below changes: detectors trained by an older one are trained again."""


def nothing() -> None:
    """What there is to do beside a training, usually."""


def pretrained_detector(
    network: NetworkSettings,
    choices: PretrainingSettings,
    seed: int,
    dataset: Dataset,
    data_dir: Path | None,
    stages: Stages,
    meanwhile: Callable[[], object] = nothing,
) -> Detector:
    """The AU detector of these settings, trained on ``dataset`` unless it is kept beside the data already.

    Args:
      network: which network, with one prior; a prior made of annotations is made of those of ``dataset``.
      choices: how it is trained.
      seed: of its weights and batches.
      dataset: AU-labelled examples of subjects that no federation holds.
      data_dir: folder of the databases.
      stages: where progress is shown.
      meanwhile: begins what else there is to do, once, as soon as only training is left here.

    Returns:
      Its weights, and the prior that it was trained with.
    """
    if (kept := kept_detector(network, choices, seed, dataset, data_dir)) is not None:
        return kept
    folder, priors = _place(network, choices, seed, dataset, data_dir)
    task = detection(network, priors, dataset.examples, quiet_residuals)
    everybody = np.arange(len(dataset.subject))
    detector = train_detector(task, choices, seed, everybody, stages, meanwhile=meanwhile).client
    with open_checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(choices.epochs, detector)
    return Detector(detector, priors)


def kept_detector(
    network: NetworkSettings, choices: PretrainingSettings, seed: int, dataset: Dataset, data_dir: Path | None
) -> Detector | None:
    """The detector of ``pretrained_detector`` if it is kept beside the data, else None."""
    folder, priors = _place(network, choices, seed, dataset, data_dir)
    if not folder.is_dir():
        return None
    with open_checkpoints(folder, keep=1) as checkpoints:
        restored = checkpoints.restore(detector_like(network))
    if restored is None or restored.state is None:
        return None
    return Detector(restored.state, priors)


def _place(
    network: NetworkSettings, choices: PretrainingSettings, seed: int, dataset: Dataset, data_dir: Path | None
) -> tuple[Path, Priors]:
    """Where such a detector is kept, another folder for whatever it depends on; and the prior that it sees through."""
    (name,) = network.prior
    priors: Priors = jax.tree.map(np.asarray, prior_named(name)(annotations_of(dataset)))
    recipe = {"recipe": RECIPE, "data": dataset.fingerprint, "seed": seed, "jax": jax.__version__}
    recipe |= {"backend": jax.default_backend(), "pretraining": asdict(choices)}
    recipe |= {"network": asdict(network) | {"prior": [leaf.tolist() for leaf in jax.tree.leaves(priors)]}}
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return commandline.data_folder(data_dir) / DETECTORS / digest, priors


def quiet_residuals(detector: Params) -> Params:
    """The same weights with the last layers of all residual branches (SSE, DPK-GATs) made small.

    As they are drawn, random branches drown what they are added to, and a short training never recovers the AUs.
    """

    def scaled(path: tuple[Any, ...], leaf: Array) -> Array:
        names = [entry.key for entry in path]
        return leaf * (BRANCH if names[-1] == "out_W" or names[-2] == "contract" else 1)

    return jax.tree_util.tree_map_with_path(scaled, detector)


def module_rates(params: Params, rates: Mapping[str, float]) -> Params:
    """How fast each weight learns, relative to the learning rate: 1, but for those inside the modules of ``rates``."""

    def rate(path: tuple[Any, ...], leaf: Array) -> Array:
        module = next((entry.key for entry in path if entry.key in rates), "")
        return jnp.full(leaf.shape, rates.get(module, 1.0), leaf.dtype)

    return jax.tree_util.tree_map_with_path(rate, params)


def at_rates(rates: Callable[[], Packed]) -> optax.GradientTransformation:
    """Slow down modules whose wide layers take too large a step at the rate that the others need."""
    return optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, rates()))


class Trained(NamedTuple):
    """A detector as far as it is trained, as the network itself has it, and the mean loss of each epoch so far."""

    client: ClientState
    loss: Float[np.ndarray, "epochs"]


class Saving(NamedTuple):
    """Where an interrupted training goes on from, and how many seconds are at least between two checkpoints."""

    checkpoints: Checkpoints
    seconds: float


def train_detector(
    task: Task,
    choices: PretrainingSettings,
    seed: int,
    train: Int[np.ndarray, "examples"],
    stages: Stages,
    saving: Saving | None = None,
    meanwhile: Callable[[], object] = nothing,
) -> Trained:
    """Train an AU detector on some examples, or the rest of it.

    Training is the federated core's with a single client, an epoch a round: masked BCE of both heads, AdamW, linear
    warm-up over one epoch, then cosine decay over a fixed number of epochs.

    Args:
      task: AU detection on a store of examples.
      choices: epochs, batch, learning rate, weight decay.
      seed: of weights and batches.
      train: which of the task's examples to train on.
      stages: where progress is shown.
      saving: with it, Ctrl-C ends and saves the epoch, and fewer epochs than chosen come back; else it interrupts.
      meanwhile: called when all is compiled.

    Raises:
      ValueError: the loss became infinite or undefined; in which epoch.
    """
    with stages.stage("compiling AU pretraining"):
        epoch, state = _compiled(task, choices, seed, train)
    meanwhile()
    loss, done = np.full(choices.epochs, np.nan), 0
    if saving and (found := starting.restored(saving.checkpoints, (jax.eval_shape(lambda: state), loss))):
        done, (state, loss) = found[0], (found[1][0], np.array(found[1][1]))
    with stages.stage("AU pretraining", total=choices.epochs, done=done, unit="epoch") as stage:
        saved = stage.elapsed
        with commandline.stopping_gently(stage.stopping) if saving else nullcontext(StopRequest()) as stop:
            while done < choices.epochs and not stop.asked:
                state, metrics = epoch(state)
                done += 1
                _refuse_diverged(metrics, done)
                loss[done - 1] = metrics["loss_sum"].sum() / metrics["num_examples"].sum()
                stage.advance(loss=loss[done - 1])
                if saving and (stop.asked or stage.elapsed - saved > saving.seconds):
                    saving.checkpoints.save(done, (state, loss))
                    saved = stage.elapsed
    return Trained(task.unpacked(jax.tree.map(lambda leaf: leaf[0], state.clients)), loss[:done])


def _compiled(
    task: Task, choices: PretrainingSettings, seed: int, train: Int[np.ndarray, "examples"]
) -> tuple[Callable[[FedState], tuple[FedState, Metrics]], FedState]:
    """An epoch, which takes over the memory of the state it is given, and the state before the first one."""
    key = jax.random.key(seed)
    data = ClientData(jnp.zeros(1, jnp.int32), jnp.asarray(train[None], jnp.int32), jnp.ones((1, len(train))))

    def algorithm(store: PyTree) -> FederatedAlgorithm:
        return federated(centralised(jnp.ones(1)), _training(task._replace(store=store), choices, len(train)))

    init = jax.jit(lambda store, key: algorithm(store).init(task.init(key)), compiler_options=to_run_once())
    state = init(task.store, key)
    step = jax.jit(
        lambda state, store, data, key: algorithm(store).step(state, data, key),
        donate_argnums=0,
        compiler_options=to_run_a_minute(),
    )
    epoch = step.lower(state, task.store, data, key).compile()
    return lambda state: epoch(state, task.store, data, key), state


def _refuse_diverged(metrics: Metrics, epoch: int) -> None:
    if np.any(metrics["diverged"]):
        raise ValueError(
            f"AU pretraining: the loss or a weight was not finite in epoch {epoch}; nothing was kept of it; a smaller "
            "--pretraining.learning-rate usually helps"
        )


def _training(task: Task, choices: PretrainingSettings, num_train: int) -> ClientUpdate:
    steps_an_epoch = -(-num_train // choices.batch)
    num_steps = max(choices.epochs * steps_an_epoch, 2)
    like = jax.eval_shape(lambda key: task.unpacked(task.init(key)), jax.random.key(0)).params

    def rates() -> Packed:
        return task.pack(module_rates(like, RATES))

    return local_training(
        task.loss(task.store),
        optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(choices.weight_decay), at_rates(rates)),
        optax.warmup_cosine_decay_schedule(
            choices.learning_rate / steps_an_epoch,
            choices.learning_rate,
            min(steps_an_epoch, num_steps - 1),
            num_steps,
        ),
        batch_size=equal_batches(num_train, choices.batch),
        optimizer_state=kept,
    )
