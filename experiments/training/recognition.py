"""What is trained in a fold: a network whose examples, priors and prior ratio are arguments of the compiled program."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.inputs.mer_settings import MerSettings
from experiments.training.detector_training import module_rates
from experiments.training.packing import Predict, client_packing
from experiments.training.pretraining import RATES, quiet_residuals
from experiments.training.tasks import look_up, one_example, with_head_scaled
from fedpsyau_jax.federated import LossFn
from fedpsyau_jax.losses import classification_loss, joint_loss
from fedpsyau_jax.models.fedpsyau import Detected, emotion_classifier, network
from fedpsyau_jax.packing import Packed
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import (
    Array,
    Batch,
    ClientState,
    Examples,
    Float,
    Int,
    Model,
    PRNGKeyArray,
    PyTree,
)


class Context(NamedTuple):
    """What a network works with besides its weights: the store of all examples, the priors, the ratio of the moment.

    ``detector``: number of the pretrained detector that its AU module starts from.
    """

    store: PyTree
    priors: Priors
    ratio: Float[Array, ""]
    detector: Int[Array, ""] | int = 0


class Recognition(NamedTuple):
    """A network to be trained, as functions of a context; its state is packed.

    ``init(key, context) -> ClientState``; ``unpacked(client)``: the network's own weights; ``loss(context)`` and
    ``predict(context)`` take batches of indices into the store; ``rates()``: how fast each weight learns, relative to
    the learning rate, packed.
    """

    init: Callable[[PRNGKeyArray, Context], ClientState]
    unpacked: Callable[[ClientState], ClientState]
    loss: Callable[[Context], LossFn]
    predict: Callable[[Context], Predict]
    rates: Callable[[], Packed]


def on_frozen_features(settings: MerSettings, num_classes: int, like: Context) -> Recognition:
    """Classify emotions over the AU features of a frozen detector; the store holds `Detected`."""
    model = emotion_classifier(num_classes)

    def predict(_: Context, client: ClientState, batch: Batch) -> PyTree:
        return {"emotion": model.apply(*client, batch, None, train=False)[0]}

    def init(key: PRNGKeyArray, context: Context) -> ClientState:
        return with_head_scaled(model.init(key, one_example(context.store)), settings.head_scale)

    return _packed(init, lambda _: classification_loss(model), predict, like, {})


def whole_network(
    settings: MerSettings, num_classes: int, detectors: Sequence[ClientState], like: Context
) -> Recognition:
    """Train everything, from a pretrained detector or, without any, random weights; the store holds `Examples`."""
    architecture = settings.network.architecture()
    stacked: ClientState | None = jax.tree.map(lambda *leaves: jnp.stack(leaves), *detectors) if detectors else None

    def model(context: Context) -> Model:
        return network(num_classes, architecture, context.priors, context.ratio)

    def init(key: PRNGKeyArray, context: Context) -> ClientState:
        fresh = with_head_scaled(model(context).init(key, one_example(context.store)), settings.head_scale)
        if stacked is None:
            return fresh._replace(params=fresh.params | {"au": quiet_residuals(fresh.params["au"])})
        detector = jax.tree.map(lambda leaf: leaf[context.detector], stacked)
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
    packed = client_packing(shapes)

    def packed_init(key: PRNGKeyArray, context: Context) -> ClientState:
        return packed.pack(init(key, context))

    def packed_loss(context: Context) -> LossFn:
        return packed.loss(loss(context), partial(look_up, context.store))

    def packed_predict(context: Context) -> Predict:
        return packed.predict(partial(predict, context), partial(look_up, context.store))

    def packed_rates() -> Packed:
        return packed.params.pack(module_rates(shapes.params, rates))

    return Recognition(packed_init, packed.unpack, packed_loss, packed_predict, packed_rates)
