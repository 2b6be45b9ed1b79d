"""inversion.csv: how much of the pictures comes back from updates, and what can be told from it."""

from typing import NamedTuple

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
BOUNDED = ("psnr_gain", "ssim_gain", "told", "au_f1")
"""Columns with an interval."""


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
      ssim_guess; psnr_patches; told (1 if the subject is the nearest of all), told_original (by the original
      instead); au_f1, au_f1_original.
    """
    flow = np.asarray(dataset.examples.flow)
    guess = flow[public].mean(axis=0)
    rows = []
    for number, attempt in enumerate(attempts):
        for place, example in enumerate(matched(attempt, dataset)):
            found = attempt.flow[place]
            patches = np.nan
            if attempt.patches is not None:
                patches = psnr(attempt.patches[place], np.asarray(dataset.examples.patches)[example])
            rows.append(
                dict(zip(KEYS, (attempt.update, attempt.aggregated, attempt.noise), strict=True))
                | {"attempt": number, "clip": dataset.clip[example], "subject": dataset.subject[example]}
                | {"distance": attempt.distance, "psnr": psnr(found, flow[example]), "ssim": ssim(found, flow[example])}
                | {"psnr_guess": psnr(guess, flow[example]), "ssim_guess": ssim(guess, flow[example])}
                | {"psnr_patches": patches}
                | _read(found, example, dataset, guess)
                | {f"{name}_original": value for name, value in _read(flow[example], example, dataset, guess).items()}
            )
    return pd.DataFrame(rows)


def inversion_table(pictures: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Content of inversion.csv: means over the pictures of each kind of update, and what chance would give.

    Returns:
      update, aggregated, noise; pictures; the means of pictures.csv; psnr_gain and ssim_gain over the mean picture of
      others; bootstrap intervals by subject of BOUNDED, in columns _low and _high; told_chance, au_f1_chance.
    """
    gains = {f"{name}_gain": pictures[name] - pictures[f"{name}_guess"] for name in ("psnr", "ssim")}
    pictures = pictures.assign(**gains)
    numbers = [name for name in pictures if name not in (*KEYS, "attempt", "clip", "subject")]
    groups = pictures.groupby(KEYS, sort=False)
    bounds = pd.DataFrame([_bounds(own) for _, own in groups])
    table = groups[numbers].mean().assign(pictures=groups.size()).reset_index().join(bounds)
    chance = 1 / len(np.unique(dataset.subject))
    return table.assign(told_chance=chance, au_f1_chance=_chance_f1(dataset))


def _bounds(pictures: pd.DataFrame) -> dict[str, float]:
    """95 % bootstrap intervals of means, drawn by subject; NaN of a single subject, and where a copy is exact."""
    found: dict[str, float] = {}
    for name in BOUNDED:
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


def _read(picture: np.ndarray, example: int, dataset: Dataset, guess: np.ndarray) -> dict[str, float]:
    """Whether the person is told among all by their other clips, and AUs are those of the nearest other person's."""
    near = likeness(picture, np.asarray(dataset.examples.flow), guess)
    near[dataset.clip == dataset.clip[example]] = -np.inf
    own = dataset.subject == dataset.subject[example]
    has_others = own.sum() > (dataset.clip == dataset.clip[example]).sum()
    told = float(own[near.argmax()]) if has_others else np.nan
    neighbour = int(np.where(own, -np.inf, near).argmax())
    return {"told": told, "au_f1": _au_f1(dataset, example, neighbour)}


def _au_f1(dataset: Dataset, example: int, neighbour: int) -> float:
    """F1 of the AUs of one example, taken from another one, over those that both label; NaN where neither shows any."""
    au, mask = np.asarray(dataset.examples.au) > 0.5, np.asarray(dataset.examples.au_mask) > 0
    both = mask[example] & mask[neighbour]
    shown, read = au[example] & both, au[neighbour] & both
    total = shown.sum() + read.sum()
    return float(2 * (shown & read).sum() / total) if total else np.nan


def _chance_f1(dataset: Dataset) -> float:
    """Mean F1 of AUs taken from a clip of another person at random."""
    draw = np.random.default_rng(0)
    pairs = draw.integers(0, len(dataset.clip), (1000, 2))
    others = pairs[dataset.subject[pairs[:, 0]] != dataset.subject[pairs[:, 1]]]
    return float(np.nanmean([_au_f1(dataset, int(one), int(other)) for one, other in others]))
