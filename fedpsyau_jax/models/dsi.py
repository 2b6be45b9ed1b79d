"""DSI: the dual-stream InceptionNet that reads emotion from AU features and the face's flow (FED-PsyAU, ICCV 2025)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from fedpsyau_jax.models.conv import Conv, kaiming_normal
from fedpsyau_jax.models.dropout import Dropout
from fedpsyau_jax.models.normalisation import BatchNorm, PointwiseNorms
from fedpsyau_jax.types import Array, Float


def max_pool_2x2(image: Float[Array, "batch h w c"]) -> Float[Array, "batch h2 w2 c"]:
    """Maximum over disjoint 2 x 2 windows; an odd last row or column is dropped, as in the released network."""
    batch, height, width, channels = image.shape
    pairs = image[:, : height // 2 * 2, : width // 2 * 2].reshape(batch, height // 2, 2, width // 2, 2, channels)
    rows = jnp.maximum(pairs[:, :, 0], pairs[:, :, 1])
    return jnp.maximum(rows[:, :, :, 0], rows[:, :, :, 1])


def max_pool_3x3(image: Float[Array, "batch h w c"]) -> Float[Array, "batch h w c"]:
    """Maximum over the 3 x 3 neighbourhood of each pixel, borders excluded."""
    for axis in (1, 2):
        size = image.shape[axis]
        border = [(1, 1) if a == axis else (0, 0) for a in range(4)]
        padded = jnp.pad(image, border, constant_values=-jnp.inf)
        before, after = (jax.lax.slice_in_dim(padded, start, start + size, axis=axis) for start in (0, 2))
        image = jnp.maximum(jnp.maximum(before, image), after)
    return image


class Inception(nn.Module):
    """Four branches of ``width`` channels each, concatenated (Szegedy et al. 2015, as released).

    Normalisation is per channel, so the last three branches share one: fewer, wider operations.
    """

    width: int

    @nn.compact
    def __call__(
        self, image: Float[Array, "batch h w inputs"], mask: Float[Array, "batch"], *, train: bool
    ) -> Float[Array, "batch h w outputs"]:
        """Map channels-last images to ``4 width`` channels; ``mask`` marks real examples."""
        one, three, five = PointwiseNorms(self.width, name="reduce")(image, mask, train=train)
        three = Conv(self.width, 3, 1, name="three")(three)
        five = Conv(self.width, 5, 1, name="five")(five)
        pool = Conv(self.width, 1, name="pool")(max_pool_3x3(image))
        convolved = jnp.concatenate([three, five, pool], -1)
        normalise = BatchNorm(name="norm")(convolved, mask, train=train)
        return jnp.concatenate([one, nn.relu(normalise(convolved))], -1)


class DSI(nn.Module):
    """Emotion logits from a stream of AU features and a stream of the face's flow image.

    Differs from the released code only in layout: images are channels-last, so flattened features are in (height,
    width, channel) order.
    """

    num_classes: int
    dropout: float = 0.5

    @nn.compact
    def __call__(
        self,
        au_features: Float[Array, "batch aus feat"],
        flow: Float[Array, "batch height width 3"],
        mask: Float[Array, "batch"],
        *,
        train: bool,
    ) -> Float[Array, "batch classes"]:
        """Classify.

        Args:
          au_features: 12 AU maps of 5 x 5, flattened to 25.
          flow: Flow image of the face, 28 x 28 x (u, v, strain), in [0, 1].
          mask: 1 for real examples, 0 for padding.
          train: Whether to use batch statistics and dropout as in training.

        Returns:
          Emotion logits.
        """

        def inception(name: str, width: int, image: Array) -> Array:
            return Inception(width, name=name)(image, mask, train=train)

        batch, aus, _ = au_features.shape
        maps = au_features.reshape(batch, aus, 5, 5).transpose(0, 2, 3, 1)
        au_stream = inception("au_2", 48, max_pool_2x2(inception("au_1", 16, maps)))
        flow_stream = max_pool_2x2(inception("flow_1", 6, flow))
        flow_stream = max_pool_2x2(inception("flow_2", 16, flow_stream))
        face = nn.Dense(1024, kernel_init=kaiming_normal, name="face")(flow_stream.reshape(batch, -1))
        joined = jnp.concatenate([au_stream.reshape(batch, -1), nn.relu(face)], -1)
        joined = Dropout(self.dropout)(joined, train=train)
        return nn.Dense(self.num_classes, kernel_init=kaiming_normal, name="classify")(joined)
