"""FedAvgM: momentum on the server."""

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.server import ServerOptimizer, server_side
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Float


def fedavgm(weights: Float[Array, "clients"], rate: float | Array, momentum: float | Array) -> Strategy:
    """v <- beta v + sum_j n_j w_j / N - w, then w <- w + eta v: FedAvg with momentum on the server.

    With eta = 1 and beta = 0 it is FedAvg.

    Source: Hsu et al., Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification,
    2019, section 4.3.

    >>> import jax.numpy as jnp
    >>> float(fedavgm(jnp.array([3.0, 1.0]), 1.0, 0.9).outer.args[0].new)
    1.0
    """
    return server_side(fedavg(weights), ServerOptimizer(rate, momentum, new=1.0))
