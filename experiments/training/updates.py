"""What a client's first update is made of, and what an attacker makes of it: examples with the same gradient.

An attacker sees the weights before and after, and knows recipe and labels. Candidates take the place of the store's
examples, so that their gradient is that of the run's own loss.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.results.inversion import Attempt
from experiments.run.progress import Stages
from experiments.training.compiler import short_run_options
from experiments.training.data import RunData
from experiments.training.plan import Arrays, Group, arrays
from experiments.training.program import context_of, initial_state, one_round
from experiments.training.store import Store
from experiments.training.task import Context, Task
from fedpsyau_jax.attacks import Inverted, blurred, invert, mean_cosine_distance, total_variation
from fedpsyau_jax.federated import equal_batches, sequential
from fedpsyau_jax.federated.private import clipped, gaussian_like
from fedpsyau_jax.types import Array, Batch, ClientState, Examples, Int, Params, PRNGKeyArray

EXAMPLE, BATCH, ROUND = "one example", "one batch", "a round"
MOST_PICTURES = 32
"""An attacker looks for at most so many pictures in one update."""
START, NOISE = 1, 2
"""Folded into the key of the attacks: for where they start, and for noise."""
NEAR = 0.005
"""Standard deviation of the start of an attack round the mean picture."""
BLUR = 4
"""Passes that make the flow of candidates smooth; chosen on test subjects, whose updates nobody attacks."""


class Point(NamedTuple):
    """Where gradients are taken: the first round, the weights that all clients start from, and a key for dropout."""

    context: Context
    client: ClientState
    key: PRNGKeyArray


class Known(NamedTuple):
    """What the attacker knows: labels, the range of features in the database, and the mean picture of other people."""

    labels: Examples
    low: Array
    high: Array
    usual: dict[str, Array]


@dataclass(frozen=True)
class Update:
    """A federation before its first round, whose clients' updates are attacked.

    Attributes:
      group: of its training.
      task: what it trains.
      own: its arrays.
      at: its first round.
      low, high: the range of the features of frozen detectors over the database.
      public: examples of other people, whom no client trains on.
    """

    group: Group
    task: Task
    own: Arrays
    at: Point
    low: Array
    high: Array
    public: Int[np.ndarray, "examples"]

    @property
    def clients(self) -> list[Int[np.ndarray, "examples"]]:
        """The training examples of each client."""
        return [client.train for client in self.group.trainings[0].split.clients]

    @property
    def private(self) -> bool:
        """Whether the run adds noise."""
        return bool(self.group.recipe.private)

    def pictures(self, rows: Int[np.ndarray, "examples"]) -> dict[str, Array]:
        """What is hidden of examples, all values from 0 to 1."""
        examples, features = self.at.context.store[:2]
        if features is None:
            return {"flow": examples.flow[rows], "patches": examples.patches[rows]}
        own = features[self.at.context.detector, rows]
        return {"flow": examples.flow[rows], "features": (own - self.low) / (self.high - self.low)}

    def known(self, rows: Int[np.ndarray, "examples"]) -> Known:
        """What the attacker knows of examples."""
        labels = jax.tree.map(lambda leaf: leaf[rows], self.at.context.store.examples)
        return Known(labels, self.low, self.high, self.usual)

    @cached_property
    def usual(self) -> dict[str, Array]:
        """The mean picture of other people."""
        return {name: value.mean(axis=0) for name, value in self.pictures(self.public).items()}


def update_of(group: Group, task: Task, store: Store, data: RunData, seed: int) -> Update:
    """The first round of the first training of a group."""
    own = jax.tree.map(lambda leaf: leaf[0], arrays(group, [0], 1, data.rows.shown, seed))
    build = jax.jit(lambda own, store: initial_state(group.recipe, task, store, own).federation.clients)
    client = jax.tree.map(lambda leaf: leaf[0], build(own, store))
    low, high = jnp.zeros(()), jnp.ones(())
    if store.features is not None:
        features = store.features[own.detector]
        low, high = features.min(axis=0), features.max(axis=0)
    at = Point(context_of(store, own, 0), client, jax.random.key(seed))
    public = group.trainings[0].split.test
    return Update(group, task, own, at, low, jnp.where(high > low, high, low + 1), public)


def gradient_of(task: Task, at: Point, known: Known, pictures: dict[str, Array]) -> Params:
    """The gradient of the run's loss on one batch of pictures."""
    count = len(known.labels.emotion)
    seen = {name: value for name, value in pictures.items() if name != "features"}
    store = at.context.store._replace(examples=known.labels._replace(**seen))
    context = at.context
    if "features" in pictures:
        features = known.low + (known.high - known.low) * pictures["features"]
        store, context = store._replace(features=features[None]), context._replace(detector=jnp.int32(0))
    loss = task.loss(context._replace(store=store))
    batch = Batch(jnp.arange(count), jnp.ones(count))
    gradient: Params = jax.grad(lambda params: loss(params, at.client.model_state, batch, at.key)[0])(at.client.params)
    return gradient


def attempts(update: Update, num_steps: int, num_victims: int, stages: Stages) -> Iterator[Attempt]:
    """Attack the updates of the clients: of one example, one batch and a round, each by itself and as a sum over
    clients (secure aggregation), without noise and, in a private run, with it."""
    cases = [(summed, noisy) for noisy in ((False, True) if update.private else (False,)) for summed in (False, True)]
    look = jax.jit(partial(_invert, update.task, num_steps), compiler_options=short_run_options())
    kinds = [*[(EXAMPLE, victim) for victim in range(num_victims)], (BATCH, 0), (ROUND, 0)]
    with stages.stage("inverting updates", total=len(kinds) * len(cases), unit="update") as stage:
        for kind, victim in kinds:
            for summed, noisy in cases:
                yield _attempt(update, look, kind, victim, summed=summed, noisy=noisy)
                stage.advance()


def _attempt(
    update: Update, look: Callable[..., Inverted], kind: str, victim: int, *, summed: bool, noisy: bool
) -> Attempt:
    clients = range(len(update.clients)) if summed else [victim % len(update.clients)]
    rows = [_rows(update, kind, client, victim) for client in clients]
    parts = (
        _round_parts(update, clients, noisy=noisy)
        if kind == ROUND
        else [
            _step(
                update, own, jax.random.fold_in(jax.random.fold_in(update.at.key, NOISE), victim + client), noisy=noisy
            )
            for own, client in zip(rows, clients, strict=True)
        ]
    )
    observed = jax.tree.map(lambda *leaves: sum(leaves), *parts)
    among = np.concatenate(rows)
    found = jax.device_get(
        look(update.at, update.known(among[:MOST_PICTURES]), observed, jax.random.fold_in(update.at.key, START))
    )
    pictures = {name: np.asarray(value) for name, value in found.examples.items()}
    return Attempt(kind, summed, noisy, among, pictures["flow"], pictures.get("patches"), float(found.distance[-1]))


def _rows(update: Update, kind: str, client: int, victim: int) -> Int[np.ndarray, "examples"]:
    """The examples of a client that an update is of."""
    own = update.clients[client]
    if kind == EXAMPLE:
        return own[[victim % len(own)]]
    return own[: equal_batches(len(own), update.group.recipe.batch)] if kind == BATCH else own


def _step(update: Update, rows: Int[np.ndarray, "examples"], key: PRNGKeyArray, *, noisy: bool) -> Params:
    """The gradient of a batch; with noise, the sum of the examples' clipped ones, as if each were a subject."""
    of = jax.jit(partial(gradient_of, update.task))
    if not noisy:
        return of(update.at, update.known(rows), update.pictures(rows))
    clip, noise = _clip_and_noise(update)
    each = [clipped(of(update.at, update.known(own), update.pictures(own)), clip) for own in rows[:, None]]
    total = jax.tree.map(lambda *leaves: sum(leaves), *each)
    return jax.tree.map(jnp.add, total, gaussian_like(key, total, noise * clip))


def _clip_and_noise(update: Update) -> tuple[Array, Array]:
    numbers = update.own.numbers
    assert numbers.clip is not None
    assert numbers.noise is not None
    return numbers.clip, numbers.noise


def _round_parts(update: Update, clients: Sequence[int], *, noisy: bool) -> list[Params]:
    """How far some clients' weights move in the first round, against the gradient; times their examples."""
    own, recipe = update.own, update.group.recipe
    if update.private and not noisy:
        own = own._replace(numbers=own.numbers._replace(noise=jnp.zeros(())))

    def moved(own: Arrays, store: Store) -> Params:
        before = initial_state(recipe, update.task, store, own)
        after, _ = one_round(recipe, update.task, sequential, before, own, store)
        return jax.tree.map(jnp.subtract, before.federation.clients.params, after.federation.clients.params)

    all_moved = jax.jit(moved, compiler_options=short_run_options())(own, update.at.context.store)
    sizes = [len(client) for client in update.clients]
    return [jax.tree.map(lambda leaf, at=at: sizes[at] * leaf[at], all_moved) for at in clients]


def _invert(task: Task, num_steps: int, at: Point, known: Known, observed: Params, key: PRNGKeyArray) -> Inverted:
    """Look for pictures, from the mean picture on: flow among smooth pictures, all else number by number."""
    count = len(known.labels.emotion)
    start = {
        name: NEAR * jax.random.normal(jax.random.fold_in(key, place), (count, *value.shape))
        for place, (name, value) in enumerate(known.usual.items())
    }
    found = invert(
        lambda apart: gradient_of(task, at, known, _pictures(known, apart)),
        observed,
        start,
        lambda apart: total_variation(_pictures(known, apart)["flow"]),
        num_steps=num_steps,
        distance=mean_cosine_distance,
    )
    bounded = jax.tree.map(lambda leaf: jnp.clip(leaf, 0, 1), _pictures(known, found.examples))
    return found._replace(examples=bounded)


def _pictures(known: Known, apart: dict[str, Array]) -> dict[str, Array]:
    """The mean picture, and what candidates are apart from it."""
    return {
        name: known.usual[name] + (blurred(value, BLUR) if name == "flow" else value) for name, value in apart.items()
    }
