"""Losses of FED-PsyAU as `LossFn`s: means over real examples and labelled AUs; metrics are sums and counts."""

import jax.numpy as jnp
import optax

from fedpsyau_jax.federated import LossFn, masked_mean
from fedpsyau_jax.models.fedpsyau import AUOutputs
from fedpsyau_jax.types import (
    Array,
    Batch,
    Examples,
    Float,
    Int,
    Metrics,
    Model,
    ModelState,
    Params,
    PRNGKeyArray,
)

__all__ = [
    "binary_cross_entropy",
    "classification_loss",
    "cross_entropy",
    "detection",
    "detection_loss",
    "joint_loss",
]

Result = tuple[Array, tuple[ModelState, Metrics]]


def cross_entropy(
    logits: Float[Array, "batch classes"], emotion: Int[Array, "batch"], mask: Float[Array, "batch"]
) -> Float[Array, ""]:
    """Softmax cross-entropy, the mean over real examples."""
    return masked_mean(optax.softmax_cross_entropy_with_integer_labels(logits, emotion), mask)


def binary_cross_entropy(
    logits: Float[Array, "batch aus"],
    au: Float[Array, "batch aus"],
    au_mask: Float[Array, "batch aus"],
    mask: Float[Array, "batch"],
) -> Float[Array, ""]:
    """Sigmoid cross-entropy, the mean over the labelled AUs of real examples; an unlabelled AU never counts."""
    labelled = (au_mask * mask[:, None]).ravel()
    return masked_mean(optax.sigmoid_binary_cross_entropy(logits, au).ravel(), labelled)


def detection(outputs: AUOutputs, examples: Examples, mask: Float[Array, "batch"]) -> Float[Array, ""]:
    """Loss of both AU heads: ``BCE(main) + BCE(auxiliary)``."""
    heads = (outputs.logits, outputs.auxiliary_logits)
    return jnp.stack([binary_cross_entropy(h, examples.au, examples.au_mask, mask) for h in heads]).sum()


def detection_loss(model: Model) -> LossFn:
    """The loss of AU pretraining, for a model with `AUOutputs`."""

    def loss(params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray) -> Result:
        outputs, model_state = model.apply(params, model_state, batch, key, train=True)
        total = detection(outputs, batch.examples, batch.mask)
        return total, (model_state, _sums(total, batch))

    return loss


def classification_loss(model: Model) -> LossFn:
    """The loss of the emotion classifier over a frozen AU detector, for a model with logits as outputs."""

    def loss(params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray) -> Result:
        logits, model_state = model.apply(params, model_state, batch, key, train=True)
        total = cross_entropy(logits, batch.examples.emotion, batch.mask)
        return total, (model_state, _sums(total, batch))

    return loss


def joint_loss(model: Model, gamma: float | Float[Array, ""] = 0.8) -> LossFn:
    """``(1 - gamma) CE(emotion) + gamma (BCE(AU main) + BCE(AU auxiliary))``, for a model with `Outputs`.

    Source: FED-PsyAU (ICCV 2025), gamma = 0.8.
    """

    def loss(params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray) -> Result:
        outputs, model_state = model.apply(params, model_state, batch, key, train=True)
        emotion = cross_entropy(outputs.emotion_logits, batch.examples.emotion, batch.mask)
        total = (1 - gamma) * emotion + gamma * detection(outputs.au, batch.examples, batch.mask)
        return total, (model_state, _sums(total, batch))

    return loss


def _sums(loss: Float[Array, ""], batch: Batch) -> Metrics:
    count = batch.mask.sum()
    return {"loss_sum": loss * count, "num_examples": count}
