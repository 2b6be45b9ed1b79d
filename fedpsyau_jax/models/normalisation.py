"""Batch normalisation that ignores padding, and convolutions followed by it."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from fedpsyau_jax.models.conv import Conv
from fedpsyau_jax.types import Array, Float


class Affine(NamedTuple):
    """A gain and an offset for each channel."""

    gain: Float[Array, "channels"]
    offset: Float[Array, "channels"]

    def __call__(self, image: Float[Array, "batch h w channels"]) -> Float[Array, "batch h w channels"]:
        """``gain x + offset``, computed on whole rows as wide vectors, which XLA:CPU vectorises."""
        batch, height, width, channels = image.shape
        rows = image.reshape(batch * height, width * channels)
        return (rows * jnp.tile(self.gain, width) + jnp.tile(self.offset, width)).reshape(image.shape)


class BatchNorm(nn.Module):
    """Batch normalisation over real examples only (Ioffe and Szegedy 2015).

    ``y = scale (x - m) / sqrt(v + eps) + bias`` with the batch's mean m and biased variance v in training, the running
    ones otherwise. Running statistics follow PyTorch: ``r <- 0.9 r + 0.1 batch``, with the unbiased variance.
    A batch without real examples does not change the running statistics.
    """

    momentum: float = 0.1
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "batch h w channels"],
        mask: Float[Array, "batch"],
        *,
        train: bool,
        border: tuple[Array, Array] | None = None,
    ) -> Affine:
        """Compute the normalisation of this batch as a gain and an offset for each channel.

        Args:
          image: Channels-last images.
          mask: 1 for real examples, 0 for padding.
          train: Whether to use the statistics of this batch, and update the running ones.
          border: Value [channels] and number [channels] of additional border pixels of each image.

        Returns:
          Gain and offset [channels].
        """
        channels = image.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,))
        mean, var = running_mean.value, running_var.value
        if train:
            mean, var, count = _moments(image, mask, border)
            if not self.is_initializing():
                weight = self.momentum * (count > 0)
                unbiased = var * count / jnp.maximum(count - 1, 1)
                running_mean.value += weight * (mean - running_mean.value)
                running_var.value += weight * (unbiased - running_var.value)
        gain = scale / jnp.sqrt(var + self.epsilon)
        return Affine(gain, bias - mean * gain)


def _moments(
    image: Float[Array, "batch h w channels"],
    mask: Float[Array, "batch"],
    border: tuple[Array, Array] | None,
) -> tuple[Float[Array, "channels"], Float[Array, "channels"], Array]:
    """Mean, biased variance and count over real pixels, in one pass.

    Sums are of differences from the mean of the first image, so that the variance stays accurate in float32; rows are
    summed as wide vectors, which XLA:CPU vectorises.
    """
    batch, height, width, channels = image.shape
    about = jax.lax.stop_gradient(image[0].mean((0, 1)))
    rows = image.reshape(batch * height, width * channels) - jnp.tile(about, width)
    weighted = rows * jnp.repeat(mask, height)[:, None]
    num_images = mask.sum()
    count = num_images * (height * width)
    total = weighted.sum(0).reshape(width, channels).sum(0)
    squares = (weighted * rows).sum(0).reshape(width, channels).sum(0)
    if border is not None:
        value, pixels = border
        count = count + num_images * pixels
        total = total + num_images * pixels * (value - about)
        squares = squares + num_images * pixels * (value - about) ** 2
    shift = total / jnp.maximum(count, 1)
    var = jnp.maximum(squares / jnp.maximum(count, 1) - shift**2, 0)
    return about + shift, var, count


class ConvNorm(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    features: int
    size: int
    padding: int = 0

    @nn.compact
    def __call__(
        self, image: Float[Array, "batch h w inputs"], mask: Float[Array, "batch"], *, train: bool
    ) -> Float[Array, "batch h2 w2 features"]:
        """Apply all three to channels-last images; ``mask`` marks real examples."""
        convolved = Conv(self.features, self.size, self.padding, name="conv")(image)
        normalise = BatchNorm(name="norm")(convolved, mask, train=train)
        return nn.relu(normalise(convolved))


class PointwiseNorms(nn.Module):
    """Three 1 x 1 convolutions of one image, each with batch normalisation and ReLU, as one matrix product.

    The third pads its input by one zero pixel, as the released network does before its 5 x 5 convolution, so the border
    of its output equals the bias. The batch statistics include that border, which is added afterwards.
    """

    features: int

    @nn.compact
    def __call__(
        self, image: Float[Array, "batch h w inputs"], mask: Float[Array, "batch"], *, train: bool
    ) -> tuple[Array, Array, Array]:
        """Three channels-last images of ``features`` channels, the third two pixels wider and higher."""
        _, height, width, _ = image.shape
        convolution = Conv(3 * self.features, 1, name="conv")
        convolved = convolution(image)
        bias = convolution.variables["params"]["bias"]
        perimeter = jnp.repeat(jnp.array([0, 0, 2 * (height + width) + 4], image.dtype), self.features)
        normalise = BatchNorm(name="norm")(convolved, mask, train=train, border=(bias, perimeter))
        one, two, three = jnp.split(nn.relu(normalise(convolved)), 3, axis=-1)
        border = nn.relu(normalise.gain * bias + normalise.offset)[2 * self.features :]
        around = ((0, 0), (1, 1), (1, 1), (0, 0))
        return one, two, jnp.pad(three - border, around) + border
