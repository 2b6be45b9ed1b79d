"""FedAdam: Adam on the server."""

from fedpsyau_jax.federated.alias import fedavg
from fedpsyau_jax.federated.server import ServerOptimizer, server_side
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Float


def fedadam(
    weights: Float[Array, "clients"],
    rate: float | Array,
    momentum: float | Array = 0.9,
    second: float | Array = 0.99,
    floor: float | Array = 1e-3,
) -> Strategy:
    """m <- b1 m + (1 - b1) D, v <- b2 v + (1 - b2) D^2, w <- w + eta m / (sqrt v + tau), D = sum_j n_j w_j / N - w.

    No bias correction; v starts at tau^2, m at 0. With b1 = 0, b2 = 1 and eta = 2 tau it is FedAvg.

    Source: Reddi et al., Adaptive Federated Optimization, ICLR 2021, algorithm 2.

    >>> import jax.numpy as jnp
    >>> float(fedadam(jnp.array([3.0, 1.0]), 0.1).outer.args[0].rate).__round__(3)
    0.1
    """
    numbers = ServerOptimizer(rate, momentum, new=1 - momentum, second=second, floor=floor, adaptive=1.0)
    return server_side(fedavg(weights), numbers)
