"""Test kept networks at any prior ratio, with one compiled program per network shape; nothing is trained."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.training.attending import Shape
from experiments.training.compiler import short_run_options
from experiments.training.restore import Restored
from experiments.training.store import CHUNK, stack_priors
from fedpsyau_jax.federated import in_chunks
from fedpsyau_jax.models.attention import Attention
from fedpsyau_jax.models.fedpsyau import Architecture, AUOutputs, Detected, detect_attending, emotion_classifier
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.splits import pad_indices
from fedpsyau_jax.types import Array, Batch, ClientState, Examples, Float, Int, PyTree

Attentions = dict[str, tuple[Attention, ...]]
"""The attention of each layer, averaged over heads, by graph ("upper", "lower", "global")."""


class Reevaluated(NamedTuple):
    """Outputs of the networks of one shape at a prior ratio.

    Attributes:
      logits: "emotion" and "au" of the test examples of each network, [networks, examples, ...].
      attention: summed over the examples of each emotion, leaves [parts, classes, aus, aus].
    """

    logits: dict[str, Array]
    attention: Attentions


class Material(NamedTuple):
    """The arrays that the program of a shape takes.

    Attributes:
      examples: of the database, with rotated copies if the run has any, leaves [rows, ...].
      priors: [views, ...].
      detectors: frozen detectors, leaves [detectors, ...], else None; ``detector``: index of that of each view.
      clients: kept networks, leaves [networks, ...]; None if there are none.
      tests: their test examples, indices [networks, examples]; ``view``: index of the view of each network.
      parts: with frozen detectors, the examples of the parts of each view, indices [views, parts, examples]; else
        empty.
      place: [parts, 2] position of each part in ``parts``: view and index.
    """

    examples: Examples
    priors: Priors
    detectors: ClientState | None
    detector: Int[Array, "views"]
    clients: ClientState | None
    tests: Batch
    view: Int[Array, "networks"]
    parts: Batch
    place: Int[Array, "parts 2"]


class DetectorPass(NamedTuple):
    """Outputs [examples, ...] of a detector, and the attention that it used."""

    outputs: AUOutputs
    attention: Attentions


def reevaluation(restored: Restored, shape: Shape) -> Callable[[float], Reevaluated]:
    """A function from the prior ratio to the outputs of the networks of a shape; it compiles once.

    Raises:
      ValueError: a network is missing or damaged.
    """
    material = jax.device_put(material_of(restored, shape))
    architecture, num_classes = shape.network.architecture(), len(shape.data.class_names)

    test = partial(_test_frozen if shape.frozen else _test_whole, architecture, num_classes)
    program = jax.jit(test, compiler_options=short_run_options())
    return lambda ratio: program(jnp.float32(ratio), material)


def material_of(restored: Restored, shape: Shape) -> Material:
    """The arrays of a shape.

    Raises:
      ValueError: a network is missing or damaged.
    """
    of_view: list[list[np.ndarray]] = [[] for _ in shape.views]
    place = []
    for part in shape.parts:
        place.append((part.view, len(of_view[part.view])))
        of_view[part.view].append(part.examples)
    networks = list(dict.fromkeys(view.network for view in shape.views))
    weights = [restored.detectors[network] for network in networks] if shape.frozen else []
    return Material(
        shape.data.rows.examples,
        stack_priors([view.priors for view in shape.views]),
        jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *weights) if weights else None,
        jnp.array([networks.index(view.network) for view in shape.views], jnp.int32),
        restored.weights(shape.networks) if shape.networks else None,
        _pad([[network.test] for network in shape.networks], 0),
        jnp.array(shape.view, jnp.int32),
        _pad(of_view if shape.frozen else [], None),
        jnp.array(place, jnp.int32),
    )


def _pad(examples: Sequence[Sequence[np.ndarray]], only: int | None) -> Batch:
    """Padded indices and mask [rows, parts, examples]; without the axis of parts if ``only`` selects one part."""
    if not examples:
        return Batch(jnp.zeros((0, 0), jnp.int32), jnp.zeros((0, 0)))
    longest = max(len(part) for parts in examples for part in parts)
    length = longest if longest <= CHUNK else longest + -longest % CHUNK
    most = max(map(len, examples))
    filled = [[*parts, *[np.zeros(0, int)] * (most - len(parts))] for parts in examples]
    indices, mask = map(jnp.asarray, pad_indices(filled, length))
    return Batch(indices, mask) if only is None else Batch(indices[:, only], mask[:, only])


def _test_frozen(
    architecture: Architecture, num_classes: int, ratio: Float[Array, ""], material: Material
) -> Reevaluated:
    """Test emotion classifiers on the features of frozen detectors, which run once over all examples."""
    count = len(material.examples.emotion)
    pad = -count % CHUNK
    all_examples = Batch(
        jax.tree.map(lambda leaf: jnp.pad(leaf, [(0, pad)] + [(0, 0)] * (leaf.ndim - 1)), material.examples),
        jnp.ones(count + pad),
    )

    def through(view: tuple[Array, Priors, Batch]) -> tuple[AUOutputs, Attentions]:
        number, priors, parts = view
        detector: ClientState = jax.tree.map(lambda leaf: leaf[number], material.detectors)
        detect_all = in_chunks(lambda client, part: _run_detector(architecture, ratio, client, part, priors), CHUNK)
        outputs, attention = jax.tree.map(lambda leaf: leaf[:count], detect_all(detector, all_examples))
        return outputs, jax.lax.map(
            lambda part: _sum_by_emotion(attention, material.examples, num_classes, part), parts
        )

    outputs, sums = jax.lax.map(through, (material.detector, material.priors, material.parts))

    def tested(network: tuple[ClientState, Batch, Array]) -> dict[str, Array]:
        client, test, view = network

        def predict(classifier: ClientState, batch: Batch) -> dict[str, Array]:
            detected = jax.tree.map(lambda leaf: leaf[view, batch.examples], outputs)
            return _classify(num_classes, classifier, _gather(material.examples, batch), detected)

        return _in_chunks(predict, client, test)

    networks = material.clients, material.tests, material.view
    logits = {} if material.clients is None else jax.lax.map(tested, networks)
    return Reevaluated(logits, jax.tree.map(lambda leaf: leaf[material.place[:, 0], material.place[:, 1]], sums))


def _test_whole(
    architecture: Architecture, num_classes: int, ratio: Float[Array, ""], material: Material
) -> Reevaluated:
    """Test whole networks, each with its own AU detector, on their test examples."""

    def tested(network: tuple[ClientState, Batch, Array]) -> Reevaluated:
        client, test, view = network
        priors = jax.tree.map(lambda leaf: leaf[view], material.priors)
        au, dsi = (ClientState(client.params[name], client.model_state[name]) for name in ("au", "dsi"))

        def predict(_: ClientState, batch: Batch) -> tuple[dict[str, Array], Attentions]:
            batch = _gather(material.examples, batch)
            detected = _run_detector(architecture, ratio, au, batch, priors)
            return _classify(num_classes, dsi, batch, detected.outputs), detected.attention

        logits, attention = _in_chunks(predict, client, test)
        positions = Batch(jnp.arange(test.mask.shape[0]), test.mask)
        labels = material.examples._replace(emotion=material.examples.emotion[test.examples])
        return Reevaluated(logits, _sum_by_emotion(attention, labels, num_classes, positions))

    return jax.lax.map(tested, (material.clients, material.tests, material.view))


def _in_chunks(predict: Callable[[ClientState, Batch], PyTree], client: ClientState, test: Batch) -> PyTree:
    return in_chunks(predict, max(min(test.mask.shape[-1], CHUNK), 1))(client, test)


def _gather(examples: Examples, batch: Batch) -> Batch:
    """Look up the examples of a batch of indices."""
    return Batch(jax.tree.map(lambda leaf: leaf[batch.examples], examples), batch.mask)


def _run_detector(
    architecture: Architecture, ratio: Float[Array, ""], client: ClientState, batch: Batch, priors: Priors
) -> DetectorPass:
    outputs, attention = detect_attending(architecture, client, batch, priors, ratio)

    def of_layer(layer: Attention) -> Attention:
        learned, mixed = layer.learned.mean(axis=-3), layer.mixed.mean(axis=-3)
        return Attention(learned, jnp.broadcast_to(layer.prior, learned.shape), mixed)

    return DetectorPass(outputs, {graph: tuple(map(of_layer, layers)) for graph, layers in attention.items()})


def _classify(num_classes: int, client: ClientState, batch: Batch, au_outputs: AUOutputs) -> dict[str, Array]:
    detected = Detected(batch.examples.flow, au_outputs.features, batch.examples.emotion)
    logits, _ = emotion_classifier(num_classes).apply(*client, Batch(detected, batch.mask), None, train=False)
    return {"emotion": logits, "au": au_outputs.logits}


def _sum_by_emotion(attention: Attentions, examples: Examples, num_classes: int, part: Batch) -> Attentions:
    """Sums over the examples of a part by emotion, leaves [classes, aus, aus]."""
    of_class = jax.nn.one_hot(examples.emotion[part.examples], num_classes) * part.mask[:, None]
    return jax.tree.map(lambda leaf: jnp.einsum("ec,eij->cij", of_class, leaf[part.examples]), attention)
