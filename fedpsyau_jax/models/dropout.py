"""Dropout that draws 16 random bits a number, and all dropouts of a network at once.

Random bits, not arithmetic, are what dropout costs on a CPU; and each draw is a loop of its own in the program: drawn
one by one, those of the AU detector were a quarter of what there was to compile.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from fedpsyau_jax.packing import Packed, packing
from fedpsyau_jax.types import Array, PRNGKeyArray, PyTree, UInt16

LEVELS = 2**16
DRAWS = "draws"
"""The collection of variables that holds the draws of a network's dropouts."""


class Dropout(nn.Module):
    """Zero each number with probability ``rate``, scale the others up so that the mean stays (Srivastava et al. 2014).

    Attributes:
      rate: In [0, 1), rounded to a multiple of 2^-16; flax's own draws 32 bits a number, for twice the time.
    """

    rate: float

    @nn.compact
    def __call__(self, values: Array, *, train: bool) -> Array:
        """The values, thinned in training; as they are otherwise.

        What is drawn is the variable of the collection ``draws`` if there is one, else it comes from the key collection
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
    """Uniform draws from 0 to 2^16 - 1."""
    words = jax.random.bits(key, ((count + 1) // 2,), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:count]


def drawn(wanted: PyTree, key: PRNGKeyArray) -> PyTree:
    """The draws of all dropouts of a network, in one.

    Args:
      wanted: shapes of the collection ``draws``, as ``apply`` gives them where that collection is mutable.
      key: of this step.

    Returns:
      The collection, for ``apply``.
    """
    if not (leaves := jax.tree.leaves(wanted)):
        return wanted
    vector = draw(key, sum(math.prod(leaf.shape) for leaf in leaves))
    return packing(wanted, large=vector.size + 1).unpack(Packed(vector, ()))
