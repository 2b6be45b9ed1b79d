"""How a function of one client (or one run) meets an axis of many: one after another, or all at once.

An AxisMap is ``over(function, states, inputs, shared) -> (states, outputs)`` for a function of one
``function(state, input, shared) -> (state, output)``. States come back in the structure and shape they had,
so that memory can be reused; ``shared`` has no such axis.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.types import Array, Int, PyTree

__all__ = ["AxisMap", "OneStep", "sequential", "vectorised"]

OneStep: TypeAlias = Callable[[PyTree, PyTree, PyTree], tuple[PyTree, PyTree]]
AxisMap: TypeAlias = Callable[[OneStep, PyTree, PyTree, PyTree], tuple[PyTree, PyTree]]


def sequential(function: OneStep, states: PyTree, inputs: PyTree, shared: PyTree) -> tuple[PyTree, PyTree]:
    """One after another, each state written where it was read (``lax.scan``).

    Working memory for one at a time, and a loop inside ends when its own client is done: the choice for a CPU.
    """

    def one(states: PyTree, indexed: tuple[Int[Array, ""], PyTree]) -> tuple[PyTree, PyTree]:
        index, one_input = indexed
        state = jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, index, keepdims=False), states)
        state, output = function(state, one_input, shared)
        states = jax.tree.map(lambda leaf, new: lax.dynamic_update_index_in_dim(leaf, new, index, 0), states, state)
        return states, output

    num_states = jax.tree.leaves(states)[0].shape[0]
    return lax.scan(one, states, (jnp.arange(num_states), inputs))


def vectorised(function: OneStep, states: PyTree, inputs: PyTree, shared: PyTree) -> tuple[PyTree, PyTree]:
    """All at once (``jax.vmap``).

    Larger matrix products, more memory, and a loop inside ends with the last client: for accelerators. An axis of
    one is taken off: each axis that is batched makes tracing the loops inside it about twice as long.
    """
    if jax.tree.leaves(states)[0].shape[0] == 1:
        only = function(*jax.tree.map(lambda leaf: leaf[0], (states, inputs)), shared)
        return jax.tree.map(lambda leaf: jnp.expand_dims(leaf, 0), only)
    return jax.vmap(function, in_axes=(0, 0, None))(states, inputs, shared)
