"""inversion.csv: how much of the pictures comes back from updates, and what can be told from it."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from data.dataset import Dataset
from experiments.results.intervals import NUM_DRAWS, SEED, draw_subjects, interval
from fedpsyau_jax.attacks import psnr, ssim
from fedpsyau_jax.types import Float, Int

FILE, PICTURES = "inversion.csv", "pictures.csv"
KEYS = ["update", "aggregated", "noise"]
"""Of a row: what the update is of, whether only the sum over clients is seen, whether noise is added."""
READ = ("told", "au_f1")
"""What is read off a picture by the clips of the database that are most like it."""
GAINS = ("psnr", "ssim", *READ)
"""Columns with a gain over what is found without the person's update."""


class Attempt(NamedTuple):
    """One update, and the pictures that were made of it.

    Attributes:
      update: what it is of: one example, one batch, a round.
      aggregated: whether only the sum over all clients is seen.
      noise: whether noise is added, as by the run.
      among: the examples that it is of.
      flow, patches: what was found; patches where the AU detector is trained too.
      distance: between the gradient of what was found and the update, from 0 to 2.
    """

    update: str
    aggregated: bool
    noise: bool
    among: Int[np.ndarray, "examples"]
    flow: Float[np.ndarray, "pictures height width channels"]
    patches: Float[np.ndarray, "pictures landmarks height width channels"] | None
    distance: float


def matched(attempt: Attempt, dataset: Dataset) -> Int[np.ndarray, "pictures"]:
    """The example that each picture is taken for: those pairs that differ least in all, each example once."""
    originals = np.asarray(dataset.examples.flow)[attempt.among].reshape(len(attempt.among), -1)
    found = attempt.flow.reshape(len(attempt.flow), -1)
    costs = ((found[:, None] - originals) ** 2).mean(axis=-1)
    pictures, places = linear_sum_assignment(costs)
    return attempt.among[places[np.argsort(pictures)]]


def pictures_table(attempts: list[Attempt], dataset: Dataset, public: Int[np.ndarray, "examples"]) -> pd.DataFrame:
    """Content of pictures.csv: a row for each picture that was found.

    Args:
      attempts: on the updates of a run.
      dataset: its examples.
      public: of other people; their mean picture is what somebody would guess who saw no update.

    Returns:
      update, aggregated, noise, attempt; clip, subject; distance; psnr, ssim, of the mean picture psnr_guess and
      ssim_guess; psnr_patches; told (1 if the subject is the nearest of all) and au_f1, with the mean of what pictures
      say that the same attack made of other people's updates (told_others, au_f1_others) and what the original says
      (told_original, au_f1_original).
    """
    guess = np.asarray(dataset.examples.flow)[public].mean(axis=0)
    found = [
        (number, attempt, place, int(example))
        for number, attempt in enumerate(attempts)
        for place, example in enumerate(matched(attempt, dataset))
    ]
    rows = [_row(*one, dataset, guess) for one in found]
    near = [likeness(attempt.flow[place], np.asarray(dataset.examples.flow), guess) for _, attempt, place, _ in found]
    table = pd.DataFrame(rows).assign(example=[example for *_, example in found])
    others = [_read_from_others(table, near, place, dataset) for place in range(len(table))]
    return pd.concat([table.drop(columns="example"), pd.DataFrame(others)], axis=1)


def _row(
    number: int, attempt: Attempt, place: int, example: int, dataset: Dataset, guess: np.ndarray
) -> dict[str, Any]:
    """What a picture and its original say."""
    flow, found, patches = np.asarray(dataset.examples.flow), attempt.flow[place], np.nan
    if attempt.patches is not None:
        patches = psnr(attempt.patches[place], np.asarray(dataset.examples.patches)[example])
    original = flow[example]
    by_original = _read(likeness(original, flow, guess), example, dataset)
    return (
        dict(zip(KEYS, (attempt.update, attempt.aggregated, attempt.noise), strict=True))
        | {"attempt": number, "clip": dataset.clip[example], "subject": dataset.subject[example]}
        | {"distance": attempt.distance, "psnr": psnr(found, original), "ssim": ssim(found, original)}
        | {"psnr_guess": psnr(guess, original), "ssim_guess": ssim(guess, original)}
        | {"psnr_patches": patches}
        | _read(likeness(found, flow, guess), example, dataset)
        | {f"{name}_original": value for name, value in by_original.items()}
    )


def _read_from_others(table: pd.DataFrame, near: list[np.ndarray], place: int, dataset: Dataset) -> dict[str, float]:
    """What the pictures of other people say of this one's example, on average; NaN where there are none."""
    own = table.iloc[place]
    alike = (table[KEYS] == own[KEYS]).all(axis=1) & (table["subject"] != own["subject"])
    said = [_read(near[other], int(table["example"].to_numpy()[place]), dataset) for other in np.flatnonzero(alike)]
    return {f"{name}_others": _mean([one[name] for one in said]) for name in READ}


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def inversion_table(pictures: pd.DataFrame) -> pd.DataFrame:
    """Content of inversion.csv: means over the pictures of each kind of update.

    Returns:
      update, aggregated, noise; pictures; the means of pictures.csv; gains with bootstrap intervals by subject, in
      columns _low and _high: psnr_gain and ssim_gain over the mean picture of others, told_gain and au_f1_gain over
      pictures of other people's updates.
    """
    beside = {name: "others" if name in READ else "guess" for name in GAINS}
    gains = {f"{name}_gain": pictures[name] - pictures[f"{name}_{what}"] for name, what in beside.items()}
    pictures = pictures.assign(**gains)
    numbers = [name for name in pictures if name not in (*KEYS, "attempt", "clip", "subject")]
    groups = pictures.groupby(KEYS, sort=False)
    bounds = pd.DataFrame([_bounds(own) for _, own in groups])
    return groups[numbers].mean().assign(pictures=groups.size()).reset_index().join(bounds)


def _bounds(pictures: pd.DataFrame) -> dict[str, float]:
    """95 % bootstrap intervals of means, drawn by subject; NaN of a single subject, and where a copy is exact."""
    found: dict[str, float] = {}
    for name in (f"{measure}_gain" for measure in GAINS):
        own = pictures.dropna(subset=name).groupby("subject")[name].agg(["sum", "count"])
        means = np.zeros(0)
        if len(own) and np.isfinite(own["sum"]).all():
            draws = draw_subjects(len(own), SEED, NUM_DRAWS)
            means = draws @ own["sum"].to_numpy() / (draws @ own["count"].to_numpy())
        _, low, high = interval(pictures[name].mean(), means)
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def likeness(
    picture: Float[np.ndarray, "height width channels"],
    others: Float[np.ndarray, "others height width channels"],
    guess: Float[np.ndarray, "height width channels"],
) -> Float[np.ndarray, "others"]:
    """The correlation of what differs from the mean picture, with each of some others; 0 where nothing differs.

    >>> picture = np.arange(8.0).reshape(2, 2, 2)
    >>> likeness(picture, np.stack([picture, -picture]), np.zeros((2, 2, 2))).round(3).tolist()
    [1.0, -1.0]
    """
    own, rest = (picture - guess).ravel(), (others - guess).reshape(len(others), -1)
    lengths = np.linalg.norm(own) * np.linalg.norm(rest, axis=1)
    return rest @ own / np.where(lengths > 0, lengths, 1)


def _read(near: Float[np.ndarray, "clips"], example: int, dataset: Dataset) -> dict[str, float]:
    """Whether the person is told among all by their other clips, and AUs are those of the nearest other person's.

    ``near``: the likeness of a picture to each clip of the database.
    """
    same_clip, own = dataset.clip == dataset.clip[example], dataset.subject == dataset.subject[example]
    told = float(own[np.where(same_clip, -np.inf, near).argmax()]) if own.sum() > same_clip.sum() else np.nan
    neighbour = int(np.where(own, -np.inf, near).argmax())
    return {"told": told, "au_f1": _au_f1(dataset, example, neighbour)}


def _au_f1(dataset: Dataset, example: int, neighbour: int) -> float:
    """F1 of the AUs of one example, taken from another one, over those that both label; NaN where neither shows any."""
    au, mask = np.asarray(dataset.examples.au) > 0.5, np.asarray(dataset.examples.au_mask) > 0
    both = mask[example] & mask[neighbour]
    shown, read = au[example] & both, au[neighbour] & both
    total = shown.sum() + read.sum()
    return float(2 * (shown & read).sum() / total) if total else np.nan
