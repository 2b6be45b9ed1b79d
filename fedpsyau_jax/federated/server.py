"""The server's optimisers as one family of numbers, so that they share a program."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial

from fedpsyau_jax.federated.ranges import in_range
from fedpsyau_jax.federated.strategy import Strategy
from fedpsyau_jax.types import Array, Float, Params

__all__ = ["ServerOptimizer", "server_side", "with_numbers"]

Number = float | Float[Array, ""]


class ServerOptimizer(NamedTuple):
    """Numbers of the server's step from w, for the mean change D of the clients.

    m <- momentum m + new D; v <- v - (1 - second) (v - D^2), or with yogi = 1 v - (1 - second) D^2 sign(v - D^2);
    w <- w + rate m, or with adaptive = 1 w + rate m / (sqrt v + floor). m starts at 0, v at floor^2.

    >>> ServerOptimizer(1.0, 0.9, new=1.0).adaptive
    0.0
    """

    rate: Number
    momentum: Number
    new: Number
    second: Number = 1.0
    floor: Number = 1e-3
    adaptive: Number = 0.0
    yogi: Number = 0.0


class _Moments(NamedTuple):
    first: Params
    second: Params


def server_side(strategy: Strategy, numbers: ServerOptimizer) -> Strategy:
    """The same strategy, with this optimiser on the server.

    >>> from fedpsyau_jax.federated import fedavg
    >>> server_side(fedavg(jnp.ones(2)), ServerOptimizer(1.0, 0.9, new=1.0)).outer is None
    False
    """
    in_range("the server's rate", numbers.rate)
    in_range("the server's floor", numbers.floor, above=True)
    for name in ("momentum", "second"):
        in_range(f"the server's {name}", getattr(numbers, name), 0.0, 1.0)
    arrays = ServerOptimizer(*(jnp.asarray(number, strategy.mu.dtype) for number in numbers))
    return strategy._replace(outer=Partial(_optimizer, arrays))


def with_numbers(strategy: Strategy, **numbers: Any) -> Strategy:
    """The same strategy, with other numbers of its server's optimiser.

    An adaptive one keeps new = 1 - momentum, unless both are given.

    >>> from fedpsyau_jax.federated import algorithms
    >>> with_numbers(algorithms.fedadam(jnp.ones(2), 0.1), momentum=0.5).outer.args[0].new.item()
    0.5
    """
    assert strategy.outer is not None
    changed = strategy.outer.args[0]._replace(**numbers)
    if "momentum" in numbers and "new" not in numbers:
        new = jnp.where(jnp.asarray(changed.adaptive) > 0, 1 - changed.momentum, changed.new)
        changed = changed._replace(new=new)
    return server_side(strategy, changed)


def _optimizer(numbers: ServerOptimizer) -> optax.GradientTransformation:
    def init(params: Params) -> _Moments:
        start = jax.tree.map(lambda w: jnp.full_like(w, numbers.floor**2), params)
        return _Moments(jax.tree.map(jnp.zeros_like, params), start)

    def update(change: Params, state: _Moments, params: Params | None = None) -> tuple[Params, _Moments]:
        del params
        first = jax.tree.map(lambda m, d: numbers.momentum * m + numbers.new * d, state.first, change)
        second = jax.tree.map(_second(numbers), state.second, change)

        def step(m: Array, v: Array) -> Array:
            moved = numbers.rate * jnp.where(numbers.adaptive > 0, m / (jnp.sqrt(v) + numbers.floor), m)
            return moved.astype(m.dtype)

        cast = jax.tree.map(lambda new, old: new.astype(old.dtype), (first, second), tuple(state))
        return jax.tree.map(step, *cast), _Moments(*cast)

    return optax.GradientTransformation(init, update)


def _second(numbers: ServerOptimizer) -> Any:
    def moved(v: Array, d: Array) -> Array:
        square = d * d
        yogi = v - (1 - numbers.second) * square * jnp.sign(v - square)
        return jnp.where(numbers.yogi > 0, yogi, v - (1 - numbers.second) * (v - square))

    return moved
