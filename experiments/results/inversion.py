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
READ = ("like", "told", "au_f1")
"""What a picture says of the example that it is taken for."""
DECOYS, NUM_DECOYS = 0, 20
"""Seed of the draws of decoys, and how many there are."""
CONSTANT = 1e-9
"""Numbers of subjects that differ by less are one number, which no resampling changes."""
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
      ssim_guess; psnr_patches; like (the likeness to the original), told (1 if the subject is the nearest of all) and
      au_f1, each also by the original itself (_original) and by decoys (_others).
    """
    guess = np.asarray(dataset.examples.flow)[public].mean(axis=0)
    generator, rows = np.random.default_rng(DECOYS), []
    for number, attempt in enumerate(attempts):
        near = [likeness(picture, np.asarray(dataset.examples.flow), guess) for picture in attempt.flow]
        drawn = [attempt._replace(among=decoys(attempt.among, dataset, generator)) for _ in range(NUM_DECOYS)]
        by_decoys = _mean([_read(own, near, dataset) for own in drawn])
        for place, example in enumerate(matched(attempt, dataset)):
            rows.append(
                dict(zip(KEYS, (attempt.update, attempt.aggregated, attempt.noise), strict=True))
                | {"attempt": number, "clip": dataset.clip[example], "subject": dataset.subject[example]}
                | {"distance": attempt.distance}
                | _quality(attempt, place, int(example), dataset, guess)
                | _said(near[place], int(example), dataset)
                | {f"{name}_original": said for name, said in _by_original(int(example), dataset, guess).items()}
                | {f"{name}_others": said for name, said in by_decoys.items()}
            )
    return pd.DataFrame(rows)


def decoys(
    among: Int[np.ndarray, "examples"], dataset: Dataset, generator: np.random.Generator
) -> Int[np.ndarray, "examples"]:
    """Examples of other people in place of these, with the same emotions as far as there are any.

    What is found is as good for them as for the originals, if the update says nothing but what the attacker knows
    before: pictures are made for known labels, and taken for the examples that they are most like.
    """
    emotion = np.asarray(dataset.examples.emotion)
    free = ~np.isin(dataset.subject, dataset.subject[among])
    if not free.any():
        free = ~np.isin(np.arange(len(emotion)), among)
    chosen = []
    for example in among:
        alike = np.flatnonzero(free & (emotion == emotion[example]))
        chosen.append(generator.choice(alike if len(alike) else np.flatnonzero(free)))
    return np.array(chosen)


def _quality(
    attempt: Attempt, place: int, example: int, dataset: Dataset, guess: Float[np.ndarray, "height width channels"]
) -> dict[str, float]:
    original, found, patches = np.asarray(dataset.examples.flow)[example], attempt.flow[place], np.nan
    if attempt.patches is not None:
        patches = psnr(attempt.patches[place], np.asarray(dataset.examples.patches)[example])
    return {
        "psnr": psnr(found, original),
        "ssim": ssim(found, original),
        "psnr_guess": psnr(guess, original),
        "ssim_guess": ssim(guess, original),
        "psnr_patches": patches,
    }


def _by_original(example: int, dataset: Dataset, guess: Float[np.ndarray, "height width channels"]) -> dict[str, float]:
    flow = np.asarray(dataset.examples.flow)
    return _said(likeness(flow[example], flow, guess), example, dataset)


def _read(attempt: Attempt, near: list[np.ndarray], dataset: Dataset) -> dict[str, float]:
    """What the pictures of an attempt say of the examples that they are taken for, on average."""
    return _mean([_said(near[place], int(one), dataset) for place, one in enumerate(matched(attempt, dataset))])


def _mean(several: list[dict[str, float]]) -> dict[str, float]:
    """Of each number where it is known; NaN where it never is."""
    table = np.array([[one[name] for name in READ] for one in several])
    known = ~np.isnan(table)
    sums, counts = np.where(known, table, 0).sum(axis=0), known.sum(axis=0)
    return dict(zip(READ, np.divide(sums, counts, out=np.full(len(READ), np.nan), where=counts > 0), strict=True))


def inversion_table(pictures: pd.DataFrame) -> pd.DataFrame:
    """Content of inversion.csv: means over the pictures of each kind of update.

    Returns:
      update, aggregated, noise; pictures; the means of pictures.csv; gains with bootstrap intervals by subject, in
      columns _low and _high: psnr_gain and ssim_gain over the mean picture of others, like_gain, told_gain and
      au_f1_gain over decoys.
    """
    beside = {name: "others" if name in READ else "guess" for name in GAINS}
    gains = {f"{name}_gain": pictures[name] - pictures[f"{name}_{what}"] for name, what in beside.items()}
    pictures = pictures.assign(**gains)
    numbers = [name for name in pictures if name not in (*KEYS, "attempt", "clip", "subject")]
    groups = pictures.groupby(KEYS, sort=False)
    bounds = pd.DataFrame([_bounds(own) for _, own in groups])
    return groups[numbers].mean().assign(pictures=groups.size()).reset_index().join(bounds)


def _bounds(pictures: pd.DataFrame) -> dict[str, float]:
    """95 % bootstrap intervals of means, drawn by subject; NaN where a copy is exact or all subjects are alike."""
    found: dict[str, float] = {}
    for name in (f"{measure}_gain" for measure in GAINS):
        own = pictures.dropna(subset=name).groupby("subject")[name].agg(["sum", "count"])
        means = np.zeros(0)
        if len(own) and np.isfinite(own["sum"]).all() and np.ptp(own["sum"] / own["count"]) > CONSTANT:
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


def _said(near: Float[np.ndarray, "clips"], example: int, dataset: Dataset) -> dict[str, float]:
    """Likeness to an example; whether its person is told by their other clips; AUs of the nearest other person's clip.

    ``near``: the likeness of a picture to each clip of the database.
    """
    same_clip, own = dataset.clip == dataset.clip[example], dataset.subject == dataset.subject[example]
    told = float(own[np.where(same_clip, -np.inf, near).argmax()]) if own.sum() > same_clip.sum() else np.nan
    neighbour = int(np.where(own, -np.inf, near).argmax())
    return {"like": float(near[example]), "told": told, "au_f1": _au_f1(dataset, example, neighbour)}


def _au_f1(dataset: Dataset, example: int, neighbour: int) -> float:
    """F1 of the AUs of one example, taken from another one, over those that both label; NaN where neither shows any."""
    au, mask = np.asarray(dataset.examples.au) > 0.5, np.asarray(dataset.examples.au_mask) > 0
    both = mask[example] & mask[neighbour]
    shown, read = au[example] & both, au[neighbour] & both
    total = shown.sum() + read.sum()
    return float(2 * (shown & read).sum() / total) if total else np.nan
