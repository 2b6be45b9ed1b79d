"""The algorithms by name, each a composition of a mixing matrix and proximal factors.

Each takes ``weights`` [clients], usually the numbers of training examples, and ``mu`` >= 0, one for all
clients or one each. ``jax.vmap`` over weights, mu or the self weight gives a stack of strategies.
"""

import jax.numpy as jnp

from fedpsyau_jax.federated.compact import averaging, isolation, personalised
from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Float

__all__ = ["anchored_at_start", "centralised", "fedavg", "fedprox", "local_only", "p_fedprox"]

Weights = Float[Array, "clients"]
Mu = float | Float[Array, ""] | Float[Array, "clients"]


def _per_client(mu: Mu, weights: Weights) -> Float[Array, "clients"]:
    return jnp.broadcast_to(jnp.asarray(mu, weights.dtype), weights.shape)


def local_only(weights: Weights) -> Strategy:
    """Every client trains alone: W = I, mu = 0.

    >>> local_only(jnp.array([30.0, 10.0])).mixing.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return Strategy(isolation(weights), _per_client(0.0, weights))


def fedavg(weights: Weights) -> Strategy:
    """The weighted mean of all clients, mu = 0.

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks, AISTATS 2017.

    >>> fedavg(jnp.array([30.0, 10.0])).mixing.tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    return Strategy(averaging(weights), _per_client(0.0, weights))


def fedprox(weights: Weights, mu: Mu) -> Strategy:
    """FedAvg with a proximal term that keeps local training near the mean.

    Source: Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020.

    >>> fedprox(jnp.array([30.0, 10.0]), mu=0.5).mu.tolist()
    [0.5, 0.5]
    """
    return Strategy(averaging(weights), _per_client(in_range("the factor mu", mu), weights))


def p_fedprox(weights: Weights, mu: Mu, self_weight: float | Float[Array, ""] = 0.9) -> Strategy:
    """FedProx with a personal start: lambda times a client's own weights plus 1 - lambda times the others' mean.

    Args:
        weights: of the clients.
        mu: factor of the proximal term.
        self_weight: lambda in [0, 1].

    Source: FED-PsyAU, ICCV 2025. The released code anchors at the weights of round 0: ``anchored_at_start``.

    >>> print(p_fedprox(jnp.array([30.0, 10.0]), mu=0.5, self_weight=0.75).mixing)
    [[0.75 0.25]
     [0.25 0.75]]
    """
    mixing = personalised(weights, in_range("the self weight", self_weight, 0.0, 1.0))
    return Strategy(mixing, _per_client(in_range("the factor mu", mu), weights))


def centralised(weights: Weights) -> Strategy:
    """One client that holds all data (see ``pooled``), mu = 0.

    Raises:
        ValueError: more than one client.

    >>> centralised(jnp.array([40.0])).mixing.tolist()
    [[1.0]]
    """
    if weights.shape != (1,):
        raise ValueError(
            f"centralised training has one client, got weights of shape {weights.shape}: pool the data first"
        )
    return local_only(weights)


def anchored_at_start(strategy: Strategy) -> Strategy:
    """The same strategy with its proximal term anchored at the weights of round 0 (the released P-FedProx).

    >>> bool(anchored_at_start(p_fedprox(jnp.array([30.0, 10.0]), mu=0.5)).anchored_at_start)
    True
    """
    return strategy._replace(anchored_at_start=jnp.ones(strategy.mu.shape[:-1], bool))
