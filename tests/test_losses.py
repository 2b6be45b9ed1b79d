"""Losses by definition: who counts, how much, and what is reported."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax.losses import (
    binary_cross_entropy,
    classification_loss,
    cross_entropy,
    detection,
    detection_loss,
    joint_loss,
)
from fedpsyau_jax.models.fedpsyau import AUOutputs, Outputs
from fedpsyau_jax.types import Batch, Examples, Model

GENERATOR = np.random.default_rng(0)
MASK = np.array([1.0, 1.0, 0.0, 1.0, 0.0], np.float32)
REAL = MASK > 0
NUM_AUS, NUM_CLASSES = 4, 3


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(3 * GENERATOR.normal(size=(len(MASK), *shape)), jnp.float32)


def coin(*shape: int) -> jax.Array:
    return jnp.asarray(GENERATOR.integers(0, 2, (len(MASK), *shape)), jnp.float32)


KEY = jax.random.key(0)
EMOTION = jnp.asarray([0, 2, 1, 1, 0], jnp.int32)
EXAMPLES = Examples(normal(28, 28, 3), normal(65, 5, 5, 3), coin(NUM_AUS), coin(NUM_AUS), EMOTION)
BATCH = Batch(EXAMPLES, jnp.asarray(MASK))
LOGITS = {"emotion": normal(NUM_CLASSES), "main": normal(NUM_AUS), "auxiliary": normal(NUM_AUS)}


def cross_entropy_by_definition(logits: Any) -> float:
    each = [np.log(np.exp(row).sum()) - row[label] for row, label in zip(np.float64(logits), EMOTION, strict=True)]
    return float(np.mean(np.array(each)[REAL]))


def binary_by_definition(logits: Any, labelled: Any = EXAMPLES.au_mask) -> float:
    probability = 1 / (1 + np.exp(-np.float64(logits)))
    each = -np.log(np.where(EXAMPLES.au == 1, probability, 1 - probability))
    return float(each[REAL][np.asarray(labelled)[REAL] == 1].mean())


def toy_model(outputs_of: Any) -> Model:
    """Its parameters are the logits; its state counts the calls in training."""

    def apply(params: Any, model_state: Any, batch: Batch, key: Any, *, train: bool) -> Any:
        assert train
        return outputs_of(params), model_state + 1

    return Model(lambda *_: None, apply)


def au_outputs(logits: dict[str, jax.Array]) -> AUOutputs:
    return AUOutputs(logits["main"], logits["auxiliary"], normal(NUM_AUS, 25))


JOINT = toy_model(lambda logits: Outputs(logits["emotion"], au_outputs(logits)))
EMOTION_TERM = cross_entropy_by_definition(LOGITS["emotion"])
AU_TERM = binary_by_definition(LOGITS["main"]) + binary_by_definition(LOGITS["auxiliary"])
LOSSES = {
    "classification": (classification_loss(toy_model(lambda logits: logits["emotion"])), EMOTION_TERM),
    "detection": (detection_loss(toy_model(au_outputs)), AU_TERM),
    "joint": (joint_loss(JOINT), 0.2 * EMOTION_TERM + 0.8 * AU_TERM),
    "joint, gamma 0.3": (joint_loss(JOINT, gamma=0.3), 0.7 * EMOTION_TERM + 0.3 * AU_TERM),
}


def test_terms_by_definition():
    np.testing.assert_allclose(cross_entropy(LOGITS["emotion"], EMOTION, BATCH.mask), EMOTION_TERM, rtol=1e-5)
    labels = EXAMPLES.au, EXAMPLES.au_mask, BATCH.mask
    for head in ("main", "auxiliary"):
        expected = binary_by_definition(LOGITS[head])
        np.testing.assert_allclose(binary_cross_entropy(LOGITS[head], *labels), expected, rtol=1e-5)
    np.testing.assert_allclose(detection(au_outputs(LOGITS), EXAMPLES, BATCH.mask), AU_TERM, rtol=1e-5)


def test_an_au_weighs_the_same_however_many_are_labelled():
    """The mean is over labelled AUs, not over examples or over all AUs."""
    only_one = jnp.zeros_like(EXAMPLES.au_mask).at[1, 2].set(1)
    actual = binary_cross_entropy(LOGITS["main"], EXAMPLES.au, only_one, BATCH.mask)
    np.testing.assert_allclose(actual, binary_by_definition(LOGITS["main"], only_one), rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_what_they_report(name):
    loss, expected = LOSSES[name]
    value, (state, metrics) = loss(LOGITS, jnp.int32(4), BATCH, KEY)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert state == 5
    assert set(metrics) == {"loss_sum", "num_examples"}
    np.testing.assert_allclose(metrics["loss_sum"], 3 * expected, rtol=1e-5)
    assert metrics["num_examples"] == 3


@pytest.mark.parametrize("name", LOSSES)
def test_padding_and_unlabelled_aus_get_no_gradient(name):
    def gradient(labels: Examples) -> dict[str, np.ndarray]:
        slope = jax.grad(lambda logits: LOSSES[name][0](logits, jnp.int32(0), Batch(labels, BATCH.mask), KEY)[0])
        return jax.tree.map(np.asarray, slope(LOGITS))

    everywhere = gradient(EXAMPLES)
    assert any(leaf.any() for leaf in everywhere.values())
    assert not any(leaf[~REAL].any() for leaf in everywhere.values())
    for head in ("main", "auxiliary"):
        assert not everywhere[head][EXAMPLES.au_mask == 0].any()

    def other_padding(leaf: jax.Array) -> jax.Array:
        return jnp.where(REAL.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 1 - leaf)

    labels = EXAMPLES._replace(au=other_padding(EXAMPLES.au), au_mask=other_padding(EXAMPLES.au_mask))
    labels = labels._replace(emotion=jnp.where(REAL, EMOTION, 2 - EMOTION))
    jax.tree.map(np.testing.assert_array_equal, gradient(labels), everywhere)


@pytest.mark.parametrize("missing", ["examples", "labels"])
@pytest.mark.parametrize("name", LOSSES)
def test_what_is_missing_costs_nothing(name, missing):
    """Nor does it make a loss or a gradient NaN."""
    unlabelled = EXAMPLES._replace(au_mask=jnp.zeros_like(EXAMPLES.au_mask))
    batch = Batch(EXAMPLES, jnp.zeros(len(MASK))) if missing == "examples" else Batch(unlabelled, BATCH.mask)
    weight = {"classification": 1, "detection": 0, "joint": 0.2, "joint, gamma 0.3": 0.7}[name]
    value, gradient = jax.value_and_grad(lambda logits: LOSSES[name][0](logits, jnp.int32(0), batch, KEY)[0])(LOGITS)
    np.testing.assert_allclose(value, 0 if missing == "examples" else weight * EMOTION_TERM, rtol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
