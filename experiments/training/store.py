"""The arrays that all trainings of a program share: examples (each stored once), detectors and priors."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.network_settings import NetworkSettings
from experiments.training.compiler import run_once_options
from fedpsyau_jax.augmentation import SEVEN_CLASSES, THREE_CLASSES, Band, randomly_rotated, rotated_copies
from fedpsyau_jax.federated import in_chunks
from fedpsyau_jax.models.fedpsyau import AUOutputs, au_detector
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import Array, Batch, ClientState, Examples, Int, PRNGKeyArray

CHUNK = 64
"""Examples evaluated at a time."""
RECIPES = {3: THREE_CLASSES, 7: SEVEN_CLASSES}


class Detector(NamedTuple):
    """An AU detector to run: its weights, its priors and their ratio."""

    client: ClientState
    priors: Priors
    ratio: float


class Rows(NamedTuple):
    """Examples followed by rotated copies, leaves [rows, ...]. Row r shows example ``shown[r]``."""

    examples: Examples
    shown: Int[np.ndarray, "rows"]


class Store(NamedTuple):
    """The arrays that all trainings share.

    ``examples``: leaves [rows, ...]; ``features``: of frozen detectors [detectors, rows, aus, feat], else None;
    ``detectors``: initial weights of AU detectors, leaves [detectors, ...], else None; ``priors``: [priors, ...].
    """

    examples: Examples
    features: Array | None
    detectors: ClientState | None
    priors: Priors


def rows_of(examples: Examples) -> Rows:
    """One row for each example."""
    emotion = jnp.asarray(np.asarray(examples.emotion).astype(np.int32))
    return Rows(jax.tree.map(jnp.asarray, examples._replace(emotion=emotion)), np.arange(len(emotion)))


def with_rotated_copies(rows: Rows, class_names: Sequence[str], key: PRNGKeyArray) -> Rows:
    """Add rotated copies of the rare classes; a training set that holds an example also holds its copies.

    Raises:
      ValueError: there is no recipe for this number of classes.

    Source: the released implementation's augmentation; its angles are drawn once.
    """
    if (recipe := RECIPES.get(len(class_names))) is None:
        raise ValueError(f"--augment: there are recipes for 3 and 7 classes; the data have {len(class_names)}")
    labels = np.asarray(rows.examples.emotion)
    labelled = np.flatnonzero(labels >= 0)
    copies = rotated_copies(labelled, labels, class_names, recipe)
    shown, band = jax.tree.map(lambda leaf: leaf[len(labelled) :], copies)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(len(shown)))

    def rotated(row: tuple[Array, Band, Array]) -> Examples:
        example, own_band, own_key = row
        return randomly_rotated(jax.tree.map(lambda leaf: leaf[example], rows.examples), own_band, own_key)

    more = jax.jit(lambda *given: jax.lax.map(rotated, given))(jnp.asarray(shown), band, keys)
    examples = jax.tree.map(lambda old, new: jnp.concatenate([old, new]), rows.examples, more)
    return Rows(examples, np.concatenate([rows.shown, shown]))


def detect(
    network: NetworkSettings,
    detectors: Sequence[Detector],
    examples: Examples,
    track: Callable[[Sequence[Detector]], Iterable[Detector]] = iter,
) -> AUOutputs:
    """Run frozen detectors over the examples, in evaluation mode.

    Args:
      network: architecture of the detectors.
      detectors: the detectors, which run one after another.
      examples: leaves [rows, ...].
      track: wraps the loop over detectors, to show progress.

    Returns:
      Logits and features, leaves [detectors, rows, ...].
    """

    def detected(client: ClientState, priors: Priors, ratio: Array, batch: Batch) -> AUOutputs:
        model = au_detector(network.architecture(), priors, ratio)
        return in_chunks(lambda weights, part: model.apply(*weights, part, None, train=False)[0], CHUNK)(client, batch)

    count = len(examples.emotion)
    padded = jax.tree.map(lambda leaf: jnp.pad(leaf, [(0, -count % CHUNK)] + [(0, 0)] * (leaf.ndim - 1)), examples)
    program = jax.jit(detected, compiler_options=run_once_options())
    all_examples = Batch(padded, jnp.ones(len(padded.emotion)))
    outputs = [
        jax.block_until_ready(program(detector.client, detector.priors, jnp.asarray(detector.ratio), all_examples))
        for detector in track(detectors)
    ]
    return jax.tree.map(lambda *leaves: jnp.stack([leaf[:count] for leaf in leaves]), *outputs)


def stack_priors(priors: Sequence[Priors]) -> Priors:
    """Priors with a leading axis [priors]."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *priors)


def look_up(store: Store, batch: Batch) -> Batch:
    """Look up the examples of a batch of row indices."""
    return Batch(jax.tree.map(lambda leaf: leaf[batch.examples], store.examples), batch.mask)


def first_example_batch(examples: Examples) -> Batch:
    """A batch with the first example only, to initialise weights."""
    return Batch(jax.tree.map(lambda leaf: jnp.asarray(leaf[:1]), examples), jnp.ones(1))


def features_like(examples: Examples, num_detectors: int) -> Any:
    """Shape and dtype of the features of frozen detectors, without computing them."""
    shape = (num_detectors, len(examples.emotion), examples.au.shape[1], 25)
    return jax.ShapeDtypeStruct(shape, examples.flow.dtype)
