"""What the server decides for all sites, as text: settings that a site reads, and never code."""

import json
from dataclasses import asdict, fields, replace
from typing import Any

from deployment.payload import Refused
from experiments.inputs.checks import check_fed
from experiments.inputs.plugins import is_plugin
from experiments.inputs.settings import FedSettings
from experiments.run.config import rebuild

__all__ = ["OWN", "announced", "check_federation", "read"]

OWN = (
    *("database", "config", "au_init", "clients", "client_by", "partition", "labs", "lab_shift", "split"),
    *("devices", "at_once", "checkpoint_seconds", "keep_networks", "sweep", "repeats", "pretraining"),
)
"""Settings that are each site's own affair, or that make no sense here."""
ANNOUNCED = tuple(one.name for one in fields(FedSettings) if one.name not in OWN)
LONGEST = 100_000
"""Characters of an announcement, at most."""


def check_federation(settings: FedSettings) -> None:
    """Refuse settings that a federation of sites cannot have.

    Raises:
        ValueError: which option, and why.
    """
    if len(settings.algorithms) != 1:
        raise ValueError(f"--algorithms {' '.join(settings.algorithms)}: a federation runs one; give one")
    (name,) = settings.algorithms
    if name == "centralised":
        raise ValueError("--algorithms=centralised: one client would hold everything; choose one that sends weights")
    if len(settings.network.prior) != 1:
        raise ValueError(f"--prior {' '.join(settings.network.prior)}: a federation has one prior; give one")
    for option, value in (("--algorithms", name), ("--prior", settings.network.prior[0])):
        if is_plugin(value) and not value.startswith("shuffled:"):
            raise ValueError(f"{option}={value}: sites run no code that the server names; choose one by its name")
    if settings.sweep:
        raise ValueError("--sweep: a federation trains one row; run experiments.fed for tables")
    if settings.dp:
        raise ValueError(f"--dp={settings.dp}: sites add no noise yet; run experiments.fed, which simulates it")
    if settings.select:
        raise ValueError("--select: sites keep the networks of the last round; leave it out")
    check_fed(settings)


def announced(settings: FedSettings) -> str:
    """The settings as text."""
    values = asdict(settings)
    return json.dumps({name: values[name] for name in ANNOUNCED}, sort_keys=True)


def read(text: str, own: FedSettings) -> FedSettings:
    """The settings of a site: what the server announced, with the site's own values of ``OWN``.

    Raises:
        Refused: the announcement cannot be used; in one sentence.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError("too long")
        values: dict[str, Any] = json.loads(text)
        if odd := set(ANNOUNCED) ^ values.keys():
            raise ValueError(f"{sorted(odd)[0]} is missing or unknown")
        kept = {name: value for name, value in asdict(own).items() if name in OWN}
        settings = rebuild(FedSettings, {**values, **kept})
        settings = replace(settings, mu=settings.mu[:1])  # the server sends each site its own in every round
        check_federation(settings)
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"the settings that the server announces cannot be used ({error})") from None
    return settings
