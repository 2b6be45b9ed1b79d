"""FedYogi: Yogi on the server."""

from fedpsyau_jax.federated.algorithms.fedadam import fedadam
from fedpsyau_jax.federated.server import with_numbers
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Float


def fedyogi(
    weights: Float[Array, "clients"],
    rate: float | Array,
    momentum: float | Array = 0.9,
    second: float | Array = 0.99,
    floor: float | Array = 1e-3,
) -> Strategy:
    """FedAdam with v <- v - (1 - b2) D^2 sign(v - D^2), which forgets large steps slowly.

    With b1 = 0, b2 = 1 and eta = 2 tau it is FedAvg.

    Source: Reddi et al., Adaptive Federated Optimization, ICLR 2021, algorithm 2; Zaheer et al., NeurIPS 2018.

    >>> import jax.numpy as jnp
    >>> float(fedyogi(jnp.array([3.0, 1.0]), 0.1).outer.args[0].yogi)
    1.0
    """
    return with_numbers(fedadam(weights, rate, momentum, second, floor), yogi=1.0)
