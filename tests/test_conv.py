"""Convolution, batch normalisation and pooling against the library's own and against their definitions, in float64."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fedpsyau_jax.models.conv import MANY_IMAGES, conv2d
from fedpsyau_jax.models.dsi import max_pool_2x2, max_pool_3x3
from fedpsyau_jax.models.normalisation import BatchNorm, ConvNorm, PointwiseNorms

REAL = np.array([True, False, True, True, False])
MASK = REAL.astype(float)
EPSILON, MOMENTUM = 1e-5, 0.1


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def assert_close(actual: Any, expected: Any, tolerance: float = 1e-11) -> None:
    def assert_leaf_close(a: jax.Array, b: jax.Array) -> None:
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)

    jax.tree.map(assert_leaf_close, actual, expected)


def reference(image: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    border = [(padding, padding)] * 2
    return lax.conv_general_dilated(image, kernel, (1, 1), border, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@partial(jax.jit, static_argnames=("convolve", "padding"))
def value_and_gradients(convolve: Any, image: Any, kernel: Any, padding: int) -> Any:
    """With an error that differs from pixel to pixel, and depends on the value."""
    value, transpose = jax.vjp(lambda i, k: convolve(i, k, padding), image, kernel)
    return value, transpose(jnp.sin(jnp.arange(value.size, dtype=value.dtype).reshape(value.shape)) + value)


@pytest.mark.parametrize(
    ("image", "kernel", "features", "padding"),
    [
        ((28, 28, 3), 1, 6, 0),  # layers of the network
        ((30, 30, 6), 5, 6, 1),
        ((14, 14, 24), 1, 16, 1),
        ((14, 14, 16), 3, 16, 1),
        pytest.param((7, 7, 12), 5, 64, 1, marks=pytest.mark.slow),
        ((5, 5, 12), 3, 64, 1),
        ((2, 2, 8), 1, 48, 1),
        ((2, 2, 3), 3, 4, 1),
        ((17, 15, 2), 3, 5, 1),  # no common divisor
        ((14, 6, 1), 3, 9, 1),  # one common divisor
        ((7, 7, 3), 3, 2, 2),
        ((5, 9, 4), 5, 70, 0),  # one row remains
        ((6, 8, 2), 2, 3, 0),  # an even kernel
        ((9, 9, 2), 3, 3, -1),  # cropped
    ],
)
@pytest.mark.parametrize("num_images", [2, MANY_IMAGES])
def test_convolution_is_the_library_one(image, kernel, features, padding, num_images):
    if num_images > 2 and max(image[:2]) >= 14:
        pytest.skip("the same program as for two images")
    arguments = normal(num_images, *image), normal(kernel, kernel, image[-1], features, seed=1), padding
    assert_close(value_and_gradients(conv2d, *arguments), value_and_gradients(reference, *arguments))


@pytest.mark.slow
@pytest.mark.parametrize(("size", "kernel", "padding"), [(15, 3, 1), (5, 1, 1)])
def test_second_derivatives_are_those_of_the_library(size, kernel, padding):
    """The Hessian times a vector, of a function that is not quadratic in either argument."""
    point = normal(1, size, size, 2), normal(kernel, kernel, 2, 3, seed=1)
    along = normal(1, size, size, 2, seed=2), normal(kernel, kernel, 2, 3, seed=3)

    def hessian_vector(convolve: Any) -> Any:
        gradient = jax.grad(lambda i, k: jnp.sum(jnp.tanh(convolve(i, k, padding))), argnums=(0, 1))
        slope = jax.grad(lambda p: sum(jnp.vdot(g, a) for g, a in zip(gradient(*p), along, strict=True)))
        return jax.jit(slope)(point)

    assert_close(hessian_vector(conv2d), hessian_vector(reference))


def test_convolution_keeps_float32():
    out = value_and_gradients(conv2d, *(np.float32(normal(*s)) for s in ((1, 7, 7, 2), (3, 3, 2, 4))), 1)
    assert {leaf.dtype for leaf in jax.tree.leaves(out)} == {jnp.dtype("float32")}


def norm_variables(mean: Any = 0.0, dtype: str = "float64") -> dict[str, Any]:
    one = np.ones(3, dtype)
    params = {"scale": normal(3, seed=5).astype(dtype), "bias": normal(3, seed=6).astype(dtype)}
    return {"params": params, "batch_stats": {"mean": mean * one, "var": 2 * one}}


@partial(jax.jit, static_argnames="train")
def normalised(variables: Any, image: Any, mask: Any, *, train: bool = True) -> Any:
    norm, updated = BatchNorm().apply(variables, image, mask, train=train, mutable=["batch_stats"])
    return norm(image), updated["batch_stats"]


def by_definition(variables: Any, image: Any, mask: Any) -> Any:
    """Two passes over the real pixels, statistics updated as PyTorch does."""
    scale, bias = (variables["params"][name] for name in ("scale", "bias"))
    pixels = image[np.flatnonzero(mask)].reshape(-1, image.shape[-1])
    mean = pixels.mean(0)
    squares = ((pixels - mean) ** 2).sum(0)
    batch = {"mean": mean, "var": squares / (len(pixels) - 1)}
    running = {k: (1 - MOMENTUM) * variables["batch_stats"][k] + MOMENTUM * batch[k] for k in batch}
    return scale * (image - mean) / jnp.sqrt(squares / len(pixels) + EPSILON) + bias, running


def real_rows_and_gradients(normalise: Any, image: Any) -> Any:
    def real_rows(params: Any, image: Any) -> Any:
        normed, running = normalise(norm_variables() | {"params": params}, image, MASK)
        return normed[np.flatnonzero(MASK)], running

    @jax.jit
    def with_gradients(params: Any, image: Any) -> Any:
        value, transpose, running = jax.vjp(real_rows, params, image, has_aux=True)
        return value, running, transpose(jnp.cos(jnp.arange(value.size)).reshape(value.shape))

    return with_gradients(norm_variables()["params"], image)


@pytest.mark.slow
def test_batch_norm_by_definition():
    """Outputs, running statistics, and gradients of scale, bias and image."""
    image = 3 + normal(5, 4, 6, 3)
    assert_close(real_rows_and_gradients(normalised, image), real_rows_and_gradients(by_definition, image))


def test_running_statistics_over_several_batches():
    variables = expected = norm_variables(mean=0.5)
    masks = MASK, np.ones(5), np.zeros(5), 1 - MASK
    for step, mask in enumerate(masks):
        image = step + normal(5, 4, 6, 3, seed=step)
        variables = variables | {"batch_stats": normalised(variables, image, mask)[1]}
        if mask.any():
            expected = expected | {"batch_stats": by_definition(expected, image, mask)[1]}
        assert_close(variables["batch_stats"], expected["batch_stats"])


@pytest.mark.slow
def test_masked_images_touch_nothing():
    """Neither the others' outputs, nor the running statistics, nor any gradient; and they get none themselves."""
    image = normal(5, 4, 6, 3)
    other = np.where(REAL[:, None, None, None], image, 1e6 * normal(5, 4, 6, 3, seed=1))
    expected, actual = (real_rows_and_gradients(normalised, i) for i in (image, other))
    assert_close(actual, expected)
    assert np.abs(actual[2][1][REAL]).min() > 0
    assert (actual[2][1][~REAL] == 0).all()


def test_a_batch_without_real_examples_changes_nothing():
    variables, image = norm_variables(mean=0.5), normal(5, 4, 6, 3)
    (normed, running), transpose = jax.vjp(lambda i: normalised(variables, i, np.zeros(5)), image)
    for name, value in variables["batch_stats"].items():
        np.testing.assert_array_equal(running[name], value)
    gradient = transpose(jax.tree.map(np.ones_like, (normed, running)))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((normed, gradient)))


def test_evaluation_uses_the_running_statistics():
    variables, image = norm_variables(mean=0.5), normal(5, 4, 6, 3)
    normed, running = normalised(variables, image, MASK, train=False)
    params = variables["params"]
    assert_close(normed, jnp.asarray(params["scale"] * (image - 0.5) / np.sqrt(2 + EPSILON) + params["bias"]))
    assert_close(running, jax.tree.map(jnp.asarray, variables["batch_stats"]))


@pytest.mark.parametrize(("centre", "running_mean"), [(3.0, 0.0), (1e3, 1e3 - 5)])
def test_float32_is_accurate_far_from_zero(centre, running_mean):
    """Some spreads from 0 from the first batch on; at any distance once the running mean is near."""
    image = np.float32(centre + normal(8, 14, 14, 3))
    normed, _ = normalised(norm_variables(running_mean, "float32"), image, np.ones(8, np.float32))
    assert normed.dtype == jnp.float32
    expected, _ = by_definition(norm_variables(running_mean), np.float64(image), np.ones(8))
    np.testing.assert_allclose(normed, expected, atol=3e-5 * max(1, centre / 10))


@pytest.mark.slow
def test_pointwise_norms_are_three_separate_ones():
    """The third with a border of zeros before its convolution; weights, statistics and gradients too."""
    width, image = 4, normal(5, 6, 7, 3)
    params = {
        "conv": {"kernel": normal(1, 1, 3, 3 * width, seed=1), "bias": normal(3 * width, seed=2)},
        "norm": {"scale": normal(3 * width, seed=3), "bias": normal(3 * width, seed=4)},
    }
    stats = {"norm": {"mean": normal(3 * width, seed=5), "var": 1 + normal(3 * width, seed=6) ** 2}}

    def fused(params: Any, image: Any, train: bool) -> Any:
        variables = {"params": params, "batch_stats": stats}
        images, updated = PointwiseNorms(width).apply(
            variables, image, jnp.asarray(MASK), train=train, mutable=["batch_stats"]
        )
        return tuple(i[REAL] for i in images), updated["batch_stats"]

    def separate(params: Any, image: Any, train: bool) -> Any:
        images, updates = [], []
        for part, padding in enumerate((0, 0, 1)):
            own = jax.tree.map(lambda leaf, p=part: leaf[..., p * width : (p + 1) * width], (params, stats))
            variables = {"params": own[0], "batch_stats": own[1]}
            layer = ConvNorm(width, 1, padding)
            out, updated = layer.apply(variables, image, jnp.asarray(MASK), train=train, mutable=["batch_stats"])
            images.append(out[REAL])
            updates.append(updated["batch_stats"])
        return tuple(images), jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *updates)

    @partial(jax.jit, static_argnums=(0, 1))
    def with_gradients(layer: Any, train: bool) -> Any:
        out, transpose = jax.vjp(lambda p, i: layer(p, i, train), *jax.tree.map(jnp.asarray, (params, image)))
        return out, transpose(jax.tree.map(lambda leaf: jnp.cos(3 * leaf), out))

    for train in (True, False):
        assert_close(with_gradients(fused, train), with_gradients(separate, train))


def library_pool(image: jax.Array, size: int) -> jax.Array:
    strides, padding = ((2, "VALID"), (1, "SAME"))[size == 3]
    return lax.reduce_window(image, -jnp.inf, lax.max, (1, size, size, 1), (1, strides, strides, 1), padding)


@partial(jax.jit, static_argnums=0)
def pooled_with_gradient(pool: Any, image: Any) -> Any:
    value, transpose = jax.vjp(pool, image)
    error = 2 + jnp.cos(jnp.arange(value.size)).reshape(value.shape)
    return value, error, *transpose(error)


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "size"), [(max_pool_2x2, 2), (max_pool_3x3, 3)])
@pytest.mark.parametrize("shape", [(14, 14), (5, 5), (2, 7)])
def test_pools_are_the_library_ones(pool, size, shape):
    image = normal(2, *shape, 3) - 5
    expected = pooled_with_gradient(partial(library_pool, size=size), image)
    assert_close(pooled_with_gradient(pool, image), expected)


@pytest.mark.parametrize("pool", [max_pool_2x2, max_pool_3x3])
def test_ties_share_the_gradient(pool):
    image = np.zeros((1, 6, 6, 2))
    image[0, :3] = 1
    _, error, gradient = pooled_with_gradient(pool, image)
    assert (np.asarray(gradient) >= 0).all()
    np.testing.assert_allclose(np.sum(gradient), np.sum(error))
