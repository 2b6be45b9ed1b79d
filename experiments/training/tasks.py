"""What clients learn: a model, its loss, its predictions, and the store of examples that both look up."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data.dataset import Dataset
from experiments.inputs.configs import FedSettings, NetworkSettings
from experiments.training.packing import Predict, client_packing
from fedpsyau_jax.federated import LossFn
from fedpsyau_jax.losses import classification_loss, detection_loss, joint_loss
from fedpsyau_jax.models.fedpsyau import Detected, au_detector, emotion_classifier, network
from fedpsyau_jax.packing import Packed
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import (
    Array,
    Batch,
    ClientState,
    Examples,
    Float,
    Int,
    Metrics,
    Model,
    ModelState,
    Params,
    PRNGKeyArray,
    PyTree,
)

CHUNK = 64
"""Examples evaluated at a time."""

LookUp = Callable[[PyTree, Batch], Batch]


class Detector(NamedTuple):
    """An AU detector: its weights, and the priors that it looks through."""

    client: ClientState
    priors: Priors


class Sighted(NamedTuple):
    """Examples [examples, ...] and the priors that they may be looked at through [detectors, ...]."""

    examples: Examples
    priors: Priors


class Task(NamedTuple):
    """What a client trains; examples are looked up in ``store`` by their index, so they are held once.

    With several detectors, the examples as the n-th one sees them begin at index n times the number of examples.
    ``init(key, index) -> ClientState``, packed, of clients whose examples begin there; ``pack(params)`` and
    ``unpack(params)`` go from the network's own to these and back, ``unpacked(client)`` too; ``loss(store)`` and
    ``predict(store)`` take packed clients and batches of indices; predictions are ``{"emotion": logits}``, and ``"au"``
    where the client's own network detects action units.
    """

    store: PyTree
    init: Callable[..., ClientState]
    pack: Callable[[Params], Packed]
    unpack: Callable[[Packed], Params]
    unpacked: Callable[[ClientState], ClientState]
    loss: Callable[[PyTree], LossFn]
    predict: Callable[[PyTree], Predict]


def look_up(store: PyTree, batch: Batch) -> Batch:
    """The examples that a batch of indices means; what is the same for all detectors may be stored once."""
    return Batch(jax.tree.map(lambda leaf: leaf[batch.examples % len(leaf)], store), batch.mask)


def look_up_sighted(store: Sighted, batch: Batch) -> Batch:
    """The examples that a batch of indices means, and the priors of the one detector that they all belong to."""
    which = batch.examples.max() // len(store.examples.emotion)
    priors = jax.tree.map(lambda leaf: leaf[which], store.priors)
    return Batch(Sighted(look_up(store.examples, batch).examples, priors), batch.mask)


def sighted(examples: Examples, kinds: Sequence[Priors]) -> Sighted:
    """The store of examples and of the priors that they may be looked at through."""
    return Sighted(jax.tree.map(jnp.asarray, examples), jax.tree.map(lambda *leaves: jnp.stack(leaves), *kinds))


def only(kinds: Sequence[Priors], priors: Priors) -> Priors:
    """If there are no others, these as constants that the compiler works with beforehand; else those given."""
    return kinds[0] if len(kinds) == 1 else priors


def detection(
    network: NetworkSettings, kinds: Sequence[Priors], examples: Examples, prepare: Callable[[Params], Params]
) -> Task:
    """Detect action units: both heads are trained, on AU-labelled examples, seen through each of some priors.

    Args:
      network: which.
      kinds: the priors; the examples as seen through the n-th begin at n times their number.
      examples: that are seen.
      prepare: changes the initial weights.
    """

    def model(priors: Priors) -> Model:
        return au_detector(network.architecture(), only(kinds, priors), network.prior_ratio)

    store = sighted(examples, kinds)

    def init(key: PRNGKeyArray, index: Int[Array, ""] | int) -> ClientState:
        del index
        fresh = model(kinds[0]).init(key, one_example(store.examples))
        return fresh._replace(params=prepare(fresh.params))

    return _sighted_task(model, store, init, detection_loss, lambda outputs: {"au": outputs.logits})


def frozen(settings: FedSettings, dataset: Dataset, features: Float[Array, "seen aus feat"]) -> Task:
    """Classify emotions over the AU features of frozen detectors: only DSI is trained and exchanged.

    Args:
      settings: of the run.
      dataset: with its examples.
      features: [detectors * examples, aus, feat] as ``detect`` gives.
    """
    model = emotion_classifier(len(dataset.class_names))
    store = Detected(
        jnp.asarray(dataset.examples.flow), features, jnp.asarray(dataset.examples.emotion.astype(np.int32))
    )

    def logits(client: ClientState, batch: Batch) -> PyTree:
        return {"emotion": model.apply(*client, batch, None, train=False)[0]}

    def init(key: PRNGKeyArray, index: Int[Array, ""] | int) -> ClientState:
        del index
        return with_head_scaled(model.init(key, one_example(store)), settings.head_scale)

    return _task(store, init, classification_loss(model), logits)


def unseen(settings: FedSettings, dataset: Dataset, num_detectors: int) -> Task:
    """The task ``frozen`` before any AU feature is known: all of them are 0."""
    shape = (num_detectors * len(dataset.subject), len(dataset.au_names), 25)
    return frozen(settings, dataset, jnp.zeros(shape))


def with_head_scaled(client: ClientState, scale: float) -> ClientState:
    """The emotion classifier's last weights made smaller: the first loss is then that of a uniform guess."""

    def scaled(path: tuple[Any, ...], leaf: Array) -> Array:
        return leaf * (scale if path[-2].key == "classify" else 1)

    return client._replace(params=jax.tree_util.tree_map_with_path(scaled, client.params))


def end_to_end(settings: FedSettings, dataset: Dataset, detectors: Sequence[Detector]) -> Task:
    """Train the whole network, starting from pretrained detectors."""
    choices, num_classes = settings.network, len(dataset.class_names)
    kinds = [detector.priors for detector in detectors]

    def model(priors: Priors) -> Model:
        return network(num_classes, choices.architecture(), only(kinds, priors), choices.prior_ratio)

    examples = dataset.examples._replace(emotion=dataset.examples.emotion.astype(np.int32))
    stacked: Detector = jax.tree.map(lambda *leaves: jnp.stack(leaves), *detectors)
    store = sighted(examples, kinds)

    def init(key: PRNGKeyArray, index: Int[Array, ""] | int) -> ClientState:
        chosen: Detector = jax.tree.map(lambda leaf: leaf[index // len(examples.emotion)], stacked)
        fresh = model(chosen.priors).init(key, one_example(store.examples))
        params, model_state = with_head_scaled(fresh, settings.head_scale)
        return ClientState(params | {"au": chosen.client.params}, model_state | {"au": chosen.client.model_state})

    return _sighted_task(
        model,
        store,
        init,
        lambda model: joint_loss(model, settings.gamma),
        lambda outputs: {"emotion": outputs.emotion_logits, "au": outputs.au.logits},
    )


def _sighted_task(
    model: Callable[[Priors], Model],
    store: Sighted,
    init: Callable[[PRNGKeyArray, Int[Array, ""] | int], ClientState],
    loss_of: Callable[[Model], LossFn],
    logits_of: Callable[[Any], PyTree],
) -> Task:
    """The task of a network that looks at each batch through the priors which the store has for it."""

    def loss(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Array, tuple[ModelState, Metrics]]:
        examples, priors = batch.examples
        return loss_of(model(priors))(params, model_state, Batch(examples, batch.mask), key)

    def logits(client: ClientState, batch: Batch) -> PyTree:
        examples, priors = batch.examples
        outputs, _ = model(priors).apply(*client, Batch(examples, batch.mask), None, train=False)
        return logits_of(outputs)

    return _task(store, init, loss, logits, look_up_sighted)


def _task(
    store: PyTree,
    init: Callable[[PRNGKeyArray, Int[Array, ""] | int], ClientState],
    loss: LossFn,
    predict: Predict,
    look_up: LookUp = look_up,
) -> Task:
    """The task of a network's own functions: clients packed, batches looked up."""
    packed = client_packing(jax.eval_shape(init, jax.random.key(0), 0))

    def packed_init(key: PRNGKeyArray, index: Int[Array, ""] | int = 0) -> ClientState:
        return packed.pack(init(key, index))

    return Task(
        store,
        packed_init,
        packed.params.pack,
        packed.params.unpack,
        packed.unpack,
        lambda store: packed.loss(loss, partial(look_up, store)),
        lambda store: packed.predict(predict, partial(look_up, store)),
    )


def one_example(store: PyTree) -> Batch:
    """A batch of the first example, to make weights with."""
    return Batch(jax.tree.map(lambda leaf: jnp.asarray(leaf[:1]), store), jnp.ones(1))
