"""Shadow federations: a run's own trainings, each on a random half of the people, and what observers see of them.

They are further repeats of the same rows, so that all shadows of a row are an axis of one compiled program.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.priors import annotations_of
from experiments.results.membership import PERSONAL, RECEIVED, SENT, Seen
from experiments.run.progress import Stages
from experiments.training.chunks import Chunk
from experiments.training.compiler import short_run_options
from experiments.training.data import RunData
from experiments.training.detectors import Clients
from experiments.training.experiment import store_with_detectors
from experiments.training.loop import Job, train
from experiments.training.memory import clients_at_once
from experiments.training.plan import Arrays, Group, Recipe, Training
from experiments.training.prepare import Prepared
from experiments.training.program import Program, State, client_of, compile_program, context_of, predictions
from experiments.training.rows import joined_tables, table_of
from experiments.training.shapes import job_arrays_like, task_of
from experiments.training.store import CHUNK, Store
from experiments.training.task import Task
from fedpsyau_jax.attacks import log_odds
from fedpsyau_jax.federated import Strategy, in_groups, of_tested_models
from fedpsyau_jax.federated.exchange import exchange
from fedpsyau_jax.splits import Client, Split
from fedpsyau_jax.types import Array, Batch, ClientState, Int

HALVES = 2**31 - 2
"""With the seed of the run, that of the halves; no repeat has this number."""


def shadows_of(prepared: Prepared, num_shadows: int) -> Prepared:
    """A run with its shadow federations in the place of its repeats.

    Args:
      prepared: the run; its first repeat says who is whose.
      num_shadows: an even number: each is followed by its complement.
    """
    data = tuple(
        replace(one, repeats=halved(one.repeats[0], one.dataset.subject, num_shadows, prepared.settings.seed))
        for one in prepared.data
    )
    tables = [table_of(one.settings, one.repeats, annotations_of(one.dataset), one.rows.shown) for one in data]
    return replace(prepared, data=data, table=joined_tables(tables))


def halved(splits: Sequence[Split], subject: np.ndarray, num_shadows: int, seed: int) -> list[list[Split]]:
    """[shadows][splits] the splits with half of each client's training subjects, and with the other half.

    Args:
      splits: of one repeat; the same people are left out in all of them.
      subject: of each example.
      num_shadows: even.
      seed: of the run.
    """
    generators = [np.random.default_rng([seed, HALVES]) for _ in splits]
    pairs = [
        [
            _with_clients(split, [_halves(client, subject, generator) for client in split.clients])
            for split, generator in zip(splits, generators, strict=True)
        ]
        for _ in range(num_shadows // 2)
    ]
    return [[both[which] for both in pair] for pair in pairs for which in (0, 1)]


def _with_clients(split: Split, halves: Sequence[tuple[Client, Client]]) -> tuple[Split, Split]:
    first, second = zip(*halves, strict=True)
    return split._replace(clients=first), split._replace(clients=second)


def _halves(client: Client, subject: np.ndarray, generator: np.random.Generator) -> tuple[Client, Client]:
    first, second = (client.train[chosen] for chosen in half_of(subject[client.train], generator))
    return client._replace(train=first), client._replace(train=second)


def half_of(subject: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which examples are of a random half of the subjects, and which of the other half; both are as many.

    Of an odd number one subject is in neither; a single one is in both.

    >>> first, second = half_of(np.array(["b", "a", "a", "c"]), np.random.default_rng(0))
    >>> first.astype(int) + second, half_of(np.array(["a"]), np.random.default_rng(0))
    (array([0, 1, 1, 1]), (array([ True]), array([ True])))
    """
    people = generator.permutation(np.unique(subject))
    if len(people) == 1:
        return np.isin(subject, people), np.isin(subject, people)
    size = len(people) // 2
    return np.isin(subject, people[:size]), np.isin(subject, people[size : 2 * size])


def train_shadows(shadows: Prepared, detectors: Clients, stages: Stages) -> list[Seen]:
    """Train the shadow federations, and ask what each observer sees for the log odds of all examples.

    Args:
      shadows: from ``shadows_of``.
      detectors: by network, the pretrained AU detectors.
      stages: where progress is shown.

    Raises:
      ValueError: a training diverged.
    """
    seen = []
    for number, group in enumerate(shadows.table.groups, 1):
        store, _ = store_with_detectors(shadows, group, detectors, stages)
        title = f"shadow federations, program {number} of {len(shadows.table.groups)}"
        seen += watched(_job(shadows, group, store, title, stages), shadows.data_of(group), stages)
    return seen


def _job(shadows: Prepared, group: Group, store: Store, title: str, stages: Stages) -> Job:
    data, settings = shadows.data_of(group), shadows.settings
    task = task_of(group, len(data.class_names), store)

    def program(size: int) -> Program:
        like = job_arrays_like(group, size, data.rows.shown, settings.seed)
        with stages.stage("compiling"):
            clients = clients_at_once(settings, group, task, store, data.rows.shown)
            over = None if clients is None else in_groups(clients)
            return compile_program(group.recipe, task, store, like, settings.devices, over)

    return Job(settings, group, task, store, data.rows.shown, program, shadows.unit, title)


def watched(job: Job, data: RunData, stages: Stages) -> list[Seen]:
    """What observers see of each row of a job, trained to the end.

    Raises:
      ValueError: a training diverged.
    """
    labels = np.asarray(data.dataset.examples.emotion)
    batch = _everything(len(labels))
    look = jax.jit(partial(_views, job.group.recipe, job.task), compiler_options=short_run_options())
    odds: dict[tuple[str, str], dict[int, np.ndarray]] = {}

    def inspect(chunk: Chunk, states: State, placed: tuple[Store, Arrays]) -> None:
        views = jax.device_get(look(states, *placed, batch))
        for number, place in enumerate(chunk.places):
            for training, model, name, at in _of_rows(job.group.rows_of(place)):
                logits = views[name][number] if at is None else views[name][number][:, at]
                odds.setdefault((training.row, model), {})[training.repeat] = log_odds(logits[:, : len(labels)], labels)

    outcome = train(replace(job, inspect=inspect), stages)
    if outcome.problem:
        raise ValueError(outcome.problem)
    return [Seen(row, model, np.stack([own[shadow] for shadow in sorted(own)])) for (row, model), own in odds.items()]


def _of_rows(rows: Sequence[Training]) -> list[tuple[Training, str, str, int | None]]:
    """What is seen of rows that share what is trained: training, model, name of its view, place among tested models."""
    found: list[tuple[Training, str, str, int | None]] = []
    for place, training in enumerate(rows):
        personal = training.strategy.tested is None or int(training.strategy.tested) == 1
        if len(rows) == 1 or not personal:
            found += [(training, name, name, None) for name in (SENT, RECEIVED) if shares_weights(training.strategy)]
        if personal:
            found.append((training, PERSONAL, PERSONAL, None if len(rows) == 1 else place))
    return found


def shares_weights(strategy: Strategy) -> bool:
    """Whether weights of one client reach another one.

    >>> from fedpsyau_jax.federated import fedavg, local_only
    >>> shares_weights(fedavg(jnp.ones(3))), shares_weights(local_only(jnp.ones(3)))
    (True, False)
    """
    matrices = [np.asarray(one) for one in (strategy.mixing, strategy.anchor) if one is not None]
    return any((one * (1 - np.eye(one.shape[-1])) != 0).any() for one in matrices)


def _everything(count: int) -> Batch:
    length = count if count <= CHUNK else count + -count % CHUNK
    rows: Int[np.ndarray, examples] = np.arange(length)
    return Batch(jnp.asarray(np.where(rows < count, rows, 0), jnp.int32), jnp.asarray(rows < count, jnp.float32))


def _views(recipe: Recipe, task: Task, states: State, store: Store, arrays: Arrays, batch: Batch) -> dict[str, Array]:
    """Logits [trainings, clients, examples, classes] of what observers see after the last round, by model; personal
    ones [trainings, clients, models, ...] where several are tested."""
    return jax.lax.map(lambda one: _views_of_one(recipe, task, store, batch, *one), (states, arrays))


def _views_of_one(
    recipe: Recipe, task: Task, store: Store, batch: Batch, state: State, arrays: Arrays
) -> dict[str, Array]:
    context = context_of(store, arrays, recipe.rounds - 1)

    def predict(client: ClientState, examples: Batch) -> Any:
        return predictions(task, context, client, examples)["emotion"]

    def of(clients: ClientState, ask: Callable[[ClientState, Batch], Any] = predict) -> Array:
        logits: Array = jax.lax.map(lambda client: ask(client, batch), clients)
        return logits

    sent = of(state.federation.clients)
    several = of_tested_models(arrays.strategy.tested, predict)
    personal = sent if state.best is None else of(state.best, several)
    return {SENT: sent, RECEIVED: of(_received(recipe, task, store, state, arrays)), PERSONAL: personal}


def _received(recipe: Recipe, task: Task, store: Store, state: State, arrays: Arrays) -> ClientState:
    """What each client would receive after the last round: with its own batch statistics, unless these are mixed."""
    context, federation = context_of(store, arrays, recipe.rounds - 1), state.federation
    _, problem, _ = client_of(recipe, task, context, arrays.train.mask.shape[-1], 0)
    key = jax.random.fold_in(arrays.key, federation.round)
    given = federation.clients, federation.server, federation.reports, problem, jnp.bool_(True), key
    received, anchors, _ = exchange(arrays.strategy, *given)
    return received if anchors is None else received._replace(params=anchors)
