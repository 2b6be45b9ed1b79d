"""The examples that trials look up by their row, each held once: with rotated copies, or as a detector sees them."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data.dataset import Dataset
from experiments.inputs.configs import FedSettings
from experiments.inputs.mer_settings import MerSettings
from experiments.run.progress import Stages
from experiments.training.detecting import detect
from experiments.training.recognition import detected
from experiments.training.tasks import Detector
from fedpsyau_jax.augmentation import SEVEN_CLASSES, THREE_CLASSES, Band, randomly_rotated, rotated_copies
from fedpsyau_jax.types import Array, Examples, Float, Int, PyTree

RECIPES = {3: THREE_CLASSES, 7: SEVEN_CLASSES}


class ExampleStore(NamedTuple):
    """The store that trials look up: which example each row shows, and its class."""

    store: PyTree
    shown: Int[np.ndarray, "rows"]
    label: Int[np.ndarray, "rows"]


def with_copies(settings: MerSettings, dataset: Dataset) -> ExampleStore:
    """All examples, followed by the rotated copies of the rare classes if the settings ask for them.

    Angles are drawn once. Only a fold that trains on an example trains on its copies.
    """
    labels = np.asarray(dataset.examples.emotion).astype(np.int32)
    store = jax.tree.map(jnp.asarray, dataset.examples._replace(emotion=jnp.asarray(labels)))
    shown = np.arange(len(labels))
    if not settings.augment:
        return ExampleStore(store, shown, labels)
    labelled = np.flatnonzero(labels >= 0)
    if (recipe := RECIPES.get(len(dataset.class_names))) is None:
        raise ValueError(f"--augment: there are recipes for 3 and 7 classes; the data have {len(dataset.class_names)}")
    copies = rotated_copies(labelled, labels, dataset.class_names, recipe)
    rotated_rows = slice(len(labelled), None)
    shown_by_copies, band = jax.tree.map(lambda leaf: leaf[rotated_rows], copies)
    keys = jax.random.split(jax.random.key(settings.seed), len(shown_by_copies))

    def rotated(row: tuple[Array, Band, Array]) -> Examples:
        example, own_band, key = row
        return randomly_rotated(jax.tree.map(lambda leaf: leaf[example], store), own_band, key)

    more = jax.jit(lambda *rows: jax.lax.map(rotated, rows))(jnp.asarray(shown_by_copies), band, keys)
    store = jax.tree.map(lambda old, new: jnp.concatenate([old, new]), store, more)
    shown = np.concatenate([shown, shown_by_copies])
    return ExampleStore(store, shown, labels[shown])


def on_features(
    settings: MerSettings, examples: ExampleStore, detectors: Sequence[Detector], num_examples: int, stages: Stages
) -> tuple[ExampleStore, Float[np.ndarray, "detectors examples aus"]]:
    """The store of frozen detectors, whose features are computed once, and their AU probabilities."""
    track = partial(stages.track, total=len(detectors), description="detecting action units")
    outputs = detect(FedSettings(network=settings.network), detectors, examples.store, track)
    probabilities = np.asarray(jax.nn.sigmoid(outputs.logits))
    of_each = probabilities.reshape(len(detectors), -1, probabilities.shape[-1])[:, :num_examples]
    return examples._replace(store=detected(examples.store, outputs.features)), of_each
