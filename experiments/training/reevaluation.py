"""A run's networks on their test examples at any prior ratio, in one compiled program; nothing is trained."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.training.tasks import CHUNK, Detector, Sighted, look_up, look_up_sighted
from experiments.training.trained_networks import TrainedRun, by_rows
from fedpsyau_jax.federated import in_chunks
from fedpsyau_jax.models.attention import Attention
from fedpsyau_jax.models.fedpsyau import AUOutputs, Detected, detect_attending, emotion_classifier
from fedpsyau_jax.types import Array, Batch, ClientState, Examples, Float, PyTree

Attentions = dict[str, tuple[Attention, ...]]
"""By graph ("upper", "lower", "global") the attention of each layer, averaged over heads."""


class Reevaluated(NamedTuple):
    """What a group of networks does with its test examples.

    ``evaluation``: logits "emotion" and "au" [rows, repeats, parts, test examples, ...]; ``attention``: summed over the
    test examples of each emotion, leaves [rows, repeats, parts, classes, aus, aus].
    """

    evaluation: dict[str, Array]
    attention: Attentions


class Material(NamedTuple):
    """All arrays that the program reads.

    ``detectors``: [detectors, ...]; ``clients``, ``tests``: of each group [rows, repeats, parts, ...].
    """

    examples: Examples
    detectors: Detector
    clients: list[ClientState]
    tests: list[Batch]


class Looked(NamedTuple):
    """Examples [examples, ...] as detectors see them, and the attention that these used."""

    outputs: AUOutputs
    attention: Attentions


Predict = Callable[[ClientState, Batch], tuple[PyTree, Attentions]]


def reevaluation(run: TrainedRun) -> Callable[[float], list[Reevaluated]]:
    """A function from the prior ratio to what each group of networks does with it; it compiles once."""
    emotion = jnp.asarray(run.dataset.examples.emotion.astype(np.int32))
    material = Material(
        jax.tree.map(jnp.asarray, run.dataset.examples._replace(emotion=emotion)),
        jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *run.detectors),
        jax.device_put([group.clients for group in run.groups]),
        [group.tests for group in run.groups],
    )

    @jax.jit
    def program(ratio: Float[Array, ""], material: Material) -> list[Reevaluated]:
        kind = frozen_detector if run.frozen else own_detector
        predict = kind(run, ratio, material)
        parts = zip(material.clients, material.tests, strict=True)
        return [_tested(run, predict, material.examples, clients, tests) for clients, tests in parts]

    return lambda ratio: program(jnp.float32(ratio), material)


def frozen_detector(run: TrainedRun, ratio: Float[Array, ""], material: Material) -> Predict:
    """Clients have an emotion classifier each, and detectors in common, which look at each example once."""
    count = len(material.examples.emotion)
    padded = jax.tree.map(
        lambda leaf: jnp.pad(leaf, [(0, -count % CHUNK)] + [(0, 0)] * (leaf.ndim - 1)), material.examples
    )
    everything = Batch(padded, jnp.ones(count + -count % CHUNK))

    def seen_by(detector: Detector) -> Looked:
        look = in_chunks(lambda client, part: _look(run, ratio, client, part, detector.priors), CHUNK)
        return jax.tree.map(lambda leaf: leaf[:count], look(detector.client, everything))

    looked = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), jax.lax.map(seen_by, material.detectors))

    def predict(client: ClientState, batch: Batch) -> tuple[PyTree, Attentions]:
        examples, seen = look_up((material.examples, looked), batch).examples
        return _classified(run, client, examples, batch.mask, seen)

    return predict


def own_detector(run: TrainedRun, ratio: Float[Array, ""], material: Material) -> Predict:
    """Each client has a whole network of its own."""
    store = Sighted(material.examples, material.detectors.priors)

    def predict(client: ClientState, batch: Batch) -> tuple[PyTree, Attentions]:
        examples, priors = look_up_sighted(store, batch).examples
        au, dsi = (ClientState(client.params[name], client.model_state[name]) for name in ("au", "dsi"))
        seen = _look(run, ratio, au, Batch(examples, batch.mask), priors)
        return _classified(run, dsi, examples, batch.mask, seen)

    return predict


def _look(run: TrainedRun, ratio: Float[Array, ""], client: ClientState, batch: Batch, priors: PyTree) -> Looked:
    outputs, attention = detect_attending(run.network.architecture(), client, batch, priors, ratio)

    def of_layer(layer: Attention) -> Attention:
        learned, mixed = layer.learned.mean(axis=-3), layer.mixed.mean(axis=-3)
        return Attention(learned, jnp.broadcast_to(layer.prior, learned.shape), mixed)

    return Looked(outputs, {graph: tuple(map(of_layer, layers)) for graph, layers in attention.items()})


def _classified(
    run: TrainedRun, client: ClientState, examples: Examples, mask: Float[Array, "batch"], seen: Looked
) -> tuple[PyTree, Attentions]:
    model = emotion_classifier(len(run.dataset.class_names))
    detected = Detected(examples.flow, seen.outputs.features, examples.emotion)
    logits, _ = model.apply(*client, Batch(detected, mask), None, train=False)
    return {"emotion": logits, "au": seen.outputs.logits}, seen.attention


def _tested(run: TrainedRun, predict: Predict, examples: Examples, clients: ClientState, tests: Batch) -> Reevaluated:
    """Every network on its own test examples, one after another."""
    num_rows, num_repeats, _, num_test = tests.mask.shape
    num_classes = len(run.dataset.class_names)

    def one(client_and_test: tuple[ClientState, Batch]) -> Reevaluated:
        client, test = client_and_test
        chunked = in_chunks(predict, min(num_test, CHUNK))
        evaluation, attention = chunked(run.unpacked(client), test)
        labels = examples.emotion[test.examples % len(examples.emotion)]
        of_class = jax.nn.one_hot(labels, num_classes) * test.mask[:, None]
        return Reevaluated(evaluation, jax.tree.map(lambda leaf: jnp.einsum("ec,eij->cij", of_class, leaf), attention))

    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[3:]), (clients, tests))
    tested: Reevaluated = by_rows(jax.lax.map(one, flat), num_rows, num_repeats)
    return tested
