"""Epsilon of a training, by dp-accounting (the extra ``privacy``): here is only which mechanisms these are."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from math import inf, isinf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dp_accounting

__all__ = ["epsilon", "noise_for", "require", "subject_events"]

MISSING = "differential privacy needs its accountant: pip install 'fedpsyau-jax[privacy]'"
INTERVAL = 1e-2
"""Grid of the privacy loss: pessimistic, by about so much, and fast."""
ORDERS = (*range(2, 65), 96, 128, 256, 512)
LARGEST_NOISE = 1e4


def require() -> None:
    """See that the accountant is installed.

    Raises:
        ValueError: it is not; in one sentence.
    """
    if find_spec("dp_accounting") is None:
        raise ValueError(MISSING)


def subject_events(noise: float, sampling: float, steps: int) -> "dp_accounting.DpEvent":
    """So many Gaussian mechanisms with this multiplier, each on a Poisson sample (none for a share of 1).

    Args:
        noise: multiplier z of the clip.
        sampling: probability q in (0, 1] of each unit to be in a step.
        steps: number of mechanisms.
    """
    import dp_accounting

    once = dp_accounting.GaussianDpEvent(noise)
    sampled = once if sampling == 1 else dp_accounting.PoissonSampledDpEvent(sampling, once)
    return dp_accounting.SelfComposedDpEvent(sampled, steps)


@cache
def epsilon(noise: float, sampling: float, steps: int, delta: float, accountant: str = "PLD") -> float:
    """Epsilon of that composition at this delta; infinite without noise.

    Two data sets are neighbours if in one of them a unit is replaced by one without any gradient (zero-out), so that
    the numbers of units and examples are public.

    Args:
        noise, sampling, steps: as of ``subject_events``.
        delta: in (0, 1).
        accountant: "PLD" (privacy loss distributions, tight) or "RDP" (Renyi, an independent and looser bound).

    Raises:
        ValueError: the extra is missing.
    """
    require()
    if noise == 0:
        return inf
    own = _accountant(accountant)().compose(subject_events(noise, sampling, steps))
    return float(own.get_epsilon(delta))


@cache
def noise_for(target: float, sampling: float, steps: int, delta: float) -> float:
    """The least noise multiplier that gives at most this epsilon, by the PLD accountant; 0 for an infinite one.

    Args:
        target: epsilon > 0.
        sampling, steps, delta: as of ``epsilon``.

    Raises:
        ValueError: the extra is missing, or no multiplier below 10,000 gives so small an epsilon.
    """
    require()
    if isinf(target):
        return 0.0
    if epsilon(LARGEST_NOISE, sampling, steps, delta) > target:
        raise ValueError(f"no noise gives an epsilon of {target:g} at delta {delta:g}: it is too small")
    import dp_accounting

    found = dp_accounting.calibrate_dp_mechanism(
        _accountant("PLD"),
        lambda noise: subject_events(noise, sampling, steps),
        target,
        delta,
        dp_accounting.LowerEndpointAndGuess(0.0, 1.0),
    )
    return float(found)


def _accountant(name: str) -> Callable[[], Any]:
    import dp_accounting
    from dp_accounting import pld, rdp

    neighbours = dp_accounting.NeighboringRelation.REPLACE_SPECIAL
    made: dict[str, Callable[[], Any]] = {
        "PLD": lambda: pld.PLDAccountant(neighbours, value_discretization_interval=INTERVAL),
        "RDP": lambda: rdp.RdpAccountant(ORDERS, neighbours),
    }
    return made[name]
