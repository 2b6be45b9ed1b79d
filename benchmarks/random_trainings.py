"""Trainings of the engine on random arrays of the network's shapes: for timing, and for looking at programs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data.dataset import Dataset
from experiments.inputs.priors import annotations_of
from experiments.inputs.settings import RecognitionSettings
from experiments.training.plan import Arrays, Group, arrays
from experiments.training.program import Program, compile_program
from experiments.training.rows import table_of
from experiments.training.shapes import store_like, task_of
from experiments.training.store import Rows, Store, rows_of
from fedpsyau_jax.federated import AxisMap
from fedpsyau_jax.splits import Split
from fedpsyau_jax.types import Examples


def random_dataset(count: int, num_classes: int, num_subjects: int) -> Dataset:
    """Examples of the right shapes and ranges, without meaning; subjects take turns."""
    draw = np.random.default_rng(0)
    examples = Examples(
        flow=draw.random((count, 28, 28, 3), np.float32),
        patches=draw.random((count, 65, 5, 5, 3), np.float32),
        au=draw.integers(0, 2, (count, 12)).astype(np.float32),
        au_mask=np.ones((count, 12), np.float32),
        emotion=draw.integers(0, num_classes, count),
    )
    clip = np.array([str(number) for number in range(count)])
    subject = np.array([f"{number % num_subjects:03d}" for number in range(count)])
    classes = tuple(map(str, range(num_classes)))
    facts: dict[str, Any] = {"synthetic": True, "fingerprint": "", "metadata": {}, "row": np.arange(count)}
    return Dataset("random", examples, subject, clip, classes, au_names=(), **facts)


def groups_of(settings: RecognitionSettings, repeats: Sequence[Sequence[Split]], dataset: Dataset) -> tuple[Group, ...]:
    """The trainings of all rows on the splits of each repeat, in groups that one program can train."""
    return table_of(settings, repeats, annotations_of(dataset), np.arange(len(dataset.clip))).groups


def group_of(settings: RecognitionSettings, splits: list[Split], dataset: Dataset) -> Group:
    """The trainings of one row on some splits, without scores between rounds."""
    (group,) = groups_of(settings, [splits], dataset)
    return replace(group, recipe=replace(group.recipe, scored=""))


def random_store(group: Group, rows: Rows) -> Store:
    """A group's store; features or weights of detectors are random."""
    draw = np.random.default_rng(1)

    def filled(leaf: Any) -> jax.Array:
        known = not isinstance(leaf, jax.ShapeDtypeStruct)
        return jnp.asarray(leaf if known else 0.1 * draw.random(leaf.shape, np.float32))

    store: Store = jax.tree.map(filled, store_like(group, rows))
    return store


def program_of(
    group: Group, dataset: Dataset, size: int, on_one_device: AxisMap | None = None
) -> tuple[Program, Store, list[Arrays]]:
    """A compiled program for chunks of some size, its store, and all chunks."""
    rows = rows_of(dataset.examples)
    store = random_store(group, rows)
    task = task_of(group, len(dataset.class_names), store)
    places = range(group.num_trained)
    chunks = [arrays(group, places[start : start + size], size, rows.shown, 0) for start in places[::size]]
    return compile_program(group.recipe, task, store, chunks[0], on_one_device=on_one_device), store, chunks
