"""The training data of clients: padded to one length, masked, and labelled with the client's id."""

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from fedpsyau_jax.types import Array, Float, Int, PyTree

__all__ = ["ClientData", "Identified", "num_examples", "pooled"]


@runtime_checkable
class Identified(Protocol):
    """Any pytree of a client's data that has the client's ``id``; ClientUpdate defines the rest."""

    @property
    def id(self) -> Int[Array, "*clients"]:
        """Stable identity of the client; its random numbers depend on it."""


class ClientData(NamedTuple):
    """Training data of one client, or of several with a leading axis [clients].

    ``id``: determines the client's random numbers, so that the order of clients does not matter;
    ``examples``: a pytree with leaves [examples, ...]; ``mask``: 1 for a real example, 0 for padding.

    >>> data = ClientData(jnp.arange(2), jnp.array([[1.0, 2.0], [3.0, 0.0]]), jnp.array([[1.0, 1.0], [1.0, 0.0]]))
    >>> num_examples(data).tolist()
    [2.0, 1.0]
    """

    id: Int[Array, "*clients"]
    examples: PyTree
    mask: Float[Array, "*clients examples"]


def num_examples(data: ClientData) -> Float[Array, "*clients"]:
    """Number of real examples of each client: the usual aggregation weights n_k.

    >>> num_examples(ClientData(jnp.arange(2), (), jnp.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))).tolist()
    [3.0, 1.0]
    """
    return data.mask.sum(axis=-1)


def pooled(data: ClientData) -> ClientData:
    """Combine the examples of all clients in one client, for centralised training.

    Args:
        data: leaves [clients, examples, ...].

    Returns:
        Leaves [1, clients * examples, ...]; id 0.

    >>> pooled(ClientData(jnp.arange(2), jnp.zeros((2, 3, 7)), jnp.ones((2, 3)))).examples.shape
    (1, 6, 7)
    """
    examples, mask = jax.tree.map(lambda leaf: leaf.reshape(1, -1, *leaf.shape[2:]), (data.examples, data.mask))
    return ClientData(jnp.zeros(1, jnp.int32), examples, mask)
