"""What clients learn: a model, its loss, its predictions, and the store of examples that both look up."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data.dataset import Dataset
from experiments.configs import FedSettings, NetworkSettings
from fedpsyau_jax.federated import LossFn, in_chunks
from fedpsyau_jax.losses import classification_loss, detection_loss, joint_loss
from fedpsyau_jax.models.fedpsyau import AUOutputs, Detected, au_detector, emotion_classifier, network
from fedpsyau_jax.packing import Packed, packing
from fedpsyau_jax.types import (
    Array,
    Batch,
    ClientState,
    Examples,
    Float,
    Metrics,
    ModelState,
    Params,
    PRNGKeyArray,
    PyTree,
)

CHUNK = 64
"""Examples evaluated at a time."""

Predict = Callable[[ClientState, Batch], PyTree]


class Task(NamedTuple):
    """What a client trains; examples are looked up in ``store`` by their index, so they are held once.

    ``init(key) -> ClientState``, packed; ``pack(params)`` and ``unpack(params)`` go from the network's own to these and
    back, ``unpacked(client)`` too; ``loss(store)`` and ``predict(store)`` take packed clients and batches of indices;
    predictions are ``{"emotion": logits}``, and ``"au"`` where the client's own network detects action units.
    """

    store: PyTree
    init: Callable[[PRNGKeyArray], ClientState]
    pack: Callable[[Params], Packed]
    unpack: Callable[[Packed], Params]
    unpacked: Callable[[ClientState], ClientState]
    loss: Callable[[PyTree], LossFn]
    predict: Callable[[PyTree], Predict]


def look_up(store: PyTree, batch: Batch) -> Batch:
    """The examples that a batch of indices means."""
    return Batch(jax.tree.map(lambda leaf: leaf[batch.examples], store), batch.mask)


def detect(settings: FedSettings, detector: ClientState, examples: Examples) -> AUOutputs:
    """AU logits and features of all examples, once, by the frozen detector in evaluation mode."""
    model = au_detector(settings.network.architecture(), settings.network.priors(), settings.network.prior_ratio)

    def detected(client: ClientState, batch: Batch) -> AUOutputs:
        return model.apply(*client, batch, None, train=False)[0]

    count = len(examples.emotion)
    padded = jax.tree.map(lambda leaf: np.pad(leaf, [(0, -count % CHUNK)] + [(0, 0)] * (leaf.ndim - 1)), examples)
    outputs = jax.jit(in_chunks(detected, CHUNK))(detector, Batch(padded, jnp.ones(count + -count % CHUNK)))
    return jax.tree.map(lambda leaf: leaf[:count], outputs)


def detection(network: NetworkSettings, examples: Examples, prepare: Callable[[Params], Params]) -> Task:
    """Detect action units: both heads are trained, on AU-labelled examples; ``prepare`` sees the initial weights."""
    model = au_detector(network.architecture(), network.priors(), network.prior_ratio)
    store = jax.tree.map(jnp.asarray, examples)

    def init(key: PRNGKeyArray) -> ClientState:
        fresh = model.init(key, _one(store))
        return fresh._replace(params=prepare(fresh.params))

    def logits(client: ClientState, batch: Batch) -> PyTree:
        return {"au": model.apply(*client, batch, None, train=False)[0].logits}

    return _task(store, init, detection_loss(model), logits)


def frozen(settings: FedSettings, dataset: Dataset, features: Float[Array, "examples aus feat"]) -> Task:
    """Classify emotions over the AU features of a frozen detector: only DSI is trained and exchanged."""
    model = emotion_classifier(len(dataset.class_names))
    store = Detected(
        jnp.asarray(dataset.examples.flow), features, jnp.asarray(dataset.examples.emotion.astype(np.int32))
    )

    def logits(client: ClientState, batch: Batch) -> PyTree:
        return {"emotion": model.apply(*client, batch, None, train=False)[0]}

    def init(key: PRNGKeyArray) -> ClientState:
        return with_head_scaled(model.init(key, _one(store)), settings.head_scale)

    return _task(store, init, classification_loss(model), logits)


def with_head_scaled(client: ClientState, scale: float) -> ClientState:
    """The emotion classifier's last weights made smaller: the first loss is then that of a uniform guess."""

    def scaled(path: tuple[Any, ...], leaf: Array) -> Array:
        return leaf * (scale if path[-2].key == "classify" else 1)

    return client._replace(params=jax.tree_util.tree_map_with_path(scaled, client.params))


def end_to_end(settings: FedSettings, dataset: Dataset, detector: ClientState) -> Task:
    """Train the whole network, starting from a pretrained detector."""
    choices = settings.network
    model = network(len(dataset.class_names), choices.architecture(), choices.priors(), choices.prior_ratio)
    examples = dataset.examples._replace(emotion=dataset.examples.emotion.astype(np.int32))
    store = jax.tree.map(jnp.asarray, examples)

    def init(key: PRNGKeyArray) -> ClientState:
        fresh = with_head_scaled(model.init(key, _one(store)), settings.head_scale)
        return ClientState(fresh.params | {"au": detector.params}, fresh.model_state | {"au": detector.model_state})

    def logits(client: ClientState, batch: Batch) -> PyTree:
        outputs, _ = model.apply(*client, batch, None, train=False)
        return {"emotion": outputs.emotion_logits, "au": outputs.au.logits}

    return _task(store, init, joint_loss(model, settings.gamma), logits)


def _task(store: PyTree, init: Callable[[PRNGKeyArray], ClientState], loss: LossFn, predict: Predict) -> Task:
    """The task of a network's own functions: clients packed, batches looked up."""
    like = jax.eval_shape(init, jax.random.key(0))
    params, state = packing(like.params), packing(like.model_state)

    def unpacked(client: ClientState) -> ClientState:
        return ClientState(params.unpack(client.params), state.unpack(client.model_state))

    def packed_init(key: PRNGKeyArray) -> ClientState:
        client = init(key)
        return ClientState(params.pack(client.params), state.pack(client.model_state))

    def packed_loss(store: PyTree) -> LossFn:
        def of_indices(
            packed: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
        ) -> tuple[Array, tuple[ModelState, Metrics]]:
            client = unpacked(ClientState(packed, model_state))
            value, (updated, metrics) = loss(*client, look_up(store, batch), key)
            return value, (state.pack(updated), metrics)

        return of_indices

    def packed_predict(store: PyTree) -> Predict:
        return lambda client, batch: predict(unpacked(client), look_up(store, batch))

    return Task(store, packed_init, params.pack, params.unpack, unpacked, packed_loss, packed_predict)


def _one(store: PyTree) -> Batch:
    return Batch(jax.tree.map(lambda leaf: leaf[:1], store), jnp.ones(1))
