"""Mixing matrices by their formulas, and the precision of mixing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax.federated import averaging, client_mesh, isolation, mix, personalised

SIZES = np.array([3.0, 1.0, 6.0])


def test_averaging_is_the_weighted_mean():
    values = jnp.array([[1.0], [2.0], [5.0]])
    expected = np.average(values, axis=0, weights=SIZES)
    np.testing.assert_allclose(mix(averaging(jnp.asarray(SIZES)), values), [expected] * 3, rtol=1e-6)


def test_isolation_changes_no_bit():
    values = jax.random.normal(jax.random.key(0), (3, 50))
    np.testing.assert_array_equal(mix(isolation(jnp.asarray(SIZES)), values), values)


@pytest.mark.parametrize("self_weight", [0.0, 0.9, 1.0])
def test_personalised_by_its_formula(self_weight):
    matrix = personalised(jnp.asarray(SIZES), self_weight)
    for k in range(3):
        for j in range(3):
            others = SIZES.sum() - SIZES[k]
            expected = self_weight if j == k else (1 - self_weight) * SIZES[j] / others
            np.testing.assert_allclose(matrix[k, j], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("weights", [[4.0], [4.0, 0.0]])
def test_a_client_without_others_keeps_its_weights(weights):
    assert personalised(jnp.array(weights), 0.9)[0, 0] == 1


def test_mixing_keeps_structure_and_dtype():
    params = {"half": jnp.ones((3, 2), jnp.bfloat16), "scalar": jnp.arange(3.0)}
    mixed = mix(averaging(jnp.asarray(SIZES)), params)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), mixed) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), params
    )


def test_mixing_asks_for_full_precision():
    """On an accelerator the default product would round weights each round; a CPU cannot show it."""
    program = jax.jit(mix).lower(jnp.eye(3), jnp.ones((3, 4))).as_text()
    assert "precision = [HIGHEST, HIGHEST]" in program


def test_a_mesh_of_more_devices_than_exist_is_refused():
    with pytest.raises(ValueError, match="exist"):
        client_mesh(jax.device_count() + 1)
