"""The losses of FED-PsyAU: means over real examples and labelled AUs.

``detection_loss``, ``classification_loss`` and ``joint_loss`` make the loss that ``local_training`` takes from a
``Model``. Their metrics are ``loss_sum`` and ``num_examples``, which can be added over batches and clients.
"""

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
    """Mean softmax cross-entropy over the real examples.

    Args:
        logits: of each class.
        emotion: class indices.
        mask: 1 for a real example, 0 for padding.

    Returns:
        A scalar >= 0, in nats; 0 if there is no real example.

    >>> print(cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3]), jnp.ones(2)).round(3))  # log 4
    1.386
    """
    return masked_mean(optax.softmax_cross_entropy_with_integer_labels(logits, emotion), mask)


def binary_cross_entropy(
    logits: Float[Array, "batch aus"],
    au: Float[Array, "batch aus"],
    au_mask: Float[Array, "batch aus"],
    mask: Float[Array, "batch"],
) -> Float[Array, ""]:
    """Mean sigmoid cross-entropy over the labelled AUs of the real examples.

    Args:
        logits: of each AU.
        au: 1 where the AU is present, else 0.
        au_mask: 0 where the AU is not labelled; such an entry is ignored.
        mask: 1 for a real example, 0 for padding.

    Returns:
        A scalar >= 0, in nats; 0 if nothing is labelled.

    >>> au, au_mask = jnp.array([[1.0, 0.0]]), jnp.array([[1.0, 0.0]])
    >>> print(binary_cross_entropy(jnp.array([[0.0, 9.0]]), au, au_mask, jnp.ones(1)).round(3))  # log 2
    0.693
    """
    labelled = (au_mask * mask[:, None]).ravel()
    return masked_mean(optax.sigmoid_binary_cross_entropy(logits, au).ravel(), labelled)


def detection(outputs: AUOutputs, examples: Examples, mask: Float[Array, "batch"]) -> Float[Array, ""]:
    """The sum of ``binary_cross_entropy`` over the main and the auxiliary AU head."""
    heads = (outputs.logits, outputs.auxiliary_logits)
    return jnp.stack([binary_cross_entropy(h, examples.au, examples.au_mask, mask) for h in heads]).sum()


def detection_loss(model: Model) -> LossFn:
    """The loss of AU pretraining: ``detection`` of a model with ``AUOutputs``, such as ``au_detector``.

    >>> import jax
    >>> outputs = AUOutputs(jnp.zeros((2, 12)), jnp.zeros((2, 12)), jnp.zeros((2, 12, 25)))
    >>> model = Model(init=lambda key, batch: None, apply=lambda *inputs, train: (outputs, ()))
    >>> examples = Examples(None, None, au=jnp.ones((2, 12)), au_mask=jnp.ones((2, 12)), emotion=None)
    >>> value, _ = detection_loss(model)((), (), Batch(examples, jnp.ones(2)), jax.random.key(0))
    >>> print(value.round(3))  # log 2 for each head
    1.386
    """

    def loss(params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray) -> Result:
        outputs, model_state = model.apply(params, model_state, batch, key, train=True)
        total = detection(outputs, batch.examples, batch.mask)
        return total, (model_state, _sums(total, batch))

    return loss


def classification_loss(model: Model) -> LossFn:
    """The loss of the emotion classifier: ``cross_entropy`` of a model whose outputs are logits [batch, classes].

    >>> import jax
    >>> model = Model(init=lambda key, batch: None, apply=lambda *inputs, train: (jnp.zeros((2, 4)), ()))
    >>> batch = Batch(Examples(None, None, None, None, emotion=jnp.array([0, 3])), jnp.array([1.0, 0.0]))
    >>> value, (_, metrics) = classification_loss(model)((), (), batch, jax.random.key(0))
    >>> print(value.round(3), metrics["num_examples"])
    1.386 1.0
    """

    def loss(params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray) -> Result:
        logits, model_state = model.apply(params, model_state, batch, key, train=True)
        total = cross_entropy(logits, batch.examples.emotion, batch.mask)
        return total, (model_state, _sums(total, batch))

    return loss


def joint_loss(model: Model, gamma: float | Float[Array, ""] = 0.8) -> LossFn:
    """``(1 - gamma) CE(emotion) + gamma (BCE(AU main) + BCE(AU auxiliary))``, of a model with ``Outputs``.

    Args:
        model: such as ``network`` builds.
        gamma: share of the AU loss, in [0, 1]; may be traced.

    Source: FED-PsyAU (ICCV 2025), gamma = 0.8.

    >>> import jax
    >>> from fedpsyau_jax.models import Outputs
    >>> au = AUOutputs(jnp.zeros((1, 12)), jnp.zeros((1, 12)), jnp.zeros((1, 12, 25)))
    >>> model = Model(init=lambda key, batch: None, apply=lambda *inputs, train: (Outputs(jnp.zeros((1, 2)), au), ()))
    >>> examples = Examples(None, None, au=jnp.ones((1, 12)), au_mask=jnp.ones((1, 12)), emotion=jnp.array([0]))
    >>> value, _ = joint_loss(model, gamma=0.5)((), (), Batch(examples, jnp.ones(1)), jax.random.key(0))
    >>> print(f"{value:.2f}")  # 0.5 log 2 + 0.5 (log 2 + log 2)
    1.04
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
