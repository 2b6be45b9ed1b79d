"""What an ensemble says of samples: one pure function of arrays, also what is exported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.clips.networks import Member
from experiments.inputs.network_settings import NetworkSettings
from experiments.training.store import Detector
from fedpsyau_jax.models.fedpsyau import AUOutputs, Detected, au_detector, emotion_classifier
from fedpsyau_jax.types import Array, Batch, ClientState, Examples, Float, Int, PyTree

Flow = Float[Array, "batch height=28 width=28 channels=3"]
Patches = Float[Array, "batch landmarks=65 5 5 channels=3"]
SAMPLE_SHAPES = (28, 28, 3), (65, 5, 5, 3)
"""Of the flow and the patches of one example."""


class Weights(NamedTuple):
    """Members of one architecture.

    Attributes:
      detectors: the distinct ones, leaves [detectors, ...].
      classifiers: leaves [members, ...]; None if there are none.
      detector: index of the detector of each member.
    """

    detectors: Detector
    classifiers: ClientState | None
    detector: Int[Array, "members"]


class Probabilities(NamedTuple):
    """``emotion``: [members, batch, classes], with 0 classes if there are none; ``au``: [members, batch, aus]."""

    emotion: Float[Array, "members batch classes"]
    au: Float[Array, "members batch aus"]


Program = Callable[[Sequence[Weights], Flow, Patches], Probabilities]


def ensemble_program(members: Sequence[Member], num_classes: int) -> tuple[Program, Sequence[Weights]]:
    """A function from samples to the probabilities of all members, and the weights that it takes.

    Each example is read on its own, so a result does not depend on the other examples of its batch. Compiled with its
    weights as constants, it takes several times their memory.

    Args:
      members: networks, of one architecture or several.
      num_classes: number of emotion classes; 0 if the members only detect action units.

    Returns:
      A function of weights, flow images [batch, 28, 28, 3] and patches [batch, 65, 5, 5, 3] in [0, 1]; its weights, of
      each architecture.
    """
    groups = weights_by_network(members)
    order = np.argsort([place for places, _ in groups.values() for place in places])

    def probabilities(weights: Sequence[Weights], flow: Flow, patches: Patches) -> Probabilities:
        together = zip(groups, weights, strict=True)
        parts = [_read_all(network, num_classes, own, flow, patches) for network, own in together]
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[order], *parts)

    return probabilities, [own for _, own in groups.values()]


def weights_by_network(members: Sequence[Member]) -> Mapping[NetworkSettings, tuple[list[int], Weights]]:
    """Places and weights of the members of each architecture."""
    places: dict[NetworkSettings, list[int]] = {}
    for place, member in enumerate(members):
        places.setdefault(replace(member.network, prior=("",), prior_ratio=0.0), []).append(place)
    return {network: (own, _weights([members[place] for place in own])) for network, own in places.items()}


def _weights(members: Sequence[Member]) -> Weights:
    distinct = {_identity(member.detector): member.detector for member in members}
    order = {identity: place for place, identity in enumerate(distinct)}
    detector = jnp.array([order[_identity(member.detector)] for member in members], jnp.int32)
    classifiers = [member.classifier for member in members if member.classifier is not None]
    return Weights(_stacked(list(distinct.values())), _stacked(classifiers) if classifiers else None, detector)


def _identity(detector: Detector) -> tuple[int, int, float]:
    return id(detector.client), id(detector.priors), detector.ratio


def _stacked(trees: Sequence[PyTree]) -> PyTree:
    """Leaves with a leading axis; by NumPy, as JAX would compile and keep a program for each shape."""
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack([np.asarray(leaf) for leaf in leaves])), *trees)


def _read_all(
    network: NetworkSettings, num_classes: int, weights: Weights, flow: Flow, patches: Patches
) -> Probabilities:
    detected: AUOutputs = jax.lax.map(lambda detector: _detect(network, detector, patches), weights.detectors)
    au = jax.nn.sigmoid(detected.logits)[weights.detector]
    if weights.classifiers is None:
        return Probabilities(jnp.zeros((*au.shape[:2], 0)), au)

    def classified(member: tuple[ClientState, Array]) -> Array:
        client, place = member
        return jax.nn.softmax(_classify(num_classes, client, flow, detected.features[place]))

    return Probabilities(jax.lax.map(classified, (weights.classifiers, weights.detector)), au)


def _detect(network: NetworkSettings, detector: Detector, patches: Patches) -> AUOutputs:
    model = au_detector(network.architecture(), detector.priors, detector.ratio)

    def one(own: Array) -> AUOutputs:
        none = jnp.zeros((1, 12))
        examples = Examples(jnp.zeros((1, 28, 28, 3)), own[None], none, none, jnp.zeros(1, jnp.int32))
        outputs, _ = model.apply(*detector.client, Batch(examples, jnp.ones(1)), None, train=False)
        return jax.tree.map(lambda leaf: leaf[0], outputs)

    return jax.vmap(one)(patches)


def _classify(num_classes: int, client: ClientState, flow: Flow, features: Array) -> Array:
    model = emotion_classifier(num_classes)

    def one(own_flow: Array, own_features: Array) -> Array:
        detected = Detected(own_flow[None], own_features[None], jnp.zeros(1, jnp.int32))
        logits, _ = model.apply(*client, Batch(detected, jnp.ones(1)), None, train=False)
        return logits[0]

    return jax.vmap(one)(flow, features)
