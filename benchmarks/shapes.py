"""The convolutions of the network, for benchmarks: every shape of them, and XLA's own operation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.models.conv import Conv
from fedpsyau_jax.models.fedpsyau import Architecture, network
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Array, Batch, Examples

NUM_CLASSES = 7


class Shape(NamedTuple):
    """One convolution: images [images, height, width, inputs], a square kernel, padding."""

    images: int
    height: int
    width: int
    inputs: int
    features: int
    size: int
    padding: int

    def __str__(self) -> str:
        image = f"{self.images} x {self.height} x {self.width}"
        return f"{image}, {self.size} x {self.size}, {self.inputs} -> {self.features}, padding {self.padding}"

    @property
    def cost(self) -> int:
        """Multiplications, borders included."""
        return self.images * self.height * self.width * self.size**2 * self.inputs * self.features


def network_shapes(batch: int) -> list[Shape]:
    """Every different convolution of the whole network, the costliest first."""
    found: set[Shape] = set()

    def note(call: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any], context: Any) -> Any:
        if isinstance(context.module, Conv) and context.method_name == "__call__":
            conv = context.module
            images, height, width, inputs = given[0].shape
            found.add(Shape(images, height, width, inputs, conv.features, conv.size, conv.padding))
        return call(*given, **named)

    def of(*shape: int, dtype: Any = jnp.float32) -> Any:
        return jax.ShapeDtypeStruct((batch, *shape), dtype)

    examples = Examples(of(28, 28, 3), of(65, 5, 5, 3), of(12), of(12), of(dtype=jnp.int32))
    model = network(NUM_CLASSES, Architecture(), published(), 0.3)
    with nn.intercept_methods(note):
        jax.eval_shape(model.init, jax.random.key(0), Batch(examples, of()))
    return sorted(found, key=lambda shape: -shape.cost)


def xla_conv(image: Array, kernel: Array, padding: int = 0) -> Array:
    """The same convolution by XLA's own operation."""
    borders = [(padding, padding)] * 2
    return lax.conv_general_dilated(image, kernel, (1, 1), borders, dimension_numbers=("NHWC", "HWIO", "NHWC"))
