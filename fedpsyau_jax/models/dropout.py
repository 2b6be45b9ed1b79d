"""Dropout with 16 random bits per number, drawn once for all dropouts of a network.

On a CPU, the cost of dropout is generating random bits. Each draw is also a separate loop in the program: drawn one by
one, those of the AU detector took a quarter of the compilation.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from fedpsyau_jax.packing import Packed, packing
from fedpsyau_jax.types import Array, PRNGKeyArray, PyTree, UInt16

LEVELS = 2**16
DRAWS = "draws"
"""The variable collection for the random numbers of a network's dropouts."""


class Dropout(nn.Module):
    """Set each number to zero with probability ``rate`` and scale up the others, keeping the mean (Srivastava 2014).

    Attributes:
      rate: In [0, 1), rounded to a multiple of 2^-16. The dropout of flax draws 32 bits per number, in twice the time.
    """

    rate: float

    @nn.compact
    def __call__(self, values: Array, *, train: bool) -> Array:
        """Apply dropout in training; otherwise return the values unchanged.

        Random numbers are read from the collection ``draws`` if it exists, and otherwise drawn from the key collection
        ``dropout``.
        """
        if not train or self.rate == 0:
            return values
        if self.has_variable(DRAWS, "drawn") or self.is_mutable_collection(DRAWS):
            drawn = self.variable(DRAWS, "drawn", jnp.zeros, values.shape, jnp.uint16).value
        else:
            drawn = draw(self.make_rng("dropout"), values.size).reshape(values.shape)
        dropped = round(self.rate * LEVELS)
        return jnp.where(drawn >= dropped, values * (LEVELS / (LEVELS - dropped)), 0)


def draw(key: PRNGKeyArray, count: int) -> UInt16[Array, "count"]:
    """Draw uniformly from 0 to 2^16 - 1."""
    words = jax.random.bits(key, ((count + 1) // 2,), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:count]


def drawn(wanted: PyTree, key: PRNGKeyArray) -> PyTree:
    """Draw the random numbers of all dropouts of a network at once.

    Args:
      wanted: shapes of the collection ``draws``, as ``apply`` returns them if that collection is mutable.
      key: for this training step.

    Returns:
      The collection, for ``apply``.
    """
    if not (leaves := jax.tree.leaves(wanted)):
        return wanted
    vector = draw(key, sum(math.prod(leaf.shape) for leaf in leaves))
    return packing(wanted, large=vector.size + 1).unpack(Packed(vector, ()))
