"""What is trained in a fold: a network whose examples, priors and prior ratio are arguments of the compiled program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.mer_settings import MerSettings
from experiments.pretraining import RATES, quiet_residuals
from experiments.tasks import Predict, look_up, with_head_scaled
from fedpsyau_jax.federated import LossFn
from fedpsyau_jax.losses import classification_loss, joint_loss
from fedpsyau_jax.models.fedpsyau import Detected, emotion_classifier, network
from fedpsyau_jax.packing import Packed, Packing, packing
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import (
    Array,
    Batch,
    ClientState,
    Examples,
    Float,
    Metrics,
    Model,
    ModelState,
    Params,
    PRNGKeyArray,
    PyTree,
)


class Context(NamedTuple):
    """What a network works with besides its weights: the store of all examples, the priors, the ratio of the moment."""

    store: PyTree
    priors: Priors
    ratio: Float[Array, ""]


class Recognition(NamedTuple):
    """A network to be trained, as functions of a context; its state is packed.

    ``init(key, context) -> ClientState``; ``loss(context)`` and ``predict(context)`` take batches of indices into the
    store; ``rates()``: how fast each weight learns, relative to the learning rate, packed.
    """

    init: Callable[[PRNGKeyArray, Context], ClientState]
    loss: Callable[[Context], LossFn]
    predict: Callable[[Context], Predict]
    rates: Callable[[], Packed]


def on_frozen_features(settings: MerSettings, num_classes: int, like: Context) -> Recognition:
    """Classify emotions over the AU features of a frozen detector; the store holds `Detected`."""
    model = emotion_classifier(num_classes)

    def predict(_: Context, client: ClientState, batch: Batch) -> PyTree:
        return {"emotion": model.apply(*client, batch, None, train=False)[0]}

    def init(key: PRNGKeyArray, context: Context) -> ClientState:
        return with_head_scaled(model.init(key, _one(context.store)), settings.head_scale)

    return _packed(init, lambda _: classification_loss(model), predict, like, {})


def whole_network(settings: MerSettings, num_classes: int, detector: ClientState | None, like: Context) -> Recognition:
    """Train everything, from a pretrained detector or from random weights; the store holds `Examples`."""
    architecture = settings.network.architecture()

    def model(context: Context) -> Model:
        return network(num_classes, architecture, context.priors, context.ratio)

    def init(key: PRNGKeyArray, context: Context) -> ClientState:
        fresh = with_head_scaled(model(context).init(key, _one(context.store)), settings.head_scale)
        if detector is None:
            return fresh._replace(params=fresh.params | {"au": quiet_residuals(fresh.params["au"])})
        return ClientState(fresh.params | {"au": detector.params}, fresh.model_state | {"au": detector.model_state})

    def predict(context: Context, client: ClientState, batch: Batch) -> PyTree:
        outputs, _ = model(context).apply(*client, batch, None, train=False)
        return {"emotion": outputs.emotion_logits, "au": outputs.au.logits}

    rates = RATES if settings.slow_modules else {}
    return _packed(init, lambda context: joint_loss(model(context), settings.gamma), predict, like, rates)


def detected(examples: Examples, features: Float[Array, "examples aus feat"]) -> Detected:
    """The store of a frozen detector."""
    return Detected(examples.flow, features, examples.emotion)


def _packed(
    init: Callable[[PRNGKeyArray, Context], ClientState],
    loss: Callable[[Context], LossFn],
    predict: Callable[[Context, ClientState, Batch], PyTree],
    like: Context,
    rates: dict[str, float],
) -> Recognition:
    """A network's own functions on packed clients and batches of indices."""
    shapes = jax.eval_shape(init, jax.random.key(0), like)
    params, state = packing(shapes.params), packing(shapes.model_state)

    def packed_loss(context: Context) -> LossFn:
        of_examples = loss(context)

        def of_indices(
            packed: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
        ) -> tuple[Array, tuple[ModelState, Metrics]]:
            client = _unpacked(params, state, ClientState(packed, model_state))
            value, (updated, metrics) = of_examples(*client, look_up(context.store, batch), key)
            return value, (state.pack(updated), metrics)

        return of_indices

    def packed_init(key: PRNGKeyArray, context: Context) -> ClientState:
        client = init(key, context)
        return ClientState(params.pack(client.params), state.pack(client.model_state))

    def packed_predict(context: Context) -> Predict:
        return lambda client, batch: predict(context, _unpacked(params, state, client), look_up(context.store, batch))

    return Recognition(
        packed_init, packed_loss, packed_predict, lambda: params.pack(_module_rates(shapes.params, rates))
    )


def _unpacked(params: Packing, state: Packing, client: ClientState) -> ClientState:
    return ClientState(params.unpack(client.params), state.unpack(client.model_state))


def _module_rates(shapes: PyTree, rates: dict[str, float]) -> PyTree:
    def rate(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> Array:
        module = next((entry.key for entry in path if entry.key in rates), "")
        return jnp.full(leaf.shape, rates.get(module, 1.0), leaf.dtype)

    return jax.tree_util.tree_map_with_path(rate, shapes)


def _one(store: PyTree) -> Batch:
    return Batch(jax.tree.map(lambda leaf: jnp.asarray(leaf[:1]), store), jnp.ones(1))
