"""membership.csv: how well attacks tell who was trained on, from what an observer sees of shadow federations."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.results.differences import interval_cells
from experiments.results.intervals import SEED, draw_subjects, interval
from experiments.results.privacy import COVERED, MODELS, SERVER, SITE
from fedpsyau_jax.attacks import (
    Trials,
    auc,
    audited_epsilon,
    by_subject,
    leave_pair_out,
    lira,
    resolvable,
    rmia,
    roc,
    tpr_at,
)
from fedpsyau_jax.types import Bool, Float, Int

FILE, CURVES = "membership.csv", "roc.csv"
SENT, RECEIVED, PERSONAL = "sent", "received", "personal"
"""The models: what a client sends, what another one receives then, and what a client keeps and is tested."""
OBSERVERS = {SENT: SERVER, RECEIVED: SITE, PERSONAL: MODELS}
ATTACKS: dict[str, Callable[..., np.ndarray]] = {
    "LiRA": lambda target, shadows, member, *population: lira(target, shadows, member),
    "RMIA": lambda target, shadows, member, here, there: rmia(
        target, shadows, member, target_others=here, shadow_others=there
    ),
}
"""Functions of log odds in target and shadows, of who was trained on, and of the log odds of other people in both."""
CLIP, SUBJECT = "clip", "subject"
RATES = {"tpr_001": 0.001, "tpr_01": 0.01}
"""Columns of true positive rates, and at which share of false positives."""
NUM_DRAWS = 1000
AT_ONCE = 50
"""Bootstrap draws that are in memory together."""
KEYS = ["algorithm", "model", "against", "control", "unit", "attack"]


class Seen(NamedTuple):
    """What one observer has of the shadow federations of a row.

    Attributes:
      row: title of the row.
      model: SENT, RECEIVED or PERSONAL.
      odds: log odds that the model of each client gives to the true class of each example of the database.
    """

    row: str
    model: str
    odds: Float[np.ndarray, "shadows clients examples"]


class Suspects(NamedTuple):
    """Whose membership is asked for.

    Attributes:
      examples: indices in the database.
      owner: index of the client that may have trained on each.
      subject: its subject.
      member: which shadow federations trained on it.
      population: examples that no shadow federation trained on.
    """

    examples: Int[np.ndarray, "suspects"]
    owner: Int[np.ndarray, "suspects"]
    subject: np.ndarray
    member: Bool[np.ndarray, "shadows suspects"]
    population: Int[np.ndarray, "population"]


class Guesses(NamedTuple):
    """Trials of one attack: ``scores``, whether each is of a ``member``, and of which ``subject``."""

    scores: Float[np.ndarray, "trials"]
    member: Bool[np.ndarray, "trials"]
    subject: np.ndarray


def scores_of(seen: Seen, suspects: Suspects, attack: str) -> Float[np.ndarray, "shadows suspects"]:
    """What an attack says, with each shadow federation as the target and all but its complement as its shadows.

    The model is that of the suspects' client; what is received, that of the next one, as another client sees it. There
    is no score where target and complement do not differ.
    """
    scores = np.full(suspects.member.shape, np.nan)
    num_clients = seen.odds.shape[1]
    for owner in np.unique(suspects.owner):
        own = suspects.owner == owner
        at = (owner + 1) % num_clients if seen.model == RECEIVED else owner
        odds, others = (seen.odds[:, at, rows] for rows in (suspects.examples[own], suspects.population))
        member = suspects.member[:, own]
        for target, shadows in leave_pair_out(len(odds)):
            given = odds[target], odds[shadows], member[shadows]
            scores[target, own] = ATTACKS[attack](*given, others[target], others[shadows])
    complement = suspects.member.reshape(-1, 2, suspects.member.shape[1])[:, ::-1].reshape(suspects.member.shape)
    return np.where(suspects.member != complement, scores, np.nan)


def guesses_of(scores: Float[np.ndarray, "shadows suspects"], suspects: Suspects, unit: str, attack: str) -> Guesses:
    """The trials with a score, by clip or by subject: LiRA adds up over a subject's clips, RMIA is their mean."""
    names, place, member = suspects.subject, suspects.subject, suspects.member
    if unit == SUBJECT:
        names, first, place = np.unique(suspects.subject, return_index=True, return_inverse=True)
        scores = np.stack([by_subject(one, place, mean=attack == "RMIA") for one in scores])
        member = member[:, first]
    real = np.isfinite(scores)
    return Guesses(scores[real], member[real], np.broadcast_to(names, scores.shape)[real])


def membership_tables(
    seen: list[tuple[Seen, Suspects, list[Suspects]]], privacy: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Content of membership.csv and of roc.csv.

    Args:
      seen: of each observer, with the suspects; and, as a control, with people that no shadow federation trained on,
        in several draws of made-up halves.
      privacy: as privacy.csv of the run; None where nothing is private.

    Returns:
      algorithm, model, against (the observer), control, unit, attack; trials, members, subjects; auc, tpr_001 and
      tpr_01 (true positive rates at so many false positives), each with _low and _high (by subject; of a control, the
      range of 95 % of the draws, whose mean is given); epsilon_lower, audited (of subjects: clips of a person are no
      trials of their own), and epsilon, of the accountant. And the curves of the suspects: the same keys with false and
      true positive rates.
    """
    rows, curves = [], []
    for keys, draws in _trials(seen):
        delta, epsilon = accounted(privacy, keys["algorithm"], keys["model"])
        lower = np.nan
        if keys["control"]:
            found = by_chance(draws)
        else:
            (guesses,) = draws
            found = measured(guesses)
            lower = audited(guesses, delta) if keys["unit"] == SUBJECT else np.nan
            curve = roc(guesses.scores, guesses.member)
            curves.append(pd.DataFrame({**keys, "false": curve.false, "true": curve.true}))
        rows.append(keys | found | {"epsilon_lower": lower, "epsilon": epsilon})
    return pd.DataFrame(rows), pd.concat(curves, ignore_index=True)


def _trials(seen: list[tuple[Seen, Suspects, list[Suspects]]]) -> Iterator[tuple[dict[str, Any], list[Guesses]]]:
    for one, suspects, strangers in seen:
        for control, draws in ((False, [suspects]), (True, strangers)):
            for attack in ATTACKS:
                scores = [scores_of(one, people, attack) for people in draws]
                for unit in (CLIP, SUBJECT):
                    keys = (one.row, one.model, OBSERVERS[one.model], control, unit, attack)
                    guesses = [guesses_of(own, people, unit, attack) for own, people in zip(scores, draws, strict=True)]
                    if all(own.member.any() and not own.member.all() for own in guesses):
                        yield dict(zip(KEYS, keys, strict=True)), guesses


def measured(guesses: Guesses, num_draws: int = NUM_DRAWS) -> dict[str, float]:
    """Area and true positive rates with their intervals by subject; NaN for a rate that so few others cannot show."""
    names, place = np.unique(guesses.subject, return_inverse=True)
    draws = draw_subjects(len(names), SEED, num_draws)
    num_others = int((~guesses.member).sum())
    found: dict[str, float] = {"trials": len(place), "members": int(guesses.member.sum()), "subjects": len(names)}
    for name, measure in _measures(num_others).items():

        def of(weights: Int[np.ndarray, "draws trials"], measure: Callable = measure) -> np.ndarray:
            return np.asarray(measure(roc(guesses.scores, guesses.member, weights)))

        of_draws = [of(draws[start : start + AT_ONCE][:, place]) for start in range(0, len(draws), AT_ONCE)]
        estimate = float(of(np.ones((1, len(place)), int))[0])
        found |= interval_cells({name: interval(estimate, np.concatenate([np.zeros(0), *of_draws]))}, [name])
    return found


def by_chance(draws: list[Guesses]) -> dict[str, float]:
    """Area and true positive rates with made-up halves: means over the draws, and the range of 95 % of them.

    Trials share networks, and so differ from chance together: which a bootstrap by subject does not see, but other
    halves do.
    """
    first = draws[0]
    found: dict[str, float] = {
        "trials": len(first.scores), "members": int(first.member.sum()), "subjects": len(np.unique(first.subject)),
    }  # fmt: skip
    curves = [roc(one.scores, one.member) for one in draws]
    for name, measure in _measures(int((~first.member).sum())).items():
        values = np.array([float(np.ravel(measure(curve))[0]) for curve in curves])
        found |= interval_cells({name: interval(values.mean(), values)}, [name])
    return found


def _measures(num_others: int) -> dict[str, Callable]:
    def undefined(curve: object) -> np.ndarray:
        return np.full(1, np.nan)

    rates = {
        name: partial(tpr_at, false_positives=rate) if resolvable(rate, num_others) else undefined
        for name, rate in RATES.items()
    }
    return {"auc": auc, **rates}


def audited(guesses: Guesses, delta: float) -> float:
    """The audited epsilon: the threshold is chosen on every other subject, and tested on the rest."""
    _, place = np.unique(guesses.subject, return_inverse=True)
    choice, test = (Trials(guesses.scores[half], guesses.member[half]) for half in (place % 2 == 0, place % 2 == 1))
    return audited_epsilon(choice, test, delta)


def accounted(privacy: pd.DataFrame | None, row: str, model: str) -> tuple[float, float]:
    """Delta, and the epsilon of a subject against the observer of a model, by the accountant.

    Infinite where nothing is private or the model is not covered; NaN where whole clients are protected, of which a
    subject is only a part.
    """
    if privacy is None:
        return 0.0, np.inf
    of_row = privacy[(privacy["algorithm"] == row) & (privacy["against"] == OBSERVERS[model])]
    if not len(of_row):
        return 0.0, np.inf
    first = of_row.iloc[0]
    if not str(first["unit"]).startswith(SUBJECT):
        return float(first["delta"]), np.nan
    return float(first["delta"]), float(first["epsilon"]) if first["tested_model"] == COVERED else np.inf
