"""What differential privacy makes of trainings: whose rows are whose, how much noise, and what it gives to whom."""

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.inputs.privacy import refuse_functions
from experiments.inputs.settings import FedSettings, RunSettings
from experiments.results.privacy import COVERED, MODELS, NOT_COVERED, SERVER, SITE
from experiments.training.plan import Training, rows_to_train_on
from experiments.training.recipe import recipe_of
from experiments.training.task import Numbers
from fedpsyau_jax.federated import Strategy, participation
from fedpsyau_jax.federated.private import Leverage, leverage
from fedpsyau_jax.federated.private.accountant import epsilon, noise_for
from fedpsyau_jax.splits import Split
from fedpsyau_jax.types import Int

FUNCTIONS = ("client", "rule", "sampling")
KEPT_MODELS = ("ditto", "per-fedavg")
"""Algorithms whose personal models are trained beside what is exchanged; they stay with their client."""


class Mechanism(NamedTuple):
    """What hides a unit from one observer: so many Gaussian mechanisms on Poisson samples."""

    noise: float
    sampling: float
    steps: int


def mechanisms(settings: FedSettings, noise: float, strategy: Strategy) -> dict[str, Mechanism]:
    """By observer, the composition of mechanisms that hides a unit from it.

    Args:
      settings: of a row, with ``dp``.
      noise: multiplier that is added: of the clip in each step, or a client's share.
      strategy: of a training.
    """
    if settings.dp == "subject":
        steps = settings.rounds * settings.local_epochs * recipe_of(settings).steps_an_epoch
        same = Mechanism(noise, settings.privacy.sampling, steps)
        return {SERVER: same, SITE: same, MODELS: same}
    found = leverage(strategy)
    seen = zip((SERVER, SITE, MODELS), found, strict=True)
    return {who: Mechanism(noise / sqrt(level), 1.0, settings.rounds) for who, level in seen}


def noise_of(settings: FedSettings, strategy: Strategy) -> float:
    """The multiplier that a row adds. A client's share is such that another site sees the whole of it."""
    chosen = settings.privacy
    found = Leverage(1.0, 1.0, 1.0) if settings.dp == "subject" else leverage(strategy)
    if chosen.noise:
        return chosen.noise * sqrt(found.site)
    _, sampling, steps = mechanisms(settings, 1.0, strategy)[SITE]
    return noise_for(chosen.epsilon, sampling, steps, chosen.delta) * sqrt(found.site)


def private_numbers(name: str, settings: RunSettings, strategy: Strategy, numbers: Numbers) -> Numbers:
    """The numbers of a training with its clip and noise, if it is private.

    Args:
      name: of the algorithm.
      settings: of the row.
      strategy: of the training.
      numbers: without them.

    Raises:
      ValueError: the algorithm is the user's own and has functions, or there is no such noise.
    """
    if not isinstance(settings, FedSettings) or not settings.dp:
        return numbers
    functions = {one: getattr(strategy, one) for one in FUNCTIONS}
    if strategy.sampling is not None and strategy.sampling.func.__module__ == participation.__name__:
        functions["sampling"] = None  # of --participation, which looks at nothing but numbers of clients
    refuse_functions(name, functions)
    noise = noise_of(settings, strategy)
    return numbers._replace(clip=jnp.asarray(settings.privacy.clip, float), noise=jnp.asarray(noise, float))


def rows_by_subject(
    split: Split, subject: np.ndarray, shown: Int[np.ndarray, "rows"]
) -> tuple[tuple[Int[np.ndarray, "clips"], ...], ...]:
    """[clients][subjects] the rows that each client trains on, rotated copies included."""
    return tuple(
        tuple(own[subject[shown[own]] == name] for name in np.unique(subject[shown[own]]))
        for client in split.clients
        for own in [rows_to_train_on(client.train, shown)]
    )


def privacy_table(trainings: Iterable[tuple[FedSettings, str, Training]], detector: str) -> pd.DataFrame:
    """Content of privacy.csv: of each row and observer the weakest guarantee over repeats.

    Args:
      trainings: settings of the row, name of its algorithm, and the training, of all that are private.
      detector: what the AU detector was trained on, in words.

    Returns:
      algorithm; unit ("subject" or "client"); against (the observer); epsilon, and epsilon_rdp by another accountant;
      delta; noise (multiplier that hides a unit from this observer), clip, sampling, steps; covered and not_covered, in
      words; tested_model ("covered", or "not covered" if it is a personal one that only its client has).
    """
    weakest: dict[tuple[str, str], tuple[Mechanism, FedSettings, bool]] = {}
    for settings, name, one in trainings:
        noise = float(one.numbers.noise) if one.numbers.noise is not None else 0.0
        for observer, mechanism in mechanisms(settings, noise, one.strategy).items():
            key = one.row, observer
            if key not in weakest or mechanism.noise < weakest[key][0].noise:
                weakest[key] = mechanism, settings, name in KEPT_MODELS and int(one.strategy.tested or 0) == 1
    return pd.DataFrame(
        [
            {"algorithm": row, "unit": settings.dp, "against": observer}
            | _line(settings, mechanism, detector, kept=kept)
            for (row, observer), (mechanism, settings, kept) in weakest.items()
        ]
    )


def _line(settings: FedSettings, mechanism: Mechanism, detector: str, *, kept: bool) -> dict[str, object]:
    delta = settings.privacy.delta
    unit = "subject, with all clips" if settings.dp == "subject" else "client, with all subjects"
    personal = "; the personal models of such rows, which stay with their client" if kept else ""
    return {
        "epsilon": epsilon(*mechanism, delta),
        "epsilon_rdp": epsilon(*mechanism, delta, "RDP"),
        "delta": delta,
        "noise": mechanism.noise,
        "clip": settings.privacy.clip,
        "sampling": mechanism.sampling,
        "steps": mechanism.steps,
        "covered": f"each {unit}, in the weights that clients send in one training of one repeat",
        "not_covered": f"{detector}; numbers of subjects and clips; scores and losses in this folder{personal}",
        "tested_model": NOT_COVERED if kept else COVERED,
    }


def detector_in_words(num_subjects: int, databases: Sequence[str], num_inside: int) -> str:
    """What an AU detector was trained on, for those who ask what a guarantee leaves out.

    Args:
      num_subjects: on whom it was trained.
      databases: of these subjects.
      num_inside: how many of them are in the run's own databases.

    >>> detector_in_words(30, ["synthetic"], 0)
    'the 30 subjects (synthetic) on whom the AU detector was pretrained without noise, none of them in the federation'
    """
    inside = {0: "none of them"}.get(num_inside, f"{num_inside} of them")
    where = ", ".join(databases)
    return (
        f"the {num_subjects} subjects ({where}) on whom the AU detector was pretrained without noise, {inside} in the "
        "federation"
    )
