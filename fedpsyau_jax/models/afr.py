"""AFR, AU feature relations: from landmark tokens to action-unit nodes, which DPK-GATs relate to each other.

Source: FED-PsyAU (ICCV 2025); squeeze-and-excitation is that of Hu et al. (2018), one group per landmark.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedpsyau_jax.models.conv import kaiming_normal
from fedpsyau_jax.models.dropout import Dropout
from fedpsyau_jax.models.normalisation import ConvNorm
from fedpsyau_jax.types import Array, Float

REGIONS = {
    "brow": (3, np.arange(23)),
    "eye": (3, np.r_[0:22, 32:52, 59:65]),
    "nose": (2, np.arange(52)),
    "mouth": (4, np.arange(27, 65)),
}
"""Facial regions: the number of AUs of each, in AU order, and the indices of its landmarks among the 65."""


class SqueezeExcitation(nn.Module):
    """Scale each landmark's patch by a gain in (0, 1) computed from the means of all patches."""

    @nn.compact
    def __call__(self, tokens: Float[Array, "batch landmarks feat"]) -> Float[Array, "batch landmarks feat"]:
        """Multiply the tokens by their gains (without the residual)."""
        landmarks = tokens.shape[1]

        def dense(size: int, name: str) -> nn.Dense:
            return nn.Dense(size, use_bias=False, kernel_init=kaiming_normal, name=name)

        squeezed = nn.relu(dense(max(landmarks // 16, 1), "squeeze")(tokens.mean(-1)))
        return tokens * jax.nn.sigmoid(dense(landmarks, "excite")(squeezed))[..., None]


class RegionFeatures(nn.Module):
    """AFE of one facial region: map its landmark tokens to a 5 x 5 map for each of its AUs."""

    num_aus: int

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "batch landmarks feat=75"], mask: Float[Array, "batch"], *, train: bool
    ) -> Float[Array, "batch aus feat=25"]:
        """AU maps, flattened row by row and not yet normalised."""
        batch, landmarks, _ = tokens.shape
        excited = tokens + SqueezeExcitation(name="excitation")(tokens)
        image = excited.reshape(batch, landmarks * 3, 5, 5).transpose(0, 2, 3, 1)
        image = ConvNorm(2 * self.num_aus, 3, 1, name="conv_1")(image, mask, train=train)
        image = ConvNorm(self.num_aus, 1, name="conv_2")(image, mask, train=train)
        return image.transpose(0, 3, 1, 2).reshape(batch, self.num_aus, -1)


class AUFeatures(nn.Module):
    """AFE of the whole face: the 12 AU nodes, each normalised to length 1 (a zero vector stays 0)."""

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "batch landmarks=65 feat=75"], mask: Float[Array, "batch"], *, train: bool
    ) -> Float[Array, "batch aus=12 feat=25"]:
        """AU nodes in AU order."""
        maps = [
            RegionFeatures(num_aus, name=name)(tokens[:, landmarks], mask, train=train)
            for name, (num_aus, landmarks) in REGIONS.items()
        ]
        nodes = jnp.concatenate(maps, axis=1)
        return nodes / optax.safe_norm(nodes, 1e-12, axis=-1, keepdims=True)


class AUPrediction(nn.Module):
    """AP: AU logits from all nodes together."""

    dropout: float = 0.5

    @nn.compact
    def __call__(self, nodes: Float[Array, "batch aus feat"], *, train: bool) -> Float[Array, "batch aus"]:
        """One logit for each AU."""
        batch, aus, _ = nodes.shape
        hidden = nn.Dense(128, kernel_init=kaiming_normal, name="hidden")(nodes.reshape(batch, -1))
        hidden = Dropout(self.dropout)(nn.relu(hidden), train=train)
        return nn.Dense(aus, kernel_init=kaiming_normal, name="logits")(hidden)
