"""Checks of the names of ``--prior``, before anything heavy is imported."""

from collections.abc import Sequence

from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.ranges import check_once


def check_priors(network: NetworkSettings) -> None:
    """Refuse unknown or duplicate names of priors, and several priors for a network that uses none.

    Raises:
      ValueError: which name, and what there is; or which network.
    """
    check_prior_names(network.prior)
    if len(network.prior) > 1:
        architecture = network.architecture()
        if not (architecture.regional or architecture.global_):
            raise ValueError(
                f"--prior {' '.join(network.prior)}: --network.variant={network.variant} has no graph attention, so "
                "that priors make no difference; give one"
            )


def check_prior_names(names: Sequence[str]) -> None:
    """Refuse unknown or duplicate names of priors.

    Raises:
      ValueError: which name, and what there is.
    """
    from experiments.inputs.priors import prior_named

    check_once("--prior", names, "prior")
    for name in names:
        prior_named(name)
