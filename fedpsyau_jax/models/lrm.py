"""LRM, localised ROI modelling: each landmark's flow patch becomes a token, and tokens attend to each other.

Source: FED-PsyAU (ICCV 2025); the transformer layer is that of Vaswani et al. (2017), post-norm.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from fedpsyau_jax.models.conv import small_uniform
from fedpsyau_jax.models.dropout import Dropout
from fedpsyau_jax.models.normalisation import ConvNorm
from fedpsyau_jax.types import Array, Float

Attend = Callable[[Array, Array], Array]
"""Attention weights [..., queries, keys] from scores and the batch's mask."""


class Attention(nn.Module):
    """Multi-head self-attention over one axis of the tokens.

    Attributes:
      heads: Number of heads; they share the features evenly.
      dropout: Rate on the attention weights in training.
      across_batch: Attend across the examples of a batch, landmark by landmark, as the released implementation does
        (its layer uses the batch axis as the sequence); otherwise, our default, across the landmarks of an example.
    """

    heads: int
    dropout: float
    across_batch: bool = False

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "batch landmarks feat"], mask: Float[Array, "batch"], *, train: bool
    ) -> Float[Array, "batch landmarks feat"]:
        """Attend; across the batch, padded examples (mask 0) are ignored."""
        sequence = tokens.swapaxes(0, 1) if self.across_batch else tokens
        features = tokens.shape[-1]
        projected = nn.Dense(3 * features, kernel_init=nn.initializers.xavier_uniform(), name="project")(sequence)
        split = projected.reshape(*sequence.shape[:2], 3, self.heads, features // self.heads)
        query, key, value = jnp.moveaxis(split, 2, 0)
        scores = jnp.einsum("nqhf,nkhf->nhqk", query, key) / jnp.sqrt(query.shape[-1]).astype(tokens.dtype)
        if self.across_batch:
            scores = jnp.where(mask > 0, scores, jnp.finfo(scores.dtype).min)
        weights = Dropout(self.dropout)(jax.nn.softmax(scores), train=train)
        attended = jnp.einsum("nhqk,nkhf->nqhf", weights, value).reshape(sequence.shape)
        merged = nn.Dense(features, kernel_init=small_uniform, name="merge")(attended)
        return merged.swapaxes(0, 1) if self.across_batch else merged


class SpatialEncoder(nn.Module):
    """SSE: one post-norm transformer layer T, then ``FFN(T(x)) + x`` over the landmarks' tokens."""

    heads: int = 5
    hidden: int = 2048
    dropout: float = 0.1
    across_batch: bool = False

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "batch landmarks feat"], mask: Float[Array, "batch"], *, train: bool
    ) -> Float[Array, "batch landmarks feat"]:
        """Encode the tokens of a batch."""
        features = tokens.shape[-1]

        def dense(size: int, name: str) -> nn.Dense:
            return nn.Dense(size, kernel_init=small_uniform, name=name)

        def drop(values: Array) -> Array:
            return Dropout(self.dropout)(values, train=train)

        attention = Attention(self.heads, self.dropout, self.across_batch, name="attention")
        attended = tokens + drop(attention(tokens, mask, train=train))
        attended = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name="norm_1")(attended)
        expanded = drop(nn.relu(dense(self.hidden, "layer_expand")(attended)))
        encoded = attended + drop(dense(features, "layer_contract")(expanded))
        encoded = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name="norm_2")(encoded)
        forward = dense(features, "contract")(nn.relu(dense(self.hidden, "expand")(encoded)))
        return forward + tokens


class LocalFeatures(nn.Module):
    """LFE: three convolutions, shared by all landmarks, map a 5 x 5 patch to a vector of 75 features.

    Differs from the released code, which runs once for each of 161 (partly repeated) landmarks: here one pass covers
    all 65 landmarks, so batch statistics are over all of them.
    """

    @nn.compact
    def __call__(
        self, patches: Float[Array, "batch landmarks 5 5 3"], mask: Float[Array, "batch"], *, train: bool
    ) -> Float[Array, "batch landmarks feat=75"]:
        """Tokens of the landmarks; a token is its channels in order, each flattened row by row."""
        batch, landmarks, *patch = patches.shape
        image = patches.reshape(batch * landmarks, *patch)
        each = jnp.repeat(mask, landmarks)
        for index, width in enumerate((32, 64, 3), start=1):
            image = ConvNorm(width, 3, 1, name=f"conv_{index}")(image, each, train=train)
        return image.transpose(0, 3, 1, 2).reshape(batch, landmarks, -1)
