"""FedPer: the last layer stays with its client."""

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.strategy import Strategy, keep_group
from fedpsyau_jax.types import Array, Float


def fedper(weights: Float[Array, "clients"]) -> Strategy:
    """FedAvg, but W = I for the head, which trains together with the body.

    Without a head it is FedAvg; the problem's ``labels`` say which weights it has.

    Source: Arivazhagan et al., Federated Learning with Personalization Layers, 2019, algorithms 1 and 2.

    >>> import jax.numpy as jnp
    >>> print(fedper(jnp.array([3.0, 1.0])).mixing[2])
    [[1. 0.]
     [0. 1.]]
    """
    return keep_group(fedavg(weights), "head")
