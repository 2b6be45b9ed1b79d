"""A federated algorithm as one value: arrays, and functions that carry their own arrays."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import jax
from jax.tree_util import Partial

from fedpsyau_jax.federated.factored import Matrix, factored, identity_like, is_factored
from fedpsyau_jax.federated.groups import GROUPS, with_groups
from fedpsyau_jax.types import Array, Bool, Float, Int

__all__ = ["Reports", "Static", "Strategy", "factored_matrices", "keep_group", "structure"]

MATRICES = ("mixing", "anchor", "statistics", "messages")


class Strategy(NamedTuple):
    """A federated algorithm as a value, so that several algorithms can be stacked along an axis of one program.

    ``mixing``: rows sum to 1; one matrix, or one for each of ``GROUPS``; named algorithms of many clients have it as a
    ``DiagonalPlusOuter``; ``mu`` >= 0: factor of each client's proximal term; ``anchored_at_start``: True anchors that
    term at the weights of round 0 (the released P-FedProx), False at those received this round; None is the same as
    False, but does not store the weights of round 0.

    An algorithm that is more than that says so in the other fields; None means "nothing of the kind":

    - ``anchor``: matrix of the anchor, if it is not that of the weights; ``statistics``: matrix of the model state
      (batch statistics), which otherwise stays with its client; ``messages``: matrix of the clients' messages;
    - ``sampling(key, reports) -> [clients]``: who takes part in a round;
    - ``rule(mixing, key, reports) -> mixing``: the matrices of a round (written out), from reports of the one before;
    - ``outer() -> optax.GradientTransformation``: of ``received - previous``, the server's optimiser;
    - ``client(client_update, problem) -> ClientUpdate``: what a client does otherwise;
    - ``tested``: index of the model that is evaluated, where a client has two (0 global, 1 personal); or the indices
      [models] of several, whose results have that axis after the one of clients.

    The functions are ``jax.tree_util.Partial``: their numbers are leaves like mixing and mu, so they are stacked, swept
    and differentiated with them, and strategies of equal functions share one program.

    A new algorithm is usually a new pair of arrays. Gossip on a ring, where each client averages with its neighbours:

    >>> import jax.numpy as jnp
    >>> def ring_gossip(weights, mu=0.0):
    ...     identity = jnp.eye(len(weights))
    ...     neighbours = jnp.roll(identity, 1, axis=1) + jnp.roll(identity, -1, axis=1)
    ...     return Strategy((identity + neighbours) / 3, jnp.full(len(weights), mu))
    >>> print(ring_gossip(jnp.ones(4)).mixing.sum(axis=1))
    [1. 1. 1. 1.]
    """

    mixing: Matrix
    mu: Float[Array, "*runs clients"]
    anchored_at_start: Bool[Array, "*runs"] | None = None
    anchor: Matrix | None = None
    statistics: Matrix | None = None
    messages: Matrix | None = None
    sampling: Partial | None = None
    rule: Partial | None = None
    outer: Partial | None = None
    client: Partial | None = None
    tested: Int[Array, "*runs_models"] | None = None


@jax.tree_util.register_static
@dataclass(frozen=True)
class Static:
    """A number of a strategy's function that is no leaf: strategies that differ in it need a program each.

    >>> jax.tree.leaves(Partial(max, Static(3)))
    []
    """

    value: Hashable


class Reports(NamedTuple):
    """What a ``rule`` knows of the clients [clients], from the round before; all zeros in round 0.

    ``id``; ``took_part``: 1 or 0; ``loss``: before training if the algorithm measured that, else its mean over the
    steps; ``moved``: squared distance from the received weights.

    >>> import jax.numpy as jnp
    >>> Reports(jnp.arange(2), jnp.ones(2), jnp.array([0.5, 2.0]), jnp.zeros(2)).loss.tolist()
    [0.5, 2.0]
    """

    id: Int[Array, "clients"]
    took_part: Float[Array, "clients"]
    loss: Float[Array, "clients"]
    moved: Float[Array, "clients"]


def keep_group(strategy: Strategy, group: str) -> Strategy:
    """The same strategy, but each client keeps its weights of one group: W = I there.

    >>> import jax.numpy as jnp
    >>> shared = Strategy(jnp.full((2, 2), 0.5), jnp.zeros(2))
    >>> keep_group(shared, "head").mixing[GROUPS.index("head")].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    mixing = strategy.mixing if strategy.mixing.ndim == 3 else with_groups(strategy.mixing)
    place = GROUPS.index(group)
    kept = jax.tree.map(lambda leaf, own: leaf.at[place].set(own), mixing, identity_like(mixing))
    return strategy._replace(mixing=kept)


def factored_matrices(strategy: Strategy) -> Strategy:
    """The same strategy with those matrices factored that can be: see ``factored``.

    >>> import jax.numpy as jnp
    >>> is_factored(factored_matrices(Strategy(jnp.full((2, 2), 0.5), jnp.zeros(2))).mixing)
    True
    """
    return strategy._replace(**{name: factored(getattr(strategy, name)) for name in MATRICES})


def structure(strategy: Strategy) -> object:
    """What strategies that share one program have in common: their functions, and which optional fields they have.

    Whether there are groups, where the proximal term is anchored, and whether matrices are written out is no part of
    it: ``stacked`` adapts these.

    >>> import jax.numpy as jnp
    >>> averaged = Strategy(jnp.full((2, 2), 0.5), jnp.zeros(2))
    >>> structure(averaged) == structure(keep_group(averaged, "norm"))
    True
    >>> structure(averaged) == structure(averaged._replace(anchor=jnp.eye(2)))
    False
    """
    others = strategy._replace(mixing=strategy.mu, anchored_at_start=None)
    return jax.tree.structure(others, is_leaf=is_factored)
