"""Federated algorithms by name, for ``--algorithms``: one of the table below, or ``module:function`` of your own."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from experiments.inputs import plugins
from experiments.inputs.settings import FedSettings

if TYPE_CHECKING:
    from fedpsyau_jax.federated import Strategy
    from fedpsyau_jax.types import Array, Float

    Algorithm = Callable[[Float[Array, "clients"], FedSettings], Strategy]

OPTION = "--algorithms"
TITLES: Mapping[str, str] = {
    "local": "Local only",
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "p-fedprox": "P-FedProx",
    "centralised": "Centralised",
    "fedbn": "FedBN",
    "fedper": "FedPer",
    "fedrep": "FedRep",
    "ditto": "Ditto",
    "apfl": "APFL",
    "pfedme": "pFedMe",
    "fedala": "FedALA",
    "scaffold": "SCAFFOLD",
    "fedavgm": "FedAvgM",
    "fedadam": "FedAdam",
    "fedyogi": "FedYogi",
    "feddyn": "FedDyn",
    "moon": "MOON",
    "fedproto": "FedProto",
    "q-fedavg": "q-FedAvg",
    "per-fedavg": "Per-FedAvg",
}
"""Names of algorithms in tables."""
ADAPTIVE = ("adaptive_rate", "server_momentum", "adaptive_decay", "adaptive_floor")
DEPENDS_ON: Mapping[str, tuple[str, ...]] = {
    "fedprox": ("mu",),
    "p-fedprox": ("mu", "self_weight"),
    "fedrep": ("head_epochs",),
    "ditto": ("ditto_pull",),
    "apfl": ("apfl_share", "apfl_adaptation"),
    "pfedme": ("pfedme_pull", "pfedme_rate"),
    "fedala": ("fedala_rate",),
    "fedavgm": ("server_rate", "server_momentum"),
    "fedadam": ADAPTIVE,
    "fedyogi": ADAPTIVE,
    "feddyn": ("feddyn_alpha",),
    "moon": ("moon_factor", "moon_temperature"),
    "fedproto": ("fedproto_factor",),
    "q-fedavg": ("fairness", "lipschitz"),
    "per-fedavg": ("adaptation_rate",),
}
"""The settings that an algorithm depends on, among those that not all algorithms use, in the order of its arguments."""
ALGORITHM_SETTINGS = tuple(dict.fromkeys(name for names in DEPENDS_ON.values() for name in names))
"""All settings that only some algorithms use."""
TWO_MODELS = ("ditto", "apfl", "pfedme", "per-fedavg")
"""Algorithms whose clients have a personal model beside the global one; each of them is a row of the table."""
MODELS = ("global", "personal")


def title(name: str, model: str = "") -> str:
    """Name of an algorithm in tables, with the model that its row tests; your own is named as on the command line.

    >>> title("fedavg"), title("ditto", "personal")
    ('FedAvg', 'Ditto (personal)')
    """
    return TITLES.get(name, name) + (f" ({model})" if model else "")


def models(name: str) -> tuple[str, ...]:
    """The models of an algorithm's clients that are rows of the table; one without a name if there is only one.

    >>> models("fedavg"), models("ditto")
    (('',), ('personal', 'global'))
    """
    return MODELS[::-1] if name in TWO_MODELS else ("",)


def depends_on(name: str) -> tuple[str, ...]:
    """The settings of ``ALGORITHM_SETTINGS`` that an algorithm may use; the user's own may use all of them."""
    return ALGORITHM_SETTINGS if plugins.is_plugin(name) else DEPENDS_ON.get(name, ())


def algorithm(name: str, model: str = "") -> "Algorithm":
    """The function from the clients' weights to a ``Strategy`` that a value of ``--algorithms`` names.

    Args:
        name: a name of ``TITLES``; or ``module:name``, where name is a function ``(weights, settings) -> Strategy``.
        model: one of ``models(name)``, which is tested.

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
        return lambda weights, settings: _by_settings(_built_in(name, model, weights, settings), weights, settings)
    function = plugins.function_or_value(OPTION, name, (), "not a function of (weights, settings)")

    def checked(weights: "Float[Array, 'clients']", settings: FedSettings) -> "Strategy":
        from experiments.inputs.strategies import check_strategy

        strategy = plugins.call(OPTION, name, function, weights, settings)
        return _by_settings(check_strategy(strategy, weights, f"{OPTION}={name}"), weights, settings)

    return checked


def _built_in(name: str, model: str, weights: "Float[Array, 'clients']", settings: FedSettings) -> "Strategy":
    import jax.numpy as jnp

    from fedpsyau_jax import federated

    mu = jnp.asarray(settings.mu if len(settings.mu) > 1 else settings.mu[0], weights.dtype)
    match name:
        case "local":
            return federated.local_only(weights)
        case "fedavg" | "centralised":
            return getattr(federated, name)(weights)
        case "fedprox":
            return federated.fedprox(weights, mu)
        case "p-fedprox":
            strategy = federated.p_fedprox(weights, mu, settings.self_weight)
            return federated.anchored_at_start(strategy) if settings.proximal == "released" else strategy
    numbers = [getattr(settings.numbers, number) for number in depends_on(name)]
    strategy = getattr(federated.algorithms, name.replace("-", "_"))(weights, *numbers)
    return strategy._replace(tested=jnp.int32(MODELS.index(model))) if model else strategy


def _by_settings(strategy: "Strategy", weights: "Float[Array, 'clients']", settings: FedSettings) -> "Strategy":
    """Who takes part, and what becomes of batch statistics, unless the strategy says so itself."""
    from fedpsyau_jax.federated import GROUPS, with_participation
    from fedpsyau_jax.federated.groups import of_group

    if settings.participation < 1 and strategy.sampling is None:
        strategy = with_participation(strategy, weights, settings.participation)
    if settings.statistics == "averaged" and strategy.statistics is None:
        matrix = strategy.mixing if strategy.anchor is None else strategy.anchor
        statistics = of_group(matrix, GROUPS.index("norm")) if matrix.ndim == 3 else matrix
        strategy = strategy._replace(statistics=statistics)
    return strategy
