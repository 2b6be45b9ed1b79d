"""The subjects' mechanism: sensitivity against adversarial examples, its noise and samples, what it leaves alone."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from fedpsyau_jax.federated import Broadcast
from fedpsyau_jax.federated.private import BySubject, clipped, private_training
from fedpsyau_jax.types import Batch, ClientState

SIZE, CLIP = 3, 0.5
EXTREME = (0.0, 1.0, -1.0, 1e-30, 1e10, -1e30, 3e38, np.inf, -np.inf, np.nan)


def linear(params: Any, state: Any, batch: Batch, key: Any) -> Any:
    """Mean over the clips of <x, w>, whose gradient is the mean x: an example makes any gradient that it likes."""
    values = jnp.where(batch.mask > 0, batch.examples @ params, 0)
    mean = values.sum() / jnp.maximum(batch.mask.sum(), 1)
    return mean, ({"seen": state["seen"] + batch.examples.sum()}, {"drawn": jnp.int32(1)})


@partial(jax.jit, static_argnames=("sampling", "epochs"))
def trained(
    data: BySubject, key: Any, noise: Any = 0.0, clip: Any = CLIP, mu: Any = 0.0, sampling: float = 1.0, epochs: int = 1
) -> Any:
    """From zeros at learning rate 1 with an anchor of ones."""
    update = private_training(
        linear,
        optax.identity(),
        optax.constant_schedule(1.0),
        clip=clip,
        noise=noise,
        sampling=sampling,
        local_epochs=epochs,
    )
    size = data.examples.shape[-1]
    client = ClientState(jnp.zeros(size), {"seen": jnp.zeros(())})
    broadcast = Broadcast(jnp.ones(size), jnp.asarray(mu), jnp.int32(0))
    return update.update(client, update.init(client), broadcast, data, key)


def released(examples: np.ndarray, mask: np.ndarray, **numbers: Any) -> np.ndarray:
    """The noiseless sum of a step's clipped gradients."""
    data = BySubject(jnp.int32(0), jnp.asarray(examples, jnp.float32), jnp.asarray(mask, jnp.float32))
    client, _, _ = trained(data, jax.random.key(0), **numbers)
    return -np.asarray(client.params, float) * int(data.num_subjects)


numbers = some.floats(-1e30, 1e30, allow_subnormal=False) | some.sampled_from(EXTREME)
clips = some.lists(some.lists(numbers, min_size=SIZE, max_size=SIZE), min_size=2, max_size=2)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(some.lists(clips, min_size=4, max_size=4), clips)
def test_a_subject_changes_a_step_by_at_most_the_clip(subjects: list[Any], other: list[Any]) -> None:
    mask = np.array([[1, 1], [1, 0], [1, 1], [0, 0]])
    before = released(np.array(subjects), mask)
    nothing, replaced = np.array(subjects), np.array(subjects)
    nothing[0], replaced[0] = 0, other
    assert np.isfinite(before).all()
    rounding = 1e-6
    assert np.linalg.norm(before - released(nothing, mask)) <= CLIP + rounding
    assert np.linalg.norm(before - released(replaced, mask)) <= 2 * CLIP + rounding


@settings(max_examples=100, deadline=None)
@given(some.lists(numbers, min_size=5, max_size=5), some.floats(1e-3, 1e3))
def test_a_clipped_norm_is_at_most_the_clip(values: list[float], clip: float) -> None:
    tree = {"a": jnp.asarray(values[:2], jnp.float32), "b": jnp.asarray(values[2:], jnp.float32)}
    short = clipped(tree, clip)
    norm = np.sqrt(sum((np.asarray(leaf, float) ** 2).sum() for leaf in jax.tree.leaves(short)))
    assert norm <= clip


@pytest.mark.slow
def test_padding_repetition_and_a_single_clip() -> None:
    draw = np.random.default_rng(0)
    examples, mask = draw.normal(size=(3, 2, SIZE)), np.array([[1, 1], [1, 0], [1, 1]])
    plain = released(examples, mask)
    padded = np.full((5, 4, SIZE), 1e20)
    padded[:3, :2] = examples
    wide = np.zeros((5, 4))
    wide[:3, :2] = mask
    np.testing.assert_array_equal(released(padded, wide), plain)
    repeated, all_real = examples.copy(), np.ones_like(mask)
    repeated[1, 1] = repeated[1, 0]
    np.testing.assert_allclose(released(repeated, all_real), plain, rtol=1e-6)  # a clip twice weighs as once
    many = np.broadcast_to(examples[1:2, :1], (1, 40, SIZE))
    one = released(examples[1:2, :1], np.ones((1, 1)))
    np.testing.assert_allclose(released(many, np.ones((1, 40))), one, rtol=1e-5)
    assert np.linalg.norm(one) <= CLIP


def test_nothing_leaves_beside_the_mechanism() -> None:
    """The model state is what it was, the proximal term is that of received weights, nobody is no change."""
    examples, mask = np.random.default_rng(0).normal(size=(3, 2, SIZE)), np.ones((3, 2))
    data = BySubject(jnp.int32(0), jnp.asarray(examples, jnp.float32), jnp.asarray(mask, jnp.float32))
    client, _, _ = trained(data, jax.random.key(0))
    assert client.model_state["seen"] == 0
    pulled, _, _ = trained(data, jax.random.key(0), mu=0.25)
    np.testing.assert_allclose(pulled.params - client.params, 0.25 * np.ones(SIZE), rtol=1e-5)
    nobody, _, metrics = trained(data._replace(mask=0 * data.mask), jax.random.key(0), noise=3.0)
    assert (nobody.params == 0).all()
    assert metrics["steps"] == 0


def test_with_everybody_and_no_bound_it_is_gradient_descent_on_the_mean_of_subjects() -> None:
    examples, mask = np.random.default_rng(1).normal(size=(3, 2, SIZE)), np.array([[1, 1], [1, 0], [1, 1]])
    means = [examples[0].mean(axis=0), examples[1, 0], examples[2].mean(axis=0)]
    np.testing.assert_allclose(released(examples, mask, clip=1e6), np.sum(means, axis=0), rtol=1e-5)


@pytest.mark.slow
def test_the_noise_is_normal_of_the_stated_size_and_fresh_in_each_step() -> None:
    size, subjects, multiplier = 20_000, 4, 1.7
    data = BySubject(jnp.int32(0), jnp.zeros((subjects, 1, size)), jnp.ones((subjects, 1)))
    draws = [
        np.asarray(trained(data, jax.random.key(seed), noise=multiplier, epochs=epochs)[0].params)
        for seed, epochs in ((0, 1), (1, 1), (0, 2))
    ]
    deviation = multiplier * CLIP / subjects
    for own, scale in zip(draws, (1, 1, np.sqrt(2)), strict=True):
        assert stats.kstest(own / (scale * deviation), "norm").pvalue > 1e-3
    second = draws[2] - draws[0]
    for one, other in ((draws[0], draws[1]), (draws[0], second)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(size)


@pytest.mark.slow
def test_each_subject_is_drawn_by_itself_with_the_stated_probability() -> None:
    subjects, epochs, share = 40, 50, 0.25
    data = BySubject(jnp.int32(0), jnp.zeros((subjects, 1, 1)), jnp.ones((subjects, 1)))
    _, _, metrics = trained(data, jax.random.key(0), sampling=share, epochs=epochs)
    steps = epochs * 4
    assert metrics["steps"] == steps
    trials = subjects * steps
    assert stats.binomtest(int(metrics["drawn"]), trials, share).pvalue > 1e-3
    numbers_drawn = [
        int(trained(data, jax.random.key(seed), sampling=share)[2]["drawn"]) for seed in range(200)
    ]  # of four steps each: a fixed size would not vary
    expected = 4 * subjects * share * (1 - share)
    assert 0.7 * expected < np.var(numbers_drawn) < 1.4 * expected


@pytest.mark.slow
def test_noise_and_clip_are_axes_of_one_program() -> None:
    data = BySubject(jnp.int32(0), jnp.ones((3, 2, SIZE)), jnp.ones((3, 2)))
    traced = []

    def of(noise: Any, clip: Any) -> Any:
        traced.append(1)
        return trained.__wrapped__(data, jax.random.key(0), noise, clip)[0].params

    together = jax.jit(jax.vmap(of))(jnp.array([0.0, 1.0]), jnp.array([CLIP, 2.0]))
    assert len(traced) == 1
    for row, noise, clip in zip(together, (0.0, 1.0), (CLIP, 2.0), strict=True):
        np.testing.assert_allclose(row, trained(data, jax.random.key(0), noise, clip)[0].params, rtol=1e-5, atol=1e-6)
