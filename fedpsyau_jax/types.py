"""Types shared by the package, and the axis names used in array shapes.

Axis names, the same everywhere: ``clients``, ``rounds``, ``steps``, ``batch``, ``examples``, ``landmarks`` (65),
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
    """The model of one client: ``params`` are exchanged, ``model_state`` (batch statistics) stays local.

    Both are pytrees of any structure; the state of several clients has a leading axis [clients].

    >>> import jax.numpy as jnp
    >>> ClientState(params={"weight": jnp.ones((2, 3))}, model_state={}).params["weight"].shape
    (2, 3)
    """

    params: Params
    model_state: ModelState


class Batch(NamedTuple):
    """A minibatch of one client.

    ``examples``: a pytree with leaves [batch, ...]; ``mask``: 1 for a real example, 0 for padding.

    >>> import jax.numpy as jnp
    >>> Batch(examples=jnp.zeros((3, 28, 28)), mask=jnp.array([1.0, 1.0, 0.0])).mask.sum().item()
    2.0
    """

    examples: PyTree
    mask: Float[Array, "batch"]


class Model(NamedTuple):
    """A network as two pure functions.

    ``init(key, batch) -> ClientState``;
    ``apply(params, model_state, batch, key, *, train) -> (outputs, model_state)``.

    >>> import jax.numpy as jnp
    >>> def apply(params, model_state, batch, key, *, train):
    ...     return batch.examples @ params, model_state
    >>> linear = Model(lambda key, batch: ClientState(jnp.ones(batch.examples.shape[-1]), ()), apply)
    >>> batch = Batch(jnp.array([[1.0, 2.0]]), jnp.ones(1))
    >>> client = linear.init(jax.random.key(0), batch)
    >>> linear.apply(*client, batch, jax.random.key(1), train=False)[0].tolist()
    [3.0]
    """

    init: Callable[[PRNGKeyArray, Batch], ClientState]
    apply: Callable[..., tuple[Outputs, ModelState]]


class Examples(NamedTuple):
    """Micro-expression samples with a leading axis of examples.

    ``flow``: (u, v, strain) in [0, 1]; ``patches``: 5 x 5 windows of the same image at 128 x 128 pixels, around 65
    landmarks; ``au``: 1 where an action unit is present, else 0; ``au_mask``: 0 where an action unit is not labelled;
    ``emotion``: class index, -1 if unknown.

    >>> import jax.numpy as jnp
    >>> examples = Examples(
    ...     flow=jnp.full((2, 28, 28, 3), 0.5),
    ...     patches=jnp.full((2, 65, 5, 5, 3), 0.5),
    ...     au=jnp.zeros((2, 12)),
    ...     au_mask=jnp.ones((2, 12)),
    ...     emotion=jnp.array([0, 2]),
    ... )
    >>> jax.tree.map(lambda leaf: leaf[1], examples).emotion.item()
    2
    """

    flow: Float[jax.Array, "examples height=28 width=28 channels=3"]
    patches: Float[jax.Array, "examples landmarks 5 5 3"]
    au: Float[jax.Array, "examples aus"]
    au_mask: Float[jax.Array, "examples aus"]
    emotion: Int[jax.Array, "examples"]
