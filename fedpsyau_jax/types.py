"""Names for the values that the package passes around, and the axis words of its array shapes.

Axis words, the same everywhere: ``clients``, ``rounds``, ``steps``, ``batch``, ``examples``, ``landmarks`` (65),
``aus`` (12), ``feat``, ``classes``, ``height``, ``width``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, UInt16

PyTree = Any
Params = PyTree
ModelState = PyTree
Outputs = PyTree
Metrics = dict[str, Array]

__all__ = [
    "Array",
    "Batch",
    "Bool",
    "ClientState",
    "Examples",
    "Float",
    "Int",
    "Key",
    "Metrics",
    "Model",
    "ModelState",
    "Outputs",
    "PRNGKeyArray",
    "Params",
    "PyTree",
    "UInt16",
]


class ClientState(NamedTuple):
    """What one client holds: ``params`` are exchanged, ``model_state`` (batch statistics) stays local."""

    params: Params
    model_state: ModelState


class Batch(NamedTuple):
    """Some examples of one client: a pytree with leaves [batch, ...]; 1 for a real example, 0 for padding."""

    examples: PyTree
    mask: Float[Array, "batch"]


class Model(NamedTuple):
    """A network as two pure functions.

    ``init(key, batch) -> ClientState``;
    ``apply(params, model_state, batch, key, *, train) -> (outputs, model_state)``.
    """

    init: Callable[[PRNGKeyArray, Batch], ClientState]
    apply: Callable[..., tuple[Outputs, ModelState]]


class Examples(NamedTuple):
    """Micro-expression samples, one leading axis of examples.

    ``flow`` in [0, 1] as (u, v, strain); ``patches`` the same image at 128 x 128, cut around 65 landmarks;
    ``au`` in {0, 1}; ``au_mask`` 0 where an AU is not labelled; ``emotion`` a class index.
    """

    flow: Float[jax.Array, "examples height=28 width=28 channels=3"]
    patches: Float[jax.Array, "examples landmarks 5 5 3"]
    au: Float[jax.Array, "examples aus"]
    au_mask: Float[jax.Array, "examples aus"]
    emotion: Int[jax.Array, "examples"]
