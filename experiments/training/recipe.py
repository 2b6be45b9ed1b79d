"""From the settings of a row to its recipe, which decides the program, and its numbers, which are arguments of it."""

from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from experiments.inputs.settings import CrossValidationSettings, FedSettings, RecognitionSettings, RunSettings
from experiments.training.plan import Recipe
from experiments.training.task import Numbers
from fedpsyau_jax.priors import released_decay


def recipe_of(settings: RunSettings) -> Recipe:
    """The recipe of a row."""
    if not isinstance(settings, RecognitionSettings):
        return pretraining_recipe(settings)
    scored: Literal["validation", ""] = "validation" if settings.validation_share else ""
    if isinstance(settings, FedSettings):
        return Recipe(
            settings.rounds,
            settings.batch,
            settings.local_epochs,
            warmup_epochs=settings.warmup_epochs,
            optimizer_state=settings.optimizer_state,
            proximal=settings.proximal,
            scored=scored or "test",
            select=settings.select,
            private=settings.dp,  # type: ignore[arg-type]
            sampling=settings.privacy.sampling if settings.dp == "subject" else 1.0,
        )
    assert isinstance(settings, CrossValidationSettings)
    slow = settings.slow_modules and settings.au != "frozen"
    return Recipe(settings.epochs, settings.batch, slow_modules=slow, scored=scored, select=settings.select)


def pretraining_recipe(settings: RunSettings) -> Recipe:
    """How AU detectors are pretrained: linear warm-up over one epoch, then cosine decay."""
    choices = settings.pretraining
    return Recipe(choices.epochs, choices.batch, schedule="cosine", slow_modules=True)


def numbers_of(settings: RunSettings) -> Numbers:
    """The numbers of a row; numbers that it does not depend on are 0, so that equal rows are recognised."""
    if isinstance(settings, RecognitionSettings):
        rounds = recipe_of(settings).rounds
        frozen = settings.au_detector == "frozen"
        gamma = 0.0 if frozen else settings.gamma
        ratio = np.zeros(rounds) if frozen else ratios(settings, rounds)
        return Numbers(*_floats(settings.learning_rate, settings.weight_decay, gamma, settings.head_scale, ratio))
    choices = settings.pretraining
    ratio = np.full(choices.epochs, settings.network.prior_ratio)
    return Numbers(*_floats(choices.learning_rate, choices.weight_decay, 0.0, 0.0, ratio))


def ratios(settings: RecognitionSettings, rounds: int) -> np.ndarray:
    """[rounds] the prior ratio of each round; the schedule starts anew in every training."""
    if settings.prior_schedule == "constant":
        return np.full(rounds, settings.network.prior_ratio)
    decay = released_decay(rounds)
    return np.array([float(decay(number)) for number in range(rounds)])


def _floats(*values: Any) -> list[Any]:
    return [jnp.asarray(value, float) for value in values]
