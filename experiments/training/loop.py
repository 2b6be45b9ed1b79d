"""The only training loop: chunk by chunk and round by round, with checkpoints, progress and a graceful stop."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

import jax
import numpy as np

from experiments.inputs.settings import RunSettings
from experiments.run.folder import RunFolder
from experiments.run.processes import ALONE, Processes
from experiments.run.progress import Stage, Stages
from experiments.run.stopping import StopRequest, stop_after_current_step
from experiments.training import chunks
from experiments.training.checkpoints import ChunkCheckpoints, Progress, checkpoints_of
from experiments.training.chunks import Chunk, TrainingResult
from experiments.training.plan import Arrays, Group
from experiments.training.program import Program, State
from experiments.training.store import Store
from experiments.training.task import Task
from fedpsyau_jax.types import ClientState, Int, PyTree

Report = Callable[[list[TrainingResult]], None]
"""Called after each round with the history so far of a chunk's trainings, for metrics.csv."""
Keep = Callable[[int, int, ClientState], None]
"""Called with each trained network: index of its training in the group, index of its client, the network's tensors."""
Inspect = Callable[[Chunk, State, tuple[Store, Arrays]], None]
"""Called with the last states of each chunk that is trained, and with what they were trained on."""


@dataclass(frozen=True)
class Job:
    """A group to train.

    Attributes:
      settings: of the run.
      group: what is trained.
      task: the network.
      store: the shared arrays of all trainings.
      shown: index of the example that each row of the store shows.
      program: compiles, or waits for, the program of chunks of this size.
      unit: "round" or "epoch", for messages.
      title: name of its progress stage.
      folder: of the run; None if nothing is stored, and an interrupt stops at once.
      keep: receives the trained networks.
      wanted: which networks ``keep`` receives, as (place, client).
      inspect: receives the last states.
      size: trainings per chunk; None for as many as fit.
      processes: that train it together; all but the first have no folder.
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
    inspect: Inspect = lambda chunk, states, placed: None
    size: int | None = None
    processes: Processes = ALONE


@dataclass
class Outcome:
    """How far the training of a group got.

    Attributes:
      trained: trainings with their results: all of them if it ended; else those of finished chunks and, if it has
        finished a round, of the interrupted chunk.
      rounds: rounds that all of ``trained`` have finished.
      ended: whether all rounds of all trainings are done.
      problem: why training stopped early, if something went wrong.
    """

    trained: list[TrainingResult] = field(default_factory=list)
    rounds: int = 0
    ended: bool = False
    problem: str | None = None


def train(job: Job, stages: Stages, report: Report = lambda trained: None) -> Outcome:
    """Train all chunks without stored results, until the end, a divergence, or the user's request to stop."""
    rounds = job.group.recipe.rounds
    size = job.size or chunks.size_of_chunks(
        job.settings, job.group, job.task, job.store, job.shown, job.folder, job.processes.number
    )
    parts = chunks.chunks_of(job.group, size)
    done = {chunk.number: trained for chunk in parts if job.folder and (trained := chunks.read(job.folder, chunk))}
    finished = job.processes.agreed(lambda: list(done))
    outcome = Outcome(rounds=rounds, ended=True)
    if len(finished) < len(parts):
        program = job.program(size)
        total, before = len(parts) * rounds, len(finished) * rounds
        with stages.stage(job.title, total, done=before, unit=job.unit) as stage, _stop_request(job, stage) as stop:
            for chunk in parts:
                if chunk.number not in finished and outcome.ended:
                    outcome = _train_chunk(_Session(job, chunk, program, stage, stop, report), size)
                    done[chunk.number] = outcome.trained
    return replace(outcome, trained=[one for number in sorted(done) for one in done[number]])


def _stop_request(job: Job, stage: Stage) -> AbstractContextManager[StopRequest]:
    at_once = job.folder is None and job.processes.leads
    return nullcontext(StopRequest()) if at_once else stop_after_current_step(stage.stopping)


@dataclass(frozen=True)
class _Session:
    """The training of one chunk: everything that is the same in all rounds."""

    job: Job
    chunk: Chunk
    program: Program
    stage: Stage
    stop: StopRequest
    report: Report


def _train_chunk(session: _Session, size: int) -> Outcome:
    """Train one chunk; store its networks and results if it finished."""
    job, chunk, program = session.job, session.chunk, session.program
    placed = program.place(job.store, chunks.chunk_arrays(chunk, size, job.shown, job.settings.seed))
    new = partial(_initial_progress, session, placed)
    with ExitStack() as stack:
        saved = stack.enter_context(_checkpoints(session, job.folder)) if job.folder else None
        at = _restored(session, saved) or new()
        session.stage.done += at.rounds
        problem = _rounds(session, placed, at, saved)
        logits = jax.device_get(program.test(at.states, *placed)) if at.rounds else {}
    if unusable := _divergence(session, _not_finite(logits), at.rounds - 1):
        return Outcome([], at.rounds, False, problem or unusable)
    ended = at.rounds == job.group.recipe.rounds
    if ended:
        _keep(session, at.states)
        job.inspect(chunk, at.states, placed)
        if job.folder and saved:
            chunks.write(job.folder, chunk, at.history, logits)
            shutil.rmtree(saved.path)
    return Outcome(chunks.split_by_training(chunk, at.so_far, logits) if at.rounds else [], at.rounds, ended, problem)


def _checkpoints(session: _Session, folder: RunFolder) -> AbstractContextManager[ChunkCheckpoints]:
    seconds = session.job.settings.checkpoint_seconds
    return checkpoints_of(folder, session.chunk, session.stage, seconds, session.job.unit)


def _restored(session: _Session, saved: ChunkCheckpoints | None) -> Progress | None:
    """The checkpoint that the first process has, in all of them."""
    program, processes = session.program, session.job.processes
    found = saved.restore(program) if saved else None
    rounds = processes.agreed(lambda: found.rounds if found else 0)
    if not rounds:
        return found
    if found is None:
        found = Progress(program.like, chunks.empty_history(session.job.group.recipe.rounds, program.counts), rounds)
    return Progress(program.spread(found.states), processes.shared(found.history), rounds)


def _initial_progress(session: _Session, placed: tuple[Store, Arrays]) -> Progress:
    history = chunks.empty_history(session.job.group.recipe.rounds, session.program.counts)
    return Progress(session.program.init(*placed), history, 0)


def _rounds(
    session: _Session, placed: tuple[Store, Arrays], at: Progress, saved: ChunkCheckpoints | None
) -> str | None:
    """Train until the last round, a stop request or a problem. Updates ``at``; returns the problem, or None."""
    last, problem, processes = session.job.group.recipe.rounds, None, session.job.processes
    (stopped,) = processes.anywhere(session.stop.asked)
    while at.rounds < last and not stopped and not problem:
        states, counts = session.program.round(at.states, *placed)
        counts = jax.device_get(counts)
        if not (problem := _divergence(session, counts["diverged"], at.rounds)):
            at.states = states
            chunks.record_round(at.history, counts, at.rounds)
            at.rounds += 1
            session.report(chunks.split_by_training(session.chunk, at.so_far, {}))
            session.stage.advance(loss=float(counts["loss_sum"].sum() / max(counts["num_examples"].sum(), 1)))
        stopped, due = processes.anywhere(session.stop.asked, saved is not None and saved.due)
        if at.rounds < last and (stopped or due or problem):
            _save(session, at, saved)
    return problem


def _save(session: _Session, at: Progress, saved: ChunkCheckpoints | None) -> None:
    """Write a checkpoint in the first process, with the states of all."""
    states = session.program.gather(at.states)
    if saved:
        saved.save(replace(at, states=states))


def _not_finite(logits: PyTree) -> np.ndarray:
    """Which clients have predictions that are not finite, [trainings, clients]."""
    leaves = [np.isfinite(leaf).reshape(*leaf.shape[:2], -1).all(-1) for leaf in jax.tree.leaves(logits)]
    return ~np.all(leaves, axis=0) if leaves else np.zeros((0, 0), bool)


def _divergence(session: _Session, diverged: np.ndarray, rounds: int) -> str | None:
    """A sentence if a loss, a weight or a prediction is not finite."""
    job, places = session.job, session.chunk.places
    if not (where := np.argwhere(diverged[: len(places)])).size:
        return None
    number, client = where[0]
    training = job.group.rows_of(places[number])[0]
    who = f"client {client}" if job.group.num_clients > 1 else f"fold {training.split.name}"
    kept = f", and {job.folder.path} keeps the earlier results" if job.folder else ""
    return (
        f"a loss, weight or prediction of {training.row}, repeat {training.repeat}, {who}, was not finite in "
        f"{job.unit} {rounds + 1}; training stopped there{kept}; a smaller --learning-rate usually helps"
    )


def _keep(session: _Session, states: State) -> None:
    """Pass the wanted networks to ``job.keep``."""
    job, chunk = session.job, session.chunk
    unpack = jax.jit(job.task.unpack_client)
    tested, group = session.program.gather(states.tested), job.group
    for number, model, client in product(range(len(chunk.places)), range(group.num_models), range(group.num_clients)):
        place = chunk.places[number] * group.num_models + model
        if (place, client) in job.wanted:
            at = (number, client) if group.num_models == 1 else (number, client, model)
            packed = jax.tree.map(lambda leaf, at=at: leaf[at], tested)
            job.keep(place, client, jax.device_get(unpack(packed)))
