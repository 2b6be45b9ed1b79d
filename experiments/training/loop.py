"""The only training loop: chunk after chunk, round after round, with checkpoints, progress and a gentle stop."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from experiments.inputs.settings import RunSettings
from experiments.run import arrays as stored
from experiments.run.checkpoints import restore_newest
from experiments.run.folder import RunFolder, require_space
from experiments.run.progress import Stage, Stages
from experiments.run.stopping import StopRequest, stop_after_current_step
from experiments.training import chunks
from experiments.training.chunks import Chunk, History, Trained
from experiments.training.plan import Arrays, Group
from experiments.training.program import Program, State, num_bytes
from experiments.training.store import Store
from experiments.training.task import Task
from fedpsyau_jax.checkpoint import Checkpoints, open_checkpoints
from fedpsyau_jax.types import ClientState, Int

SAVING_SHARE = 0.1
"""Checkpoints take at most about this share of the time."""
Report = Callable[[list[Trained]], None]
"""Called after each round with the history so far of the trainings of a chunk, for metrics.csv."""
Keep = Callable[[int, int, ClientState], None]
"""Called with each trained network: place of its training in the group, number of its client, the network's tensors."""


@dataclass(frozen=True)
class Job:
    """A group to train.

    Attributes:
      settings: of the run.
      group: what is trained.
      task: the network.
      store: what trainings look up.
      shown: which example each row of the store shows.
      program: compiles, or waits for, the program of chunks of this size.
      unit: "round" or "epoch", for people.
      title: of its stage of the progress.
      folder: of the run; None where nothing is kept, and an interrupt ends at once.
      keep: takes the trained networks.
      wanted: which of them it wants, as (place, client).
    """

    settings: RunSettings
    group: Group
    task: Task
    store: Store
    shown: Int[np.ndarray, "rows"]
    program: Callable[[int], Program]
    unit: str
    title: str
    folder: RunFolder | None = None
    keep: Keep = lambda place, client, network: None
    wanted: frozenset[tuple[int, int]] = frozenset()


@dataclass
class Outcome:
    """How far the training of a group got.

    Attributes:
      trained: trainings with their results: all of them if it ended; else those of finished chunks and, after some
        rounds, of the chunk that was interrupted.
      rounds: rounds that all of ``trained`` have.
      ended: whether all rounds of all trainings are done.
      problem: why it stopped early, if something went wrong.
    """

    trained: list[Trained] = field(default_factory=list)
    rounds: int = 0
    ended: bool = False
    problem: str | None = None


def train(job: Job, stages: Stages, report: Report = lambda trained: None) -> Outcome:
    """Train what is not trained yet, until it ends, diverges, or the user asks to stop."""
    recipe = job.group.recipe
    size = chunks.size_of_chunks(job.settings, job.group, job.task, job.store, job.shown, job.folder)
    parts = chunks.chunks_of(job.group, size)
    done = {chunk.number: trained for chunk in parts if job.folder and (trained := chunks.read(job.folder, chunk))}
    if len(done) < len(parts):
        program = job.program(size)
        total, before = len(parts) * recipe.rounds, len(done) * recipe.rounds
        with (
            stages.stage(job.title, total, done=before, unit=job.unit) as stage,
            _stop(job, stage) as stop,
        ):
            for chunk in parts:
                if chunk.number in done:
                    continue
                outcome = _train_chunk(job, chunk, size, program, stage, stop, report)
                done[chunk.number] = outcome.trained
                if not outcome.ended:
                    outcome.trained = [one for number in sorted(done) for one in done[number]]
                    return outcome
    trained = [one for number in sorted(done) for one in done[number]]
    return Outcome(trained, recipe.rounds, ended=True)


def _stop(job: Job, stage: Stage) -> AbstractContextManager[StopRequest]:
    if job.folder is None:
        return nullcontext(StopRequest())
    return stop_after_current_step(stage.stopping)


@dataclass
class _Progress:
    """Where the training of a chunk is."""

    states: State
    history: History
    rounds: int


def _train_chunk(
    job: Job,
    chunk: Chunk,
    size: int,
    program: Program,
    stage: Stage,
    stop: StopRequest,
    report: Report,
) -> Outcome:
    placed = program.place(job.store, chunks.data_of(chunk, size, job.shown, job.settings.seed))
    saving = _Saving.open(job, chunk) if job.folder else None
    with saving.manager if saving else nullcontext() as checkpoints:
        at = _start(job, program, placed, saving, checkpoints)
        stage.done += at.rounds
        problem = _rounds(job, chunk, program, placed, at, stage, stop, saving, checkpoints, report)
        ended = at.rounds == job.group.recipe.rounds
        logits = jax.device_get(program.test(at.states, *placed)) if at.rounds else {}
    trained = chunks.split_up(chunk, _until(at), logits) if at.rounds else []
    if ended:
        _keep(job, chunk, at.states)
        if job.folder and saving:
            chunks.write(job.folder, chunk, at.history, logits)
            shutil.rmtree(saving.path)
    return Outcome(trained, at.rounds, ended, problem)


def _rounds(
    job: Job,
    chunk: Chunk,
    program: Program,
    placed: tuple[Store, Arrays],
    at: _Progress,
    stage: Stage,
    stop: StopRequest,
    saving: "_Saving | None",
    checkpoints: Checkpoints | None,
    report: Report,
) -> str | None:
    """Train until the last round, a stop or a problem, which is returned; ``at`` says how far it got."""
    last = job.group.recipe.rounds
    problem = None
    unsaved = False
    while at.rounds < last and not stop.asked and not problem:
        states, counts = program.round(at.states, *placed)
        counts = jax.device_get(counts)
        problem = _divergence(job, chunk, counts["diverged"], at.rounds)
        if not problem:
            at.states, unsaved = states, True
            chunks.at_round(at.history, counts, at.rounds)
            at.rounds += 1
            report(chunks.split_up(chunk, _until(at), {}))
            stage.advance(loss=float(counts["loss_sum"].sum() / max(counts["num_examples"].sum(), 1)))
        over = stop.asked or problem
        if saving and checkpoints and unsaved and at.rounds < last and (over or saving.due(stage.elapsed)):
            saving.save(checkpoints, at, stage)
            unsaved = False
    return problem


def _start(
    job: Job,
    program: Program,
    placed: tuple[Store, Arrays],
    saving: "_Saving | None",
    checkpoints: Checkpoints | None,
) -> _Progress:
    """Where the chunk's last good checkpoint is, or the beginning."""
    history = chunks.no_history(job.group.recipe.rounds, program.counts)
    if saving and checkpoints and job.folder:
        like = (program.like, history, saving.origin)
        require_space(job.folder, 2 * num_bytes(like), "two checkpoints of the training")
        if (restored := restore_newest(checkpoints, like, job.unit)) is not None:
            rounds, (states, history, origin) = restored
            if not np.array_equal(origin, saving.origin):
                raise ValueError(
                    f"{saving.path} is of another run, or of other trainings; delete it, and --resume trains these anew"
                )
            return _Progress(states, jax.tree.map(np.array, history), rounds)
    return _Progress(program.init(*placed), history, 0)


@dataclass
class _Saving:
    """Checkpoints of a chunk."""

    path: Any
    origin: Int[np.ndarray, "bytes"]
    seconds: float
    manager: AbstractContextManager[Checkpoints]
    last: float = 0.0
    cost: float = 0.0

    @classmethod
    def open(cls, job: Job, chunk: Chunk) -> "_Saving":
        """The folder of the chunk's checkpoints."""
        assert job.folder
        path = job.folder.checkpoints / chunk.name
        origin = stored.origin(job.folder, chunk.identity)
        return cls(path, origin, job.settings.checkpoint_seconds, open_checkpoints(path, keep=2))

    def due(self, now: float) -> bool:
        """Whether it is time to save."""
        return now - self.last > max(self.seconds, self.cost / SAVING_SHARE)

    def save(self, checkpoints: Checkpoints, at: _Progress, stage: Stage) -> None:
        """Write a checkpoint."""
        begun = stage.elapsed
        checkpoints.save(at.rounds, (at.states, at.history, self.origin))
        self.last = stage.elapsed
        self.cost = self.last - begun


def _until(at: _Progress) -> History:
    return {name: values[: at.rounds] for name, values in at.history.items()}


def _divergence(job: Job, chunk: Chunk, diverged: np.ndarray, rounds: int) -> str | None:
    """A sentence if a loss or a weight is not finite."""
    if not (where := np.argwhere(diverged[: len(chunk.places)])).size:
        return None
    place, client = where[0]
    own = job.group.trainings[chunk.places[place]]
    who = f"client {client}" if job.group.num_clients > 1 else f"fold {own.split.name}"
    kept = f", and {job.folder.path} keeps what was good before" if job.folder else ""
    return (
        f"the loss or a weight of {own.row}, repeat {own.repeat}, {who}, was not finite in {job.unit} {rounds + 1}; "
        f"training stopped there{kept}; a smaller --learning-rate usually helps"
    )


def _keep(job: Job, chunk: Chunk, states: State) -> None:
    """Hand over the networks that are wanted."""
    unpack = jax.jit(job.task.unpack_client)
    for number, place in enumerate(chunk.places):
        for client in range(job.group.num_clients):
            if (place, client) in job.wanted:
                packed = jax.tree.map(lambda leaf, at=(number, client): leaf[at], states.tested)
                job.keep(place, client, jax.device_get(unpack(packed)))
