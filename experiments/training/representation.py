"""What algorithms may know of networks: groups of weights, and the representation before the last layer."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from fedpsyau_jax.federated import Representation, label_by_path
from fedpsyau_jax.models.dropout import Dropout
from fedpsyau_jax.models.dsi import DSI
from fedpsyau_jax.packing import Packed, Packing
from fedpsyau_jax.types import Array, Batch, ClientState, Model, ModelState, Params, PRNGKeyArray, PyTree

MEMBERS: dict[str, Callable[[tuple[str, ...]], bool]] = {
    "norm": lambda path: path[-2].startswith("norm"),
    "backbone": lambda path: path[0] == "au",
    "head": lambda path: path[-2] == "classify",
}
"""By group, whether a weight with this path belongs to it: the backbone is the AU detector, if it is trained at all."""


def packed_labels(packing: Packing, params: Params) -> PyTree:
    """The group of each entry of packed weights: an array for the vector of small ones, a number for each large one.

    Args:
      packing: of the weights.
      params: their shapes.
    """
    full = jax.tree.map(lambda label, leaf: np.full(leaf.shape, label, np.int8), label_by_path(params, MEMBERS), params)
    small, large = packing.pack(full)
    labels: PyTree = Packed(small, tuple(int(np.ravel(leaf)[0]) for leaf in large))  # type: ignore[misc]
    return labels


def head_shape(params: Params) -> tuple[int, int]:
    """Size of the representation, and number of classes: the shape of the last layer's kernel."""
    (shape,) = (
        leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if [entry.key for entry in path[-2:]] == ["classify", "kernel"]
    )
    size, num_classes = shape
    return size, num_classes


def before_last_layer(model: Model, params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray) -> Array:
    """What the emotion classifier makes of examples before its dropout and last layer, in training: [batch, feat]."""
    seen: list[Array] = []

    def watch(call: Callable[..., Any], inputs: tuple[Any, ...], named: dict[str, Any], context: Any) -> Any:
        if isinstance(context.module, Dropout) and isinstance(context.module.parent, DSI):
            seen.append(inputs[0])
        return call(*inputs, **named)

    with nn.intercept_methods(watch):
        model.apply(params, model_state, batch, key, train=True)
    return seen[-1]


def representation_of(
    model: Model,
    unpack: Callable[[ClientState], ClientState],
    gather: Callable[[Batch], Batch],
    num_classes: int,
    size: int,
) -> Representation:
    """The representation of packed clients and batches of indices.

    Args:
      model: the network.
      unpack: to the network's own tensors.
      gather: looks up the examples of a batch of indices.
      num_classes: of emotions.
      size: of a representation.
    """

    def features(params: PyTree, model_state: PyTree, batch: Batch, key: PRNGKeyArray) -> Array:
        client = unpack(ClientState(params, model_state))
        return before_last_layer(model, client.params, client.model_state, gather(batch), key)

    return Representation(features, lambda batch: gather(batch).examples.emotion, size, num_classes)
