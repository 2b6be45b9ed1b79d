"""Options of differential privacy: their numbers, and which settings go with them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING, Annotated

from experiments.inputs.plugins import is_plugin
from experiments.inputs.ranges import AMOUNT, POSITIVE_SHARE, PROPER_SHARE, RATE, Range

if TYPE_CHECKING:
    from experiments.inputs.settings import FedSettings

BOUND = Range("at least 0", lambda value: value >= 0)
UNITS = ("subject", "client")
CONSTANT_PRIORS = ("published", "uniform", "none")
"""Priors that no annotation of the training examples decides."""
_BESIDE_BOTH = {
    "fedala": "learns its start from examples",
    "fedproto": "sends sums of representations",
    "q-fedavg": "sends its loss",
}
LEAKS: Mapping[str, Mapping[str, str]] = {
    "subject": _BESIDE_BOTH | {"per-fedavg": "takes its personal step on examples"},
    "client": _BESIDE_BOTH,
}
"""For each unit the algorithms whose clients use examples beside their training, and how."""


@dataclass(frozen=True)
class PrivacySettings:
    """Numbers of differential privacy (--dp); docs/privacy.md explains them.

    Attributes:
      epsilon: Epsilon of a whole training, which determines the noise; inf adds none; 0: it follows from the noise.
      noise: Noise multiplier of the clip, which determines epsilon; 0: it follows from epsilon.
      delta: Probability with which the guarantee may fail.
      clip: Largest norm of what a subject adds to a step (of its gradient), or a client to a round (of its change).
      sampling: With --dp=subject, probability of each subject to be in a step; an epoch has 1 / sampling steps.
    """

    epsilon: Annotated[float, BOUND] = 0.0
    noise: Annotated[float, AMOUNT] = 0.0
    delta: Annotated[float, PROPER_SHARE] = 1e-5
    clip: Annotated[float, RATE] = 1.0
    sampling: Annotated[float, POSITIVE_SHARE] = 0.25


def complete_privacy(settings: "FedSettings") -> "FedSettings":
    """With the epsilon of ``--dp=UNIT:EPSILON`` where the others are.

    Raises:
      ValueError: it is no number, or another epsilon is given, too.

    >>> from experiments.inputs.settings import FedSettings
    >>> completed = complete_privacy(FedSettings(dp="subject:8"))
    >>> completed.dp, completed.privacy.epsilon
    ('subject', 8.0)
    """
    unit, colon, text = settings.dp.partition(":")
    if not colon:
        return settings
    try:
        epsilon = float(text)
    except ValueError:
        epsilon = float("nan")
    if unit not in UNITS or isnan(epsilon) or epsilon <= 0:
        raise ValueError(f"--dp={settings.dp}: {_EXAMPLE}")
    if settings.privacy.epsilon:
        raise ValueError(f"--dp={settings.dp}: it names an epsilon; leave out --privacy.epsilon")
    return replace(settings, dp=unit, privacy=replace(settings.privacy, epsilon=epsilon))


_EXAMPLE = "write subject:EPSILON or client:EPSILON with an epsilon above 0, for example subject:8"


def check_privacy(settings: "FedSettings") -> None:
    """Refuse private settings that determine no noise, or in which something passes beside it.

    Args:
      settings: without a sweep.

    Raises:
      ValueError: which, and what to do.
    """
    unit, numbers = settings.dp, settings.privacy
    if not unit:
        if numbers != PrivacySettings():
            raise ValueError("--privacy: nothing is private without --dp; add, for example, --dp=subject:8")
        return
    if unit not in UNITS:
        raise ValueError(f"--dp={unit}: {_EXAMPLE}")
    if bool(numbers.epsilon) == bool(numbers.noise):
        both = "leave out one of --privacy.epsilon and --privacy.noise" if numbers.noise else _EXAMPLE
        raise ValueError(f"--dp={unit}: epsilon determines the noise, or the noise epsilon; {both}")
    _check_what_passes_beside(settings)
    from fedpsyau_jax.federated.private.accountant import require

    require()


def _check_what_passes_beside(settings: "FedSettings") -> None:
    unit = settings.dp
    for name in settings.algorithms:
        if name in LEAKS[unit]:
            raise ValueError(
                f"--dp={unit}: a client of --algorithms={name} {LEAKS[unit][name]}, beside the noise; leave one out"
            )
    if "apfl" in settings.algorithms and settings.numbers.apfl_adaptation:
        raise ValueError(
            f"--dp={unit}: APFL's alpha would adapt to examples beside the noise; leave out --numbers.apfl-adaptation"
        )
    if settings.select:
        raise ValueError(f"--dp={unit}: --select chooses by subjects whom no noise protects; leave it out")
    if own := [name for name in settings.network.prior if name not in CONSTANT_PRIORS]:
        raise ValueError(
            f"--dp={unit}: --prior={own[0]} may come from annotations of the training examples, which no noise "
            f"protects; choose of {', '.join(CONSTANT_PRIORS)}"
        )


def refuse_functions(name: str, functions: Mapping[str, object]) -> None:
    """Refuse an algorithm of the user's own that is more than matrices and factors: it might read examples.

    Raises:
      ValueError: which function it has.
    """
    if is_plugin(name) and (given := [function for function, value in functions.items() if value is not None]):
        raise ValueError(
            f"--dp: --algorithms={name} has a function ({given[0]}), which might use examples beside the noise; only "
            "matrices and factors of your own can be private"
        )
