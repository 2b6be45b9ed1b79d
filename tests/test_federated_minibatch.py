"""Order, batches and masks of one client's examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpsyau_jax.federated import ClientData, equal_batches, masked_mean, num_examples, pooled
from fedpsyau_jax.federated.minibatch import num_batches, shuffled, split_order, take_batch

LENGTH = 20
masks = st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH)


@given(mask=masks, seed=st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_shuffled_is_a_permutation_with_the_real_examples_first(mask, seed):
    order = np.asarray(shuffled(jax.random.key(seed), jnp.asarray(mask, jnp.float32)))
    assert sorted(order) == list(range(LENGTH))
    assert sorted(order[: sum(mask)]) == np.flatnonzero(mask).tolist()


@pytest.mark.slow
def test_shuffled_ignores_the_amount_of_padding():
    def order_of(num_padded: int) -> np.ndarray:
        mask = (jnp.arange(7 + num_padded) < 7).astype(jnp.float32)
        return np.asarray(shuffled(jax.random.key(3), mask))[:7]

    np.testing.assert_array_equal(order_of(0), order_of(1))
    np.testing.assert_array_equal(order_of(0), order_of(60))


@pytest.mark.slow
def test_shuffled_is_uniform_in_the_first_place():
    orders = jax.vmap(shuffled, in_axes=(0, None))(jax.random.split(jax.random.key(0), 4000), jnp.ones(4))
    frequency = np.bincount(np.asarray(orders)[:, 0], minlength=4) / 4000
    np.testing.assert_allclose(frequency, 0.25, atol=0.03)


@pytest.mark.parametrize(
    ("length", "tail", "num_full", "num_rest"),
    [(8, False, 2, 0), (8, True, 2, 0), (9, False, 3, 0), (9, True, 2, 1), (3, True, 0, 3), (3, False, 1, 0)],
)
def test_split_order_keeps_every_index_once(length, tail, num_full, num_rest):
    batches, rest = split_order(jnp.arange(length), 4, tail=tail)
    assert batches.shape == (num_full, 4)
    assert rest.shape == (num_rest,)
    indices = np.concatenate([np.ravel(batches), rest])
    assert indices[indices >= 0].tolist() == list(range(length))


def test_take_batch_hides_what_padding_holds():
    examples = {"x": jnp.array([[1.0, 2.0], [jnp.nan, jnp.inf]]), "label": jnp.array([4, 9])}
    batch = take_batch(examples, jnp.array([1.0, 0.0]), jnp.array([1, 0, -1]))
    np.testing.assert_array_equal(batch.mask, [0, 1, 0])
    np.testing.assert_array_equal(batch.examples["x"], [[0, 0], [1, 2], [0, 0]])
    np.testing.assert_array_equal(batch.examples["label"], [0, 4, 0])


@given(values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=LENGTH, max_size=LENGTH), mask=masks)
@settings(max_examples=50, deadline=None)
def test_masked_mean_is_the_mean_of_the_real_examples(values, mask):
    expected = np.mean(np.asarray(values)[mask]) if any(mask) else 0
    actual = masked_mean(jnp.asarray(values, jnp.float32), jnp.asarray(mask, jnp.float32))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-3)


def test_masked_mean_has_no_gradient_in_padding():
    gradient = jax.grad(masked_mean)(jnp.array([1.0, 2.0, jnp.nan]), jnp.array([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(gradient, [0.5, 0.5, 0])


@pytest.mark.parametrize(("num_real", "expected"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2)])
def test_num_batches_counts_those_with_a_real_example(num_real, expected):
    assert num_batches((jnp.arange(8) < num_real).astype(jnp.float32), 4) == expected


def test_pooled_is_one_client_with_all_examples():
    mask = jnp.array([[1.0, 1, 0], [1, 0, 0]])
    data = ClientData(jnp.array([5, 6]), jnp.arange(12.0).reshape(2, 3, 2), mask)
    one = pooled(data)
    assert one.id.shape == (1,)
    assert num_examples(one).tolist() == [3]
    np.testing.assert_array_equal(one.examples[0][one.mask[0] > 0], data.examples[mask > 0])


@pytest.mark.parametrize(("least", "waste"), [(100, 0.08), (60, 0.13), (30, 0.25)])
def test_padding_costs_little_where_sizes_differ_by_three(least, waste):
    """Batches have one size for all clients, of at most 32: the fewer batches a client has, the more padding."""
    sizes = np.random.default_rng(0).integers(least, 3 * least + 1, 1000)
    batch = equal_batches(int(sizes.max()), 32)
    masks = (np.arange(3 * least) < sizes[:, None]).astype(np.float32)
    done = batch * int(jax.vmap(lambda mask: num_batches(mask, batch))(masks).sum())
    assert waste - 0.03 < done / sizes.sum() - 1 < waste
