"""Dropout that draws 16 random bits a number: random bits, not arithmetic, are what dropout costs on a CPU."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from fedpsyau_jax.types import Array

LEVELS = 2**16


class Dropout(nn.Module):
    """Zero each number with probability ``rate``, scale the others up so that the mean stays (Srivastava et al. 2014).

    Attributes:
      rate: In [0, 1), rounded to a multiple of 2^-16; flax's own draws 32 bits a number, for twice the time.
    """

    rate: float

    @nn.compact
    def __call__(self, values: Array, *, train: bool) -> Array:
        """The values, thinned in training with the key collection ``dropout``; as they are otherwise."""
        if not train or self.rate == 0:
            return values
        words = jax.random.bits(self.make_rng("dropout"), ((values.size + 1) // 2,), jnp.uint32)
        draws = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[: values.size].reshape(values.shape)
        dropped = round(self.rate * LEVELS)
        return jnp.where(draws >= dropped, values * (LEVELS / (LEVELS - dropped)), 0)
