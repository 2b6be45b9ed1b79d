"""Settings of a pretraining: on what, with which priors, how often."""

from dataclasses import dataclass, field
from typing import Literal

from experiments.inputs.configs import (
    NetworkSettings,
    PretrainingSettings,
    check_common,
    check_pretraining,
    check_priors_of,
)

DatabaseName = Literal["synthetic", "disfa", "ckplus", "casme3", "dfme", "casme2", "samm"]


@dataclass(frozen=True)
class PretrainSettings:
    """One pretraining.

    Attributes:
      databases: What is trained on, together; an AU that a database does not label never counts.
      validation_share: Share of the subjects that is kept apart to score the detector on.
      repeats: Detectors of each prior, with other subjects for validation and other initial weights; the first one of
        each prior is kept.
      seed: Of everything random.
      checkpoint_seconds: At least so long between two checkpoints.
      network: Which network.
      pretraining: Epochs, batch, learning rate, weight decay.
    """

    databases: tuple[DatabaseName, ...] = ("synthetic",)
    validation_share: float = 0.2
    repeats: int = 1
    seed: int = 0
    checkpoint_seconds: float = 20.0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)


def check(settings: PretrainSettings) -> None:
    """Refuse settings that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    if not settings.databases or len(set(settings.databases)) < len(settings.databases):
        raise ValueError(f"--databases {' '.join(settings.databases)}: name each database once, and at least one")
    if not 0 < settings.validation_share < 1:
        raise ValueError(f"--validation-share={settings.validation_share}: it must be between 0 and 1, both excluded")
    check_priors_of(settings.network)
    if settings.repeats < 1:
        raise ValueError(f"--repeats={settings.repeats}: it must be at least 1")
    check_common(settings.seed, settings.network)
    check_pretraining(settings.pretraining)
