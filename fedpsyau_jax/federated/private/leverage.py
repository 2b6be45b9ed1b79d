"""How much of the clients' noise is left in what somebody sees of a round, from the matrices of the algorithm."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fedpsyau_jax.federated.factored import Matrix, dense
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Float

__all__ = ["Leverage", "leverage", "leverage_of"]

Rows = Float[np.ndarray, "rows clients"]


class Leverage(NamedTuple):
    """The largest leverage l in [1/K, 1] of a client in what an observer sees.

    Shares s of the noise protect a client there as a multiplier s / sqrt(l) of all the noise would. ``server``: sees
    what each client sends; ``site``: another client that knows its own share and sees all mixtures; ``models``:
    everybody who sees all mixtures, or the models that are published.
    """

    server: float
    site: float
    models: float


def leverage_of(rows: Rows) -> float:
    """max_j P_jj of the projection P = W^+ W on what the rows W of mixtures span.

    Who sees W (d + n) with n ~ N(0, s^2 I) learns about d_j as from one number with the deviation s / sqrt(P_jj): a
    change e_j of d moves W d by W e_j, of length sqrt(e_j' W' (W W')^+ W e_j) = sqrt(P_jj) in units of the noise.
    A mean of K equal clients has 1/K, their separate weights have 1.

    >>> round(leverage_of(np.full((3, 4), 0.25)), 3), round(leverage_of(np.eye(4)), 3)
    (0.25, 1.0)
    """
    weights = np.asarray(rows, float)
    return float(np.clip(np.diag(np.linalg.pinv(weights, rcond=1e-6) @ weights).max(initial=0.0), 0.0, 1.0))


def leverage(strategy: Strategy) -> Leverage:
    """The leverages of an algorithm whose clients' changes are noised in shares.

    It follows from the matrices of weights and anchors. An algorithm that sends more than weights, draws who takes
    part, or changes what a client does counts as one that shows what each client sends (1): never too low,
    perhaps too high.

    >>> import jax.numpy as jnp
    >>> from fedpsyau_jax.federated import fedavg, p_fedprox
    >>> print(*(round(number, 3) for number in leverage(fedavg(jnp.ones(5)))))
    1.0 0.25 0.2
    >>> print(*(round(number, 3) for number in leverage(p_fedprox(jnp.ones(5), 0.1))))
    1.0 1.0 1.0
    """
    more = (strategy.client, strategy.messages, strategy.sampling, strategy.rule)
    if any(one is not None for one in more):
        return Leverage(1.0, 1.0, 1.0)
    matrices = [_by_group(one) for one in (strategy.mixing, strategy.anchor) if one is not None]
    groups = max(len(one) for one in matrices)
    shown = [np.concatenate([one[group % len(one)] for one in matrices]) for group in range(groups)]
    return Leverage(1.0, max(map(_of_another, shown)), max(map(leverage_of, shown)))


def _of_another(rows: Rows) -> float:
    """Of the most knowing client, which takes its own column away; a single client hides from nobody."""
    columns: Sequence[int] = range(rows.shape[1])
    return max((leverage_of(np.delete(rows, own, axis=1)) for own in columns), default=1.0) or 1.0


def _by_group(matrix: Matrix) -> Float[np.ndarray, "groups clients clients"]:
    array = np.asarray(dense(matrix), float)
    return array if array.ndim == 3 else array[None]
