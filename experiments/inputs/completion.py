"""Defaults that depend on other settings: filled in before settings are checked and saved."""

from dataclasses import replace

from experiments.inputs.settings import FedSettings


def complete_fed(settings: FedSettings) -> FedSettings:
    """With the number of clients, unless that is the number of subsets, which the data will tell.

    >>> complete_fed(FedSettings(database=("casme2", "samm"), client_by="database")).clients
    2
    """
    return replace(settings, clients=settings.num_clients)
