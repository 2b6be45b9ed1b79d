"""Settings of centralised recognition: who is trained and tested on, and how."""

from dataclasses import dataclass, field
from typing import Literal

from experiments.inputs.configs import (
    NetworkSettings,
    PretrainingSettings,
    check_amount,
    check_common,
    check_pretraining,
    check_priors_of,
    check_step,
)
from experiments.inputs.database_choice import DatabaseChoice, check_database

AUModule = Literal["frozen", "finetuned", "scratch"]
AT_LEAST_ONE = ("epochs", "batch", "repeats")


@dataclass(frozen=True)
class MerSettings(DatabaseChoice):
    """One cross-validation. The defaults are the preset ``quick``.

    Attributes:
      protocol: Leave one subject out, or folds of whole subjects with about equal shares of the classes.
      folds: Folds of kfold; loso has one a subject.
      au: The AU module keeps its pretrained weights, is trained further, or starts untrained.
      au_init: Folder of a run of experiments.pretrain to take the AU module from; by default it is pretrained on
        synthetic subjects of its own.
      epochs: Passes over the training examples of a fold.
      batch: Most examples in a batch; the batches of an epoch are of equal size.
      learning_rate: AdamW's.
      weight_decay: AdamW's.
      slow_modules: Train transformer and graph attention more slowly, as AU pretraining does; not published.
      head_scale: Factor of the emotion classifier's initial weights; 1 as published, smaller ones learn sooner.
      gamma: Share of the AU losses in the total loss, unless the AU module is frozen.
      augment: Add rotated copies of the rare classes to the training examples, by the published recipe.
      prior_schedule: The prior ratio is --network.prior-ratio throughout, or decays from 1 as published.
      validation_share: Share of a fold's training examples, whole subjects, that is scored after each epoch instead.
      select: Take each fold's epoch with the best validation UF1, instead of the last one.
      repeats: Repetitions with other folds (kfold) and initial weights.
      seed: Of everything random.
      folds_at_once: Folds that train together in one program; by default as many as fit into memory.
      checkpoint_seconds: At least so long between two checkpoints.
      keep_networks: Leave the trained network of every fold, about 15 MB each, for experiments.explain.
      network: Which network.
      pretraining: How its AU detector is pretrained.
    """

    protocol: Literal["loso", "kfold"] = "kfold"
    folds: int = 5
    au: AUModule = "frozen"
    au_init: str | None = None
    epochs: int = 10
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    slow_modules: bool = True
    head_scale: float = 0.1
    gamma: float = 0.8
    augment: bool = False
    prior_schedule: Literal["constant", "decay"] = "constant"
    validation_share: float = 0.0
    select: bool = False
    repeats: int = 1
    seed: int = 0
    folds_at_once: int | None = None
    checkpoint_seconds: float = 20.0
    keep_networks: bool = True
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)


PRESETS = {
    "quick": MerSettings(),
    "paper": MerSettings(
        folds=10,
        au="finetuned",
        epochs=30,
        batch=256,
        learning_rate=5e-5,
        slow_modules=False,
        head_scale=1.0,
        augment=True,
        prior_schedule="decay",
    ),
}


def check(settings: MerSettings) -> None:
    """Refuse settings that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    for name in AT_LEAST_ONE:
        if (value := getattr(settings, name)) < 1:
            raise ValueError(f"--{name}={value}: it must be at least 1")
    if settings.folds_at_once is not None and settings.folds_at_once < 1:
        raise ValueError(
            f"--folds-at-once={settings.folds_at_once}: it must be at least 1; leave it out to have it chosen"
        )
    if settings.protocol == "kfold" and settings.folds < 2:
        raise ValueError(f"--folds={settings.folds}: it must be at least 2")
    check_step(settings)
    check_amount("--head-scale", settings.head_scale)
    check_amount("--checkpoint-seconds", settings.checkpoint_seconds)
    if not 0 <= settings.gamma <= 1:
        raise ValueError(f"--gamma={settings.gamma}: it must be between 0 and 1")
    check_common(settings.seed, settings.network)
    if not 0 <= settings.validation_share <= 0.5:
        raise ValueError(f"--validation-share={settings.validation_share}: it must be between 0 and 0.5")
    _check_combinations(settings)


def _check_combinations(settings: MerSettings) -> None:
    check_priors_of(settings.network)
    check_database(settings)
    check_pretraining(settings.pretraining)
    if settings.select and not settings.validation_share:
        raise ValueError("--select chooses by validation scores: add, for example, --validation-share=0.2")
    if settings.au == "frozen" and settings.prior_schedule == "decay":
        raise ValueError(
            "--prior-schedule=decay: a frozen AU module keeps the prior ratio it was trained with; add --au=finetuned"
        )
    if settings.au == "scratch" and settings.au_init:
        raise ValueError(
            f"--au-init={settings.au_init}: with --au=scratch the AU module starts untrained; leave one out"
        )
