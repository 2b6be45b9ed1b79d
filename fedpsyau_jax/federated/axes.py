"""Ways to map a function of one client (or one run) over an axis: sequentially, vectorised, or in groups.

An AxisMap is ``over(function, states, inputs, shared) -> (states, outputs)`` for a function of one element,
``function(state, input, shared) -> (state, output)``. States keep their structure and shape, so that memory can
be reused; ``shared`` is the same for every element.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from fedpsyau_jax.types import Array, Int, PyTree

__all__ = ["AxisMap", "OneStep", "in_groups", "sequential", "vectorised"]

OneStep: TypeAlias = Callable[[PyTree, PyTree, PyTree], tuple[PyTree, PyTree]]
AxisMap: TypeAlias = Callable[[OneStep, PyTree, PyTree, PyTree], tuple[PyTree, PyTree]]


def sequential(function: OneStep, states: PyTree, inputs: PyTree, shared: PyTree) -> tuple[PyTree, PyTree]:
    """Map one element after another, updating each state in place (``lax.scan``).

    Needs working memory for one element only, and a loop inside ends when its own client is done: best on a CPU.

    >>> add = lambda state, value, shared: (state + shared * value, state)
    >>> states, outputs = sequential(add, jnp.array([1.0, 2.0]), jnp.array([10.0, 20.0]), 2.0)
    >>> states.tolist(), outputs.tolist()
    ([21.0, 42.0], [1.0, 2.0])
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
    """Map all elements at once (``jax.vmap``).

    Larger matrix products and more memory, and a loop inside runs until the last client is done: for accelerators.
    An axis of length one is not batched: each batched axis makes tracing the loops inside about twice as long.

    >>> add = lambda state, value, shared: (state + shared * value, state)
    >>> states, outputs = vectorised(add, jnp.array([1.0, 2.0]), jnp.array([10.0, 20.0]), 2.0)
    >>> states.tolist(), outputs.tolist()
    ([21.0, 42.0], [1.0, 2.0])
    """
    if jax.tree.leaves(states)[0].shape[0] == 1:
        state, one_input = jax.tree.map(lambda leaf: leaf[0], (states, inputs))
        only = function(state, one_input, shared)
        return jax.tree.map(lambda leaf: jnp.expand_dims(leaf, 0), only)
    return jax.vmap(function, in_axes=(0, 0, None))(states, inputs, shared)


def in_groups(size: int) -> AxisMap:
    """Map ``size`` elements at once, and one group after another (``lax.map``).

    Needs working memory for one group only: for an accelerator that the work of all elements does not fit into.

    Raises:
        ValueError: size is below 1.

    >>> add = lambda state, value, shared: (state + shared * value, state)
    >>> states, outputs = in_groups(2)(add, jnp.array([1.0, 2.0, 3.0]), jnp.array([10.0, 20.0, 30.0]), 2.0)
    >>> states.tolist(), outputs.tolist()
    ([21.0, 42.0, 63.0], [1.0, 2.0, 3.0])
    """
    if size < 1:
        raise ValueError(f"groups of {size} elements: give at least 1")

    def over(function: OneStep, states: PyTree, inputs: PyTree, shared: PyTree) -> tuple[PyTree, PyTree]:
        if jax.tree.leaves(states)[0].shape[0] <= size:
            return vectorised(function, states, inputs, shared)
        mapped: tuple[PyTree, PyTree] = lax.map(
            lambda own: function(own[0], own[1], shared), (states, inputs), batch_size=size
        )
        return mapped

    return over
