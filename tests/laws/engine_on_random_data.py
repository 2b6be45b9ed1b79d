"""Trainings of the engine on noise: groups, stores and states, without a run folder."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from fed_on_random_data import random_dataset

from experiments.inputs.priors import annotations_of
from experiments.inputs.settings import FedSettings, MerSettings, RecognitionSettings
from experiments.training.plan import Group, arrays
from experiments.training.program import State, context_of, initial_state, one_round, predictions
from experiments.training.rows import Table, table_of
from experiments.training.shapes import store_like, task_of
from experiments.training.store import Rows, Store, rows_of
from experiments.training.task import Task
from fedpsyau_jax.federated import sequential
from fedpsyau_jax.splits import Split, single_client
from fedpsyau_jax.types import Model, PyTree

DATA = random_dataset("random", "federated")
SHARED = {"batch": 8, "learning_rate": 3e-3, "weight_decay": 0.02, "head_scale": 0.5, "repeats": 1, "seed": 3}
SPLIT = single_client("0", np.arange(0, 20), np.arange(20, 32))


def table(settings: RecognitionSettings, repeats: list[list[Split]], rows: Rows) -> Table:
    """Rows and trainings of some settings on given splits."""
    return table_of(settings, repeats, annotations_of(DATA), rows.shown)


def federation(train_au: bool, epochs: int, **more: Any) -> FedSettings:
    """One client that trains as a fold does: an epoch a round, no warm-up, the optimiser kept."""
    settings = FedSettings(clients=1, algorithms=("fedavg",), rounds=epochs, local_epochs=1, warmup_epochs=0)
    return replace(settings, optimizer_state="kept", train_au=train_au, **(SHARED | more))


def cross_validation(au: str, epochs: int, **more: Any) -> MerSettings:
    """A fold with the same settings."""
    return replace(MerSettings(), au=au, epochs=epochs, slow_modules=False, **(SHARED | more))


def random_store(group: Group, rows: Rows, dtype: Any) -> Store:
    """A store whose features, or weights of detectors, are noise."""
    like = store_like(group, rows)

    def filled(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return jnp.asarray(np.random.default_rng(0).random(leaf.shape), dtype)
        return jnp.asarray(leaf, dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else jnp.asarray(leaf)

    return jax.tree.map(filled, like, is_leaf=lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))


def task_in(group: Group, store: Store) -> Task:
    """The group's task."""
    return task_of(group, len(DATA.class_names), store)


def in_double(build: Callable[..., Model]) -> Callable[..., Model]:
    """The same network with weights in float64."""

    def built(*choices: Any) -> Model:
        model = build(*choices)
        return model._replace(init=lambda *given: jax.tree.map(lambda w: w.astype(jnp.float64), model.init(*given)))

    return built


def train_one(
    group: Group, store: Store, task: Task, place: int = 0, rounds: int | None = None
) -> tuple[State, PyTree]:
    """Train one training of a group by itself; its last state, and the logits of its test."""
    own = jax.tree.map(lambda leaf: leaf[0], arrays(group, [place], 1, np.arange(len(DATA.clip)), 3))
    state = jax.jit(lambda own: initial_state(group.recipe, task, store, own))(own)
    step = jax.jit(lambda state: one_round(group.recipe, task, sequential, state, own, store)[0])
    for _ in range(rounds or group.recipe.rounds):
        state = step(state)
    context = context_of(store, own, group.recipe.rounds - 1)
    test = jax.tree.map(lambda leaf: leaf[0], own.test)
    client = jax.tree.map(lambda leaf: leaf[0], state.tested)
    return state, jax.jit(lambda *given: predictions(task, context, *given))(client, test)


def noise() -> Rows:
    """The examples as the store has them."""
    return rows_of(DATA.examples)
