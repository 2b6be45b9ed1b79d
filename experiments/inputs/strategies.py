"""Check the ``Strategy`` of a user's function: one sentence says what is wrong."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial

from experiments.inputs.plugins import error_line
from fedpsyau_jax.federated import (
    GROUPS,
    ClientData,
    Problem,
    Representation,
    Strategy,
    federated,
    label_by_path,
    local_training,
    masked_mean,
)
from fedpsyau_jax.federated.factored import Matrix, dense, is_factored
from fedpsyau_jax.types import Array, ClientState, Float

ROUNDING = 1e-4
FUNCTIONS = ("sampling", "rule", "outer", "client")


def check_strategy(strategy: Any, weights: Float[Array, "clients"], where: str) -> Strategy:
    """Check a strategy and convert it to arrays.

    Args:
        strategy: what the user's function returned.
        weights: [clients] that it is for.
        where: start of the message.

    Raises:
        ValueError: what is wrong.
    """
    if not isinstance(strategy, Strategy):
        raise ValueError(f"{where}: the function returned {type(strategy).__name__}, not a Strategy")
    num_clients, dtype = len(weights), weights.dtype
    mixing = _matrix(strategy.mixing, weights, f"{where}: its mixing")
    mu = _numbers(strategy.mu, f"{where}: its mu")
    if mu.shape != (num_clients,):
        raise ValueError(f"{where}: its mu has shape {mu.shape}; give {(num_clients,)}, a number for each client")
    if (mu < 0).any():
        raise ValueError(f"{where}: its mu is {mu.min():.4g} for client {mu.argmin()}; give numbers of at least 0")
    checked = Strategy(
        mixing,
        jnp.asarray(mu, dtype),
        _anchored_at_start(strategy.anchored_at_start, where),
        _optional_matrix(strategy.anchor, weights, f"{where}: its anchor"),
        _optional_matrix(strategy.statistics, weights, f"{where}: its statistics", groups=False),
        _optional_matrix(strategy.messages, weights, f"{where}: its messages", groups=False, stochastic=False),
        **{name: _function(getattr(strategy, name), f"{where}: its {name}") for name in FUNCTIONS},
        tested=_tested(strategy.tested, where),
    )
    if any(getattr(checked, name) is not None for name in FUNCTIONS):
        _try(checked, weights, where)
    return checked


def _matrix(
    value: Any, weights: Float[Array, "clients"], whose: str, *, groups: bool = True, stochastic: bool = True
) -> Matrix:
    """Written out, or as the ``DiagonalPlusOuter`` that a named algorithm has for many clients."""
    matrix = _numbers(dense(value), whose)
    _check_matrix(matrix, len(weights), whose, groups=groups, stochastic=stochastic)
    if not is_factored(value):
        return jnp.asarray(matrix, weights.dtype)
    factors: Matrix = jax.tree.map(lambda leaf: leaf.astype(weights.dtype), value)
    return factors


def _optional_matrix(value: Any, weights: Float[Array, "clients"], whose: str, **kind: bool) -> Matrix | None:
    return None if value is None else _matrix(value, weights, whose, **kind)


def _check_matrix(
    matrix: np.ndarray, num_clients: int, whose: str, *, groups: bool = True, stochastic: bool = True
) -> None:
    square, of_groups = (num_clients, num_clients), (len(GROUPS), num_clients, num_clients)
    if matrix.shape != square and not (groups and matrix.shape == of_groups):
        raise ValueError(
            f"{whose} has shape {matrix.shape}; give {square}, a row for each client"
            + (f", or {of_groups} with a matrix for each of {', '.join(GROUPS)}" if matrix.ndim == 3 and groups else "")
        )
    sums = matrix.sum(axis=-1)
    wrong = np.argwhere(np.abs(sums - 1) > ROUNDING)
    if stochastic and wrong.size:
        place = tuple(wrong[0])
        group = f" of {GROUPS[place[0]]}" if len(place) == 2 else ""
        raise ValueError(f"{whose} sums to {sums[place]:.4g} in row {place[-1]}{group}; divide each row by its sum")


def _numbers(values: Any, whose: str) -> np.ndarray:
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{whose} holds something other than numbers") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{whose} holds a missing or infinite number")
    return array


def _anchored_at_start(value: Any, where: str) -> Array | None:
    if value is None:
        return None
    if np.shape(value) != () or np.asarray(value).dtype != bool:
        raise ValueError(f"{where}: its anchored_at_start is {value}; give True, False or None")
    return jnp.asarray(value)


def _tested(value: Any, where: str) -> Array | None:
    if value is None:
        return None
    if np.shape(value) != () or value not in (0, 1):
        raise ValueError(
            f"{where}: its tested is {value}; give 0 for the global model, 1 for the personal one, or None"
        )
    return jnp.int32(value)


def _function(value: Any, whose: str) -> Partial | None:
    if value is None:
        return None
    if not callable(value):
        raise ValueError(
            f"{whose} is {value!r}; give a function, with its numbers as jax.tree_util.Partial(function, ...)"
        )
    function: Callable[..., Any] = value if isinstance(value, Partial) else Partial(value)
    try:
        arrays: Partial = jax.tree.map(lambda number: jnp.asarray(np.asarray(number)), function)
    except TypeError:
        raise ValueError(f"{whose} has something other than numbers as arguments of its Partial") from None
    return arrays


def _try(strategy: Strategy, weights: Float[Array, "clients"], where: str) -> None:
    """Trace two rounds of a toy problem: so failures of the user's functions are told before anything is trained."""

    def loss(params: Any, model_state: Any, batch: Any, key: Any) -> Any:
        x, y = batch.examples
        return masked_mean((x @ params["w"] - y) ** 2, batch.mask), (model_state, {"num_examples": batch.mask.sum()})

    representation = Representation(
        lambda params, state, batch, key: batch.examples[0] * params["w"],
        lambda batch: jnp.zeros(batch.mask.shape, jnp.int32),
        2,
        2,
    )
    count = len(weights)
    data = ClientData(jnp.arange(count), (jnp.ones((count, 2, 2)), jnp.ones((count, 2))), jnp.ones((count, 2)))
    training = local_training(loss, optax.identity(), lambda step: 0.1, batch_size=2)

    def two_rounds() -> Any:
        algorithm = federated(
            strategy, training, problem=Problem(partial(label_by_path, members={}), loss, representation)
        )
        state = algorithm.init(ClientState({"w": jnp.ones(2)}, {"statistics": jnp.ones(1)}))
        after = algorithm.step(state, data, jax.random.key(0))[0]
        same = jax.tree.map(lambda a, b: a.astype(b.dtype).reshape(b.shape), after, state)
        return algorithm.step(same, data, jax.random.key(0))

    try:
        jax.eval_shape(two_rounds)
    except Exception as error:
        raise ValueError(f"{where}: its functions fail on a toy problem ({error_line(error)})") from error
