"""FedBN: normalisation layers stay with their client."""

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.strategy import Strategy, keep_group
from fedpsyau_jax.types import Array, Float


def fedbn(weights: Float[Array, "clients"]) -> Strategy:
    """FedAvg, but W = I for gains and offsets of normalisation layers; their statistics stay with the client anyway.

    w_k^l <- w_k^l for normalisation layers l, sum_j n_j w_j^l / N for all others. Without such layers it
    is FedAvg; the problem's ``labels`` say which they are.

    Source: Li et al., FedBN: Federated Learning on Non-IID Features via Local Batch Normalization, ICLR 2021, alg. 1.

    >>> import jax.numpy as jnp
    >>> print(fedbn(jnp.array([3.0, 1.0])).mixing[1])
    [[1. 0.]
     [0. 1.]]
    """
    return keep_group(fedavg(weights), "norm")
