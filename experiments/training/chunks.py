"""Training of many trials, chunk by chunk: what is finished is kept in a file, what is not in checkpoints."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.mer_settings import MerSettings
from experiments.run import arrays as kept
from experiments.run import commandline, starting
from experiments.run import networks as kept_networks
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training.cross_validation import Program, TrialState, compiled, networks, trials_at_once
from experiments.training.example_store import ExampleStore
from experiments.training.recognition import Context, Recognition
from experiments.training.trials import Trial, TrialData, trial_data
from fedpsyau_jax.checkpoint import Checkpoints, open_checkpoints
from fedpsyau_jax.priors import released_decay
from fedpsyau_jax.types import Array, Float, Int

COUNTED = ("loss_sum", "num_examples", "validation")
History = dict[str, np.ndarray]
"""Of each epoch of a chunk, leaves [epochs, trials, ...]: loss_sum, num_examples, and validation confusion counts."""


@dataclass(frozen=True)
class Training:
    """Trials to be trained alike.

    Attributes:
      name: of the files, for example the network's variant.
      settings: how.
      recognition: what.
      examples: on what.
      trials: all of them.
      folder: of the run.
    """

    name: str
    settings: MerSettings
    recognition: Recognition
    examples: ExampleStore
    trials: Sequence[Trial]
    folder: RunFolder

    def chunks(self) -> list[list[Trial]]:
        """The trials in groups that train together, all of one size but the last.

        A resumed run keeps the size that it began with, as it names files by the number of a group: another machine
        may have room for more.
        """
        file = f"finished/{self.name}.json"
        if not self.folder.has(file):
            context = Context(self.examples.store, self.trials[0].priors, jnp.float32(0))
            size = trials_at_once(self.settings, self.recognition, context, len(self.trials))
            self.folder.write_json(file, {"trials_at_once": size})
        size = self._size(file)
        return [list(self.trials[start : start + size]) for start in range(0, len(self.trials), size)]

    def _size(self, file: str) -> int:
        try:
            size = self.folder.read_facts(file, "trials_at_once")["trials_at_once"]
            if isinstance(size, int) and size > 0:
                return size
        except ValueError:
            pass
        raise ValueError(
            f"{self.folder.path / file} does not say how many folds train at once; delete it, and --resume chooses "
            "anew (folds that were trained in groups of another size are trained again)"
        )

    def data(self, chunk: Sequence[Trial], size: int) -> TrialData:
        """A chunk as arrays; trials that do nothing fill it up to the size."""
        filled = [*chunk, *[chunk[-1]] * (size - len(chunk))]
        data = trial_data(filled, self.examples.shown, self.settings.seed, like=self.trials)
        idle = jnp.arange(size)[:, None, None] >= len(chunk)
        return data._replace(train=data.train._replace(mask=jnp.where(idle, 0, data.train.mask)))


class Finished(NamedTuple):
    """A trial after its training: its history [epochs, ...] and the logits of its test examples."""

    trial: Trial
    history: History
    logits: dict[str, np.ndarray]


class Diverged(ValueError):
    """A loss or weight was not finite."""


def train(training: Training, stages: Stages) -> list[Finished]:
    """Train all trials that are not finished yet, or until Ctrl-C.

    Returns:
      The finished trials, in their order: all of them, unless the user interrupted.

    Raises:
      Diverged: where and when; the chunks before are kept.
    """
    chunks, settings = training.chunks(), training.settings
    size = len(chunks[0])
    done = {number: found for number, chunk in enumerate(chunks) if (found := _found(training, number, chunk))}
    if len(done) < len(chunks):
        with stages.stage(f"compiling {training.name} (once; later starts read the cache)"):
            program = compiled(
                settings,
                training.recognition,
                training.examples.store,
                training.examples.label,
                training.data(chunks[0], size),
            )
        total = len(chunks) * settings.epochs
        done_epochs = len(done) * settings.epochs
        with (
            stages.stage(f"training {training.name}", total, done=done_epochs, unit="epoch") as stage,
            commandline.stopping_gently(stage.stopping) as stop,
        ):
            for number, chunk in enumerate(chunks):
                if number not in done and not stop.asked:
                    _train_chunk(training, number, chunk, size, program, stage, stop)
                    done |= {number: arrays} if (arrays := _found(training, number, chunk)) else {}
    return [finished for number in sorted(done) for finished in _of_each(chunks[number], done[number])]


def ratio_of(settings: MerSettings) -> Callable[[int], Float[Array, ""]]:
    """Epoch, from 0 -> prior ratio; every trial starts its own schedule."""
    if settings.prior_schedule == "constant":
        return lambda _: jnp.float32(settings.network.prior_ratio)
    decay = released_decay(settings.epochs)
    return lambda epoch: jnp.asarray(decay(epoch), jnp.float32)


def _train_chunk(
    training: Training,
    number: int,
    chunk: Sequence[Trial],
    size: int,
    program: Program,
    stage: Any,
    stop: commandline.StopRequest,
) -> None:
    settings, data, ratio = training.settings, training.data(chunk, size), ratio_of(training.settings)
    folder = training.folder.checkpoints / f"{training.name}-{number}"
    origin = kept.origin(training.folder, _whose(training, chunk))
    with open_checkpoints(folder, keep=2) as checkpoints:
        states, history, first = _start(settings, program, data, checkpoints, origin)
        stage.done += first
        saved = stage.elapsed
        for epoch in range(first, settings.epochs):
            states, counts = program.epoch(states, data, ratio(epoch))
            counts = jax.device_get(counts)
            _refuse_diverged(counts["diverged"], chunk, epoch)
            for name, values in history.items():
                values[epoch] = counts[name]
            stage.advance(loss=float(counts["loss_sum"].sum() / counts["num_examples"].sum()))
            if stop.asked or stage.elapsed - saved > settings.checkpoint_seconds:
                checkpoints.save(epoch + 1, (states, history, origin))
                saved = stage.elapsed
            if stop.asked:
                return
        logits = jax.device_get(program.test(states, data, ratio(settings.epochs - 1)))
    if settings.keep_networks:
        _keep_networks(training, number * size, len(chunk), states)
    _write(training, number, chunk, history, logits)
    shutil.rmtree(folder)


def _start(
    settings: MerSettings,
    program: Program,
    data: TrialData,
    checkpoints: Checkpoints,
    origin: Int[np.ndarray, "bytes"],
) -> tuple[TrialState, History, int]:
    """States to go on from, what was counted so far, and how many epochs that was."""
    counted = {name: program.counts[name] for name in COUNTED if name in program.counts}
    history = {name: np.zeros((settings.epochs, *like.shape), like.dtype) for name, like in counted.items()}
    if (found := starting.restored(checkpoints, (program.like, history, origin))) is None:
        return program.init(data), history, 0
    epochs_done, (states, history, was) = found
    if not np.array_equal(was, origin):
        place = checkpoints.manager.directory
        raise ValueError(f"{place} is of another run, or of other folds; delete it, and --resume trains these anew")
    return states, jax.tree.map(np.array, history), epochs_done


def _refuse_diverged(diverged: np.ndarray, chunk: Sequence[Trial], epoch: int) -> None:
    if len(where := np.flatnonzero(diverged[: len(chunk)])):
        trial = chunk[where[0]]
        raise Diverged(
            f"the loss or a weight of {trial.algorithm}, repeat {trial.repeat}, fold {trial.fold.name}, was not finite "
            f"in epoch {epoch + 1}; training stopped there; a smaller --learning-rate usually helps"
        )


def _keep_networks(training: Training, first: int, count: int, states: TrialState) -> None:
    unpacked = jax.jit(training.recognition.unpacked)
    tested = networks(states)
    for place in range(count):
        client = unpacked(jax.tree.map(lambda leaf, place=place: leaf[place], tested))
        kept_networks.write(training.folder, training.name, first + place, client)


def _file(training: Training, number: int) -> str:
    return f"finished/{training.name}-{number}.npz"


def _whose(training: Training, chunk: Sequence[Trial]) -> list[Any]:
    """What the arrays of a chunk are of."""
    return [training.name, [(trial.algorithm, trial.repeat, trial.fold.name) for trial in chunk]]


def _write(
    training: Training, number: int, chunk: Sequence[Trial], history: History, logits: dict[str, np.ndarray]
) -> None:
    arrays = {f"history_{name}": values for name, values in history.items()}
    arrays |= {f"logits_{name}": values for name, values in logits.items()}
    kept.write(training.folder, _file(training, number), _whose(training, chunk), arrays)


def _found(training: Training, number: int, chunk: Sequence[Trial]) -> dict[str, np.ndarray] | None:
    """What a finished chunk kept; None if it must be trained."""
    so = "its folds are trained again, with the same numbers"
    return kept.found(training.folder, _file(training, number), _whose(training, chunk), so)


def _of_each(chunk: Sequence[Trial], arrays: dict[str, np.ndarray]) -> list[Finished]:
    """The trials of a chunk with what it kept of each."""
    pick = partial(_with_prefix, arrays)
    return [
        Finished(
            trial,
            {name: values[:, place] for name, values in pick("history_").items()},
            {name: values[place, : len(trial.fold.test)] for name, values in pick("logits_").items()},
        )
        for place, trial in enumerate(chunk)
    ]


def _with_prefix(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
