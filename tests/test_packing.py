import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax.packing import packing
from fedpsyau_jax.types import PyTree


@pytest.fixture
def tree() -> PyTree:
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = {"scalar": (), "vector": (3,), "matrix": (4, 5), "cube": (2, 3, 2)}
    return {name: jax.random.normal(key, shape) for key, (name, shape) in zip(keys, shapes.items(), strict=True)}


def assert_same(one: PyTree, other: PyTree) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b, strict=True), one, other)


@pytest.mark.parametrize("large", [1, 12, 13, 1000])
def test_unpack_is_the_inverse_of_pack(tree: PyTree, large: int):
    pack, unpack = packing(tree, large)
    packed = pack(tree)
    assert_same(unpack(packed), tree)
    assert_same(pack(unpack(packed)), packed)


def test_only_arrays_from_the_limit_on_stay_whole(tree: PyTree):
    packed = packing(tree, large=12).pack(tree)
    assert [leaf.shape for leaf in packed.large] == [(2, 3, 2), (4, 5)]
    np.testing.assert_array_equal(packed.small, np.append(tree["scalar"], tree["vector"]))


def test_shapes_without_arrays_are_enough(tree: PyTree):
    pack, unpack = packing(jax.eval_shape(lambda: tree), large=12)
    assert_same(unpack(pack(tree)), tree)


@pytest.mark.slow
def test_gradient_through_packed_weights_is_the_packed_gradient(tree: PyTree):
    pack, unpack = packing(tree, large=12)

    def loss(weights: PyTree) -> jax.Array:
        return sum((i + 1) * jnp.sum(jnp.sin(leaf)) for i, leaf in enumerate(jax.tree.leaves(weights)))

    assert_same(jax.grad(lambda packed: loss(unpack(packed)))(pack(tree)), pack(jax.grad(loss)(tree)))


@pytest.mark.slow
def test_a_client_axis_goes_through(tree: PyTree):
    clients = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf]), tree)
    pack, unpack = packing(tree, large=12)
    packed = jax.vmap(pack)(clients)
    assert packed.small.shape == (3, 4)
    assert_same(jax.tree.map(lambda leaf: leaf[1], packed), pack(jax.tree.map(lambda leaf: 2 * leaf, tree)))
    assert_same(jax.vmap(unpack)(packed), clients)


def test_several_dtypes_are_refused_by_name():
    mixed = {"a": jnp.zeros(2), "b": jnp.zeros(2, jnp.int32)}
    with pytest.raises(ValueError, match=r"one dtype .* \['float32', 'int32'\]"):
        packing(mixed)


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.bfloat16])
def test_dtype_stays(dtype: jnp.dtype):
    tree = {"a": jnp.arange(6, dtype=dtype).reshape(2, 3), "b": jnp.ones(2, dtype)}
    pack, unpack = packing(tree)
    assert pack(tree).small.dtype == dtype
    assert_same(unpack(pack(tree)), tree)


def test_a_network_without_state_has_nothing_to_pack():
    pack, unpack = packing({})
    assert pack({}).small.size == 0
    assert unpack(pack({})) == {}
