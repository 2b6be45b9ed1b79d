"""Tasks: the ``init``, ``loss`` and ``predict`` of a network as functions of a context, on packed clients."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.inputs.network_settings import NetworkSettings
from experiments.training.packing import Predict, client_packing
from experiments.training.representation import head_shape, packed_labels, representation_of
from experiments.training.store import Store, first_example_batch, look_up
from fedpsyau_jax.federated import LossFn, Representation
from fedpsyau_jax.federated.groups import Labels
from fedpsyau_jax.losses import classification_loss, detection_loss, joint_loss
from fedpsyau_jax.models.fedpsyau import Detected, au_detector, emotion_classifier, network
from fedpsyau_jax.packing import Packed
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import Array, Batch, ClientState, Float, Int, Model, Params, PRNGKeyArray, PyTree

RESIDUAL_SCALE = 0.05
SLOW_MODULES: Mapping[str, float] = {"spatial": 0.01, "upper": 0.1, "lower": 0.1, "global": 0.1}
"""Relative learning rates of wide modules, whose steps are too large at the common learning rate."""


class Numbers(NamedTuple):
    """The hyperparameters of a training that are an axis of the program.

    ``ratio``: the prior ratio of each round; ``clip``, ``noise``: of private trainings, else None.
    """

    learning_rate: Float[Array, "*trainings"]
    weight_decay: Float[Array, "*trainings"]
    gamma: Float[Array, "*trainings"]
    head_scale: Float[Array, "*trainings"]
    ratio: Float[Array, "*trainings rounds"]
    clip: Float[Array, "*trainings"] | None = None
    noise: Float[Array, "*trainings"] | None = None


class Context(NamedTuple):
    """The inputs of a network besides weights and batch.

    ``store``: the arrays that all trainings share; ``priors``, ``ratio``: of this training and round; ``detector``:
    index of its detector in the store; ``numbers``: of this training.
    """

    store: Store
    priors: Priors
    ratio: Float[Array, ""]
    detector: Int[Array, ""]
    numbers: Numbers


class Task(NamedTuple):
    """A network to train, as functions of a context. Clients are packed; batches hold indices of rows of the store.

    ``init(key, context) -> ClientState``; ``loss(context) -> LossFn``; ``predict(context)``: function from a client and
    a batch to logits ``{"emotion": ..., "au": ...}``, with the keys that the network has; ``unpack(params)`` and
    ``unpack_client(client)``: to the network's own tensors; ``rates()``: packed relative learning rates of all weights,
    or None if they are all equal; ``labels(params)``: the group of each packed weight; ``representation(context)``: of
    emotion classifiers, what algorithms may do with the layer before the last. None for a network without groups, or
    without emotions.
    """

    init: Callable[[PRNGKeyArray, Context], ClientState]
    loss: Callable[[Context], LossFn]
    predict: Callable[[Context], Predict]
    unpack: Callable[[Packed], Params]
    unpack_client: Callable[[ClientState], ClientState]
    rates: Callable[[], Packed] | None
    labels: Labels | None = None
    representation: Callable[[Context], Representation] | None = None


def as_it_is(model: Model) -> Model:
    """The same network (the default for ``adapt``)."""
    return model


def frozen_task(num_classes: int, like: Context, adapt: Callable[[Model], Model] = as_it_is) -> Task:
    """Classify emotions over the AU features of a frozen detector: only DSI, adapted, is trained and exchanged."""
    model = adapt(emotion_classifier(num_classes))

    def gather(context: Context, batch: Batch) -> Batch:
        examples, _ = look_up(context.store, batch)
        assert context.store.features is not None
        features = context.store.features[context.detector, batch.examples]
        return Batch(Detected(examples.flow, features, examples.emotion), batch.mask)

    def init(key: PRNGKeyArray, context: Context) -> ClientState:
        first = gather(context, Batch(jnp.zeros(1, jnp.int32), jnp.ones(1)))
        return scale_head(model.init(key, first), context.numbers.head_scale)

    def predict(_: Context, client: ClientState, batch: Batch) -> PyTree:
        return {"emotion": model.apply(*client, batch, None, train=False)[0]}

    return _packed(init, lambda _: classification_loss(model), predict, gather, like, {}, lambda _: model)


def whole_task(
    choices: NetworkSettings,
    num_classes: int,
    like: Context,
    rates: Mapping[str, float],
    adapt: Callable[[Model], Model] = as_it_is,
) -> Task:
    """Train the whole network, adapted, from the detectors of the store or, without any, from random weights."""
    architecture = choices.architecture()

    def model(context: Context) -> Model:
        return adapt(network(num_classes, architecture, context.priors, context.ratio))

    def init(key: PRNGKeyArray, context: Context) -> ClientState:
        fresh = model(context).init(key, first_example_batch(context.store.examples))
        params, model_state = scale_head(fresh, context.numbers.head_scale)
        if context.store.detectors is None:
            return ClientState(params | {"au": scale_residuals(params["au"])}, model_state)
        detector = jax.tree.map(lambda leaf: leaf[context.detector], context.store.detectors)
        return ClientState(params | {"au": detector.params}, model_state | {"au": detector.model_state})

    def loss(context: Context) -> LossFn:
        return joint_loss(model(context), context.numbers.gamma)

    def predict(context: Context, client: ClientState, batch: Batch) -> PyTree:
        outputs, _ = model(context).apply(*client, batch, None, train=False)
        return {"emotion": outputs.emotion_logits, "au": outputs.au.logits}

    return _packed(init, loss, predict, _gather, like, rates, model)


def detection_task(choices: NetworkSettings, like: Context) -> Task:
    """Detect action units: both heads are trained on AU-labelled examples."""
    architecture = choices.architecture()

    def model(context: Context) -> Model:
        return au_detector(architecture, context.priors, context.ratio)

    def init(key: PRNGKeyArray, context: Context) -> ClientState:
        fresh = model(context).init(key, first_example_batch(context.store.examples))
        return fresh._replace(params=scale_residuals(fresh.params))

    def predict(context: Context, client: ClientState, batch: Batch) -> PyTree:
        return {"au": model(context).apply(*client, batch, None, train=False)[0].logits}

    return _packed(init, lambda context: detection_loss(model(context)), predict, _gather, like, SLOW_MODULES)


def scale_head(client: ClientState, scale: Float[Array, ""] | float) -> ClientState:
    """Scale the last layer of the emotion classifier: with small weights the first loss is that of a uniform guess."""

    def scaled(path: tuple[Any, ...], leaf: Array) -> Array:
        return leaf * scale if path[-2].key == "classify" else leaf

    return client._replace(params=jax.tree_util.tree_map_with_path(scaled, client.params))


def scale_residuals(detector: Params) -> Params:
    """Scale down the last layers of all residual branches (SSE, DPK-GATs).

    With the initial scale, random branches dominate their inputs, and a short training never recovers the AUs.
    """

    def scaled(path: tuple[Any, ...], leaf: Array) -> Array:
        names = [entry.key for entry in path]
        return leaf * (RESIDUAL_SCALE if names[-1] == "out_W" or names[-2] == "contract" else 1)

    return jax.tree_util.tree_map_with_path(scaled, detector)


def module_rates(params: Params, rates: Mapping[str, float]) -> Params:
    """Relative learning rate of each weight: that of its module in ``rates``, else 1."""

    def rate(path: tuple[Any, ...], leaf: Array) -> Array:
        module = next((entry.key for entry in path if entry.key in rates), "")
        return jnp.full(leaf.shape, rates.get(module, 1.0), leaf.dtype)

    return jax.tree_util.tree_map_with_path(rate, params)


def _gather(context: Context, batch: Batch) -> Batch:
    return look_up(context.store, batch)


def _packed(
    init: Callable[[PRNGKeyArray, Context], ClientState],
    loss: Callable[[Context], LossFn],
    predict: Callable[[Context, ClientState, Batch], PyTree],
    gather: Callable[[Context, Batch], Batch],
    like: Context,
    rates: Mapping[str, float],
    classifier: Callable[[Context], Model] | None = None,
) -> Task:
    """Adapt a network's functions to packed clients and batches of indices; a classifier of emotions has a head."""
    shapes = jax.eval_shape(init, jax.random.key(0), like)
    packed = client_packing(shapes)

    def representation(context: Context) -> Representation:
        assert classifier is not None
        size, num_classes = head_shape(shapes.params)
        return representation_of(classifier(context), packed.unpack, partial(gather, context), num_classes, size)

    return Task(
        init=lambda key, context: packed.pack(init(key, context)),
        loss=lambda context: packed.loss(loss(context), partial(gather, context)),
        predict=lambda context: packed.predict(partial(predict, context), partial(gather, context)),
        unpack=packed.params.unpack,
        unpack_client=packed.unpack,
        rates=(lambda: packed.params.pack(module_rates(shapes.params, rates))) if rates else None,
        labels=lambda _: packed_labels(packed.params, shapes.params),
        representation=representation if classifier else None,
    )
