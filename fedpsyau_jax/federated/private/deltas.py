"""A client's whole contribution to a round: bounded, and with its share of the noise."""

import jax
import jax.numpy as jnp

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory
from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.federated.private.clipping import clipped, gaussian_like
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.types import Array, ClientState, Float, Metrics, PRNGKeyArray

__all__ = ["noised_delta"]

NOISE = 2**31 - 4
"""Folded into a client's key of a round for its noise; no epoch has this number."""


def noised_delta(client_update: ClientUpdate, *, clip: float | Float[Array, ""], share: float | Array) -> ClientUpdate:
    """The same training, whose change of the weights is clipped and noised: w + clip_C(w' - w) + N(0, (s C)^2).

    It wraps the training itself, before any algorithm does: whatever an algorithm then sends, remembers or mixes is
    made of noised weights. The model state stays as received. ``leverage`` says how much of s the shares of all
    clients leave in a mixture; in a mean of K equal clients it is s sqrt(K) against C.

    Args:
        client_update: usually ``local_training``.
        clip: C > 0, of the norm over all weights; may be traced, as the share may.
        share: s >= 0, the client's share of the noise.

    Source: McMahan et al., Learning Differentially Private Recurrent Language Models, ICLR 2018; noise in shares, as
    with secure aggregation: Kairouz et al., The Distributed Discrete Gaussian Mechanism, ICML 2021.

    >>> from fedpsyau_jax.federated import ClientData
    >>> def add(client, memory, broadcast, data, key):
    ...     return client._replace(params=client.params + 7), memory, {}
    >>> update = noised_delta(ClientUpdate(lambda client: (), add), clip=2.0, share=0.0).update
    >>> data, broadcast = ClientData(jnp.int32(0), (), jnp.ones(1)), Broadcast((), None, jnp.int32(0))
    >>> client, _, _ = update(ClientState(jnp.array(1.0), ()), (), broadcast, data, jax.random.key(0))
    >>> round(float(client.params), 3)
    3.0
    """
    in_range("the clip", clip, above=True)
    in_range("the share of the noise", share)

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: Identified, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        trained, memory, metrics = client_update.update(client, memory, broadcast, data, key)
        change = clipped(jax.tree.map(jnp.subtract, trained.params, client.params), clip)
        hidden = gaussian_like(jax.random.fold_in(key, NOISE), change, jnp.asarray(share) * clip)
        params = jax.tree.map(lambda w, c, n: w + c + n, client.params, change, hidden)
        return ClientState(params, client.model_state), memory, metrics

    return client_update._replace(update=update)
