"""Federated algorithms by name, for ``--algorithms``: one of the table below, or ``module:function`` of your own."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.inputs import plugins
from experiments.inputs.settings import FedSettings

if TYPE_CHECKING:
    from fedpsyau_jax.federated import Strategy
    from fedpsyau_jax.types import Array, Float

    Algorithm = Callable[[Float[Array, "clients"], FedSettings], Strategy]

OPTION = "--algorithms"
ROUNDING = 1e-4
TITLES: Mapping[str, str] = {
    "local": "Local only",
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "p-fedprox": "P-FedProx",
    "centralised": "Centralised",
}
"""Names of algorithms in tables."""
DEPENDS_ON: Mapping[str, tuple[str, ...]] = {
    "local": (),
    "fedavg": (),
    "fedprox": ("mu",),
    "p-fedprox": ("mu", "self_weight"),
    "centralised": (),
}
"""For each algorithm, the settings that it depends on, among those that not all algorithms use."""
ALGORITHM_SETTINGS = DEPENDS_ON["p-fedprox"]
"""All settings that only some algorithms use."""


def title(name: str) -> str:
    """Name of an algorithm in tables; the user's own is named as on the command line."""
    return TITLES.get(name, name)


def depends_on(name: str) -> tuple[str, ...]:
    """The settings of ``ALGORITHM_SETTINGS`` that an algorithm may use; the user's own may use all of them."""
    return DEPENDS_ON.get(name, ALGORITHM_SETTINGS)


def algorithm(name: str) -> "Algorithm":
    """The function from the clients' weights to a ``Strategy`` that a value of ``--algorithms`` names.

    Args:
        name: a name of ``TITLES``; or ``module:name``, where name is a function ``(weights, settings) -> Strategy``.

    Returns:
        A function of the weights [clients] (numbers of training examples) and the settings. It checks what the user's
        function returns, so call it with arrays, not under ``jit`` or ``vmap``.

    Raises:
        ValueError: no such name, module or function; from the function returned, an invalid strategy.

    >>> import jax.numpy as jnp
    >>> print(algorithm("fedavg")(jnp.array([30.0, 10.0]), FedSettings()).mixing)
    [[0.75 0.25]
     [0.75 0.25]]
    """
    plugins.refuse_unknown(OPTION, name, TITLES)
    if not plugins.is_plugin(name):
        return lambda weights, settings: _built_in(name, weights, settings)
    function = plugins.function_or_value(OPTION, name, (), "not a function of (weights, settings)")

    def checked(weights: "Float[Array, 'clients']", settings: FedSettings) -> "Strategy":
        strategy = plugins.call(OPTION, name, function, weights, settings)
        return check_strategy(strategy, weights, f"{OPTION}={name}")

    return checked


def _built_in(name: str, weights: "Float[Array, 'clients']", settings: FedSettings) -> "Strategy":
    import jax.numpy as jnp

    from fedpsyau_jax import federated

    mu = jnp.asarray(settings.mu if len(settings.mu) > 1 else settings.mu[0], weights.dtype)
    match name:
        case "fedavg":
            return federated.fedavg(weights)
        case "fedprox":
            return federated.fedprox(weights, mu)
        case "p-fedprox":
            strategy = federated.p_fedprox(weights, mu, settings.self_weight)
            return federated.anchored_at_start(strategy) if settings.proximal == "released" else strategy
        case "centralised":
            return federated.centralised(weights)
        case _:
            return federated.local_only(weights)


def check_strategy(strategy: Any, weights: "Float[Array, 'clients']", where: str) -> "Strategy":
    """Check a strategy and convert it to arrays.

    Args:
        strategy: what the user's function returned.
        weights: [clients] that it is for.
        where: start of the message.

    Raises:
        ValueError: what is wrong.
    """
    import jax.numpy as jnp

    from fedpsyau_jax.federated import Strategy

    if not isinstance(strategy, Strategy):
        raise ValueError(f"{where}: the function returned {type(strategy).__name__}, not a Strategy")
    mixing, mu = _numbers(strategy.mixing, f"{where}: its mixing"), _numbers(strategy.mu, f"{where}: its mu")
    num_clients = len(weights)
    if mixing.shape != (num_clients, num_clients):
        raise ValueError(
            f"{where}: its mixing has shape {mixing.shape}; give {(num_clients, num_clients)}, a row for each client"
        )
    if mu.shape != (num_clients,):
        raise ValueError(f"{where}: its mu has shape {mu.shape}; give {(num_clients,)}, a number for each client")
    sums = mixing.sum(axis=1)
    if (wrong := np.flatnonzero(np.abs(sums - 1) > ROUNDING)).size:
        raise ValueError(
            f"{where}: its mixing sums to {sums[wrong[0]]:.4g} in row {wrong[0]}; divide each row by its sum"
        )
    if (mu < 0).any():
        raise ValueError(f"{where}: its mu is {mu.min():.4g} for client {mu.argmin()}; give numbers of at least 0")
    anchor = _anchor(strategy.anchored_at_start, where)
    return Strategy(jnp.asarray(mixing, weights.dtype), jnp.asarray(mu, weights.dtype), anchor)


def _numbers(values: Any, whose: str) -> np.ndarray:
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{whose} holds something other than numbers") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{whose} holds a missing or infinite number")
    return array


def _anchor(value: Any, where: str) -> Any:
    if value is None:
        return None
    import jax.numpy as jnp

    if np.shape(value) != () or np.asarray(value).dtype != bool:
        raise ValueError(f"{where}: its anchored_at_start is {value}; give True, False or None")
    return jnp.asarray(value)
