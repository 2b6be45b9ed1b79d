"""Defaults that depend on other settings: filled in before settings are checked and saved."""

from dataclasses import replace
from typing import TypeVar

from experiments.inputs.privacy import complete_privacy
from experiments.inputs.settings import COMPOSITE, CrossValidationSettings, FedSettings, RecognitionSettings

Settings = TypeVar("Settings", bound=CrossValidationSettings)


def complete_fed(settings: FedSettings) -> FedSettings:
    """With the number of clients, unless that is the number of subsets, which the data will tell, and an epsilon.

    Raises:
      ValueError: ``--dp`` cannot be read.

    >>> complete_fed(FedSettings(database=("casme2", "samm"), client_by="database")).clients
    2
    """
    return complete_privacy(replace(settings, clients=settings.num_clients))


def complete_cross_validation(settings: Settings) -> Settings:
    """With the databases of the protocol, if it has its own and none are named.

    >>> from experiments.inputs.settings import MerSettings
    >>> complete_cross_validation(MerSettings(protocol="composite2019")).database
    ('smic', 'casme2', 'samm')
    """
    if settings.protocol == COMPOSITE and settings.database == RecognitionSettings().database:
        from data.protocols import COMPOSITE2019

        return replace(settings, database=COMPOSITE2019)
    return settings
