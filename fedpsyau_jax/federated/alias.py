"""The algorithms by name: nothing but compositions of a mixing matrix and proximal factors.

Each takes ``weights`` [clients], as a rule the numbers of training examples, and ``mu`` >= 0, one for all
clients or one each. ``jax.vmap`` over weights, mu or the self weight gives a stack of strategies.
"""

import jax.numpy as jnp

from fedpsyau_jax.federated.algorithm import Strategy
from fedpsyau_jax.federated.mixing import averaging, isolation, personalised
from fedpsyau_jax.types import Array, Float

__all__ = ["anchored_at_start", "centralised", "fedavg", "fedprox", "local_only", "p_fedprox"]

Weights = Float[Array, "clients"]
Mu = float | Float[Array, ""] | Float[Array, "clients"]


def _every_client(mu: Mu, weights: Weights) -> Float[Array, "clients"]:
    return jnp.broadcast_to(jnp.asarray(mu, weights.dtype), weights.shape)


def local_only(weights: Weights) -> Strategy:
    """Every client alone: W = I, mu = 0."""
    return Strategy(isolation(weights), _every_client(0.0, weights))


def fedavg(weights: Weights) -> Strategy:
    """The weighted mean of all clients, mu = 0.

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks, AISTATS 2017.
    """
    return Strategy(averaging(weights), _every_client(0.0, weights))


def fedprox(weights: Weights, mu: Mu) -> Strategy:
    """FedAvg with local training held near the mean.

    Source: Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020.
    """
    return Strategy(averaging(weights), _every_client(mu, weights))


def p_fedprox(weights: Weights, mu: Mu, self_weight: float | Float[Array, ""] = 0.9) -> Strategy:
    """FedProx from a personal start: lambda of a client's own weights, 1 - lambda of the others' mean.

    Source: FED-PsyAU, ICCV 2025. The released code anchors at the weights of round 0: ``anchored_at_start``.
    """
    return Strategy(personalised(weights, self_weight), _every_client(mu, weights))


def centralised(weights: Weights) -> Strategy:
    """One client that holds everything (see ``pooled``), mu = 0.

    Raises:
        ValueError: more than one client.
    """
    if weights.shape != (1,):
        raise ValueError(
            f"centralised training has one client, got weights of shape {weights.shape}: pool the data first"
        )
    return local_only(weights)


def anchored_at_start(strategy: Strategy) -> Strategy:
    """The same strategy, its proximal term taken to the weights of round 0 (the released P-FedProx)."""
    return strategy._replace(anchored_at_start=jnp.ones(strategy.mu.shape[:-1], bool))
