"""The training data of clients: padded to one length, masked, and known by an identity."""

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from fedpsyau_jax.types import Array, Float, Int, PyTree

__all__ = ["ClientData", "Identified", "num_examples", "pooled"]


@runtime_checkable
class Identified(Protocol):
    """Data of a client, of whatever kind its ClientUpdate takes: a pytree that knows whose it is."""

    @property
    def id(self) -> Int[Array, "*clients"]:
        """Stable identity of the client, which its randomness follows."""


class ClientData(NamedTuple):
    """Training data of one client, or of several with a leading axis [clients].

    ``id``: all randomness of a client follows it, so a client's place among the others does not matter;
    ``examples``: a pytree with leaves [examples, ...]; ``mask``: 1 for a real example, 0 for padding.
    """

    id: Int[Array, "*clients"]
    examples: PyTree
    mask: Float[Array, "*clients examples"]


def num_examples(data: ClientData) -> Float[Array, "*clients"]:
    """Real examples of each client: the usual aggregation weights n_k."""
    return data.mask.sum(axis=-1)


def pooled(data: ClientData) -> ClientData:
    """All clients' examples as those of one client, for centralised training.

    Args:
        data: leaves [clients, examples, ...].

    Returns:
        Leaves [1, clients * examples, ...]; id 0.
    """
    examples, mask = jax.tree.map(lambda leaf: leaf.reshape(1, -1, *leaf.shape[2:]), (data.examples, data.mask))
    return ClientData(jnp.zeros(1, jnp.int32), examples, mask)
