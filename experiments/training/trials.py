"""Trials: trainings that differ in their folds, priors or random numbers only, so that many run as one program."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data.dataset import Dataset
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import Fitted, sight
from experiments.inputs.priors import annotations_of, prior_named
from experiments.training.tasks import CHUNK, Detector
from fedpsyau_jax.federated import ClientData
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.splits.clients import pad_indices
from fedpsyau_jax.splits.folds import NOBODY, Fold, k_fold, leave_one_subject_out, with_validation, within
from fedpsyau_jax.splits.leakage import Origins, refuse_leaks
from fedpsyau_jax.types import Array, Batch, ClientState, Int, Key


class Trial(NamedTuple):
    """One training: under which name it is reported, on which fold of which repeat, with which priors.

    ``prior_rows``: examples whose annotations the priors could see; ``detector``: number of the pretrained detector
    that it sees its examples through, or whose weights it starts from.
    """

    algorithm: str
    repeat: int
    number: int
    fold: Fold
    priors: Priors
    prior_rows: Int[np.ndarray, "rows"] = NOBODY
    detector: int = 0


class TrialData(NamedTuple):
    """Trials as arrays, leaves [trials, ...]; examples are rows of the store.

    With several detectors, the rows as the n-th one sees them begin at n times the number of rows.
    ``key``: all randomness of a trial; it follows repeat and fold, so that trials which differ in their priors alone
    see the same random numbers; ``train``: one client each; a mask of zeros makes a trial that does nothing.
    """

    key: Key[Array, "trials"]
    train: ClientData
    validation: Batch
    test: Batch
    priors: Priors
    detector: Int[Array, "trials"]


def folds(settings: MerSettings, dataset: Dataset) -> list[list[Fold]]:
    """[repeats][folds] over the examples with an emotion, with validation if the settings ask for it.

    Raises:
      ValueError: there are too few of them, or of their subjects.
    """
    labelled = np.flatnonzero(dataset.examples.emotion >= 0)
    if not len(labelled):
        raise ValueError(f"{dataset.name} has no example with an emotion, so there is nothing to recognise")
    subjects, labels = dataset.subject[labelled], np.asarray(dataset.examples.emotion)[labelled]
    repeats = []
    for repeat in range(settings.repeats):
        seed = settings.seed + repeat
        if settings.protocol == "loso":
            found = leave_one_subject_out(subjects)
        else:
            found = k_fold(subjects, labels, settings.folds, seed)
        if settings.validation_share:
            found = [with_validation(fold, subjects, labels, settings.validation_share, seed) for fold in found]
        repeats.append([within(fold, labelled) for fold in found])
    return repeats


def trials(repeats: Sequence[Sequence[Fold]], dataset: Dataset, named_priors: Sequence[tuple[str, str]]) -> list[Trial]:
    """Every (name, prior) on every fold; a prior is made from the annotations of the fold's training examples.

    Args:
      repeats: [repeats][folds].
      dataset: whose annotations priors may use.
      named_priors: names to report under, each with a value of ``--prior``.

    Raises:
      ValueError: no such prior, or one that fails.
    """
    table = annotations_of(dataset)
    return [
        Trial(algorithm, repeat, number, fold, prior_named(prior)(table.rows(seen)), seen)
        for algorithm, prior in named_priors
        for repeat, found in enumerate(repeats)
        for number, fold in enumerate(found)
        for seen in [fold.train]
    ]


def by_prior(chosen: Sequence[Trial], num_priors: int) -> list[Sequence[Trial]]:
    """[priors] the trials with each prior, as ``trials`` orders them."""
    size = len(chosen) // num_priors
    return [chosen[start : start + size] for start in range(0, len(chosen), size)]


def starting_from_own(chosen: Sequence[Trial], num_priors: int) -> list[Trial]:
    """Each trial with the number of its prior as that of its detector."""
    return [t._replace(detector=number) for number, own in enumerate(by_prior(chosen, num_priors)) for t in own]


def seen_through(chosen: Sequence[Trial], clients: Sequence[ClientState]) -> tuple[list[Trial], list[Detector]]:
    """Each trial with the number of the frozen detector that it sees examples through, and these detectors.

    Args:
      chosen: trials of all priors.
      clients: [priors] the detector that was pretrained with each; it looks through the priors of the trial.
    """
    own = by_prior(chosen, len(clients))
    seen = sight([Fitted(of[0].algorithm, [t.priors for t in of], [t.prior_rows for t in of]) for of in own], clients)
    pairs = zip(chosen, seen.which.ravel().tolist(), strict=True)
    return [trial._replace(detector=number) for trial, number in pairs], seen.detectors


def refuse_leaking(chosen: Sequence[Trial], dataset: Dataset, pretraining_subjects: Sequence[str]) -> None:
    """Let training begin only if nothing of validation and test reaches it.

    Raises:
      ValueError: the first leak.
    """
    origins = Origins(
        dataset.subject,
        dataset.clip,
        np.asarray(dataset.examples.flow),
        statistics={"the prior": [trial.prior_rows for trial in chosen]},
        pretraining_subjects=pretraining_subjects,
    )
    refuse_leaks([trial.fold for trial in chosen], origins)


def trial_data(
    chosen: Sequence[Trial], shown: Int[np.ndarray, "rows"], seed: int, like: Sequence[Trial] | None = None
) -> TrialData:
    """Trials as arrays.

    Args:
      chosen: the trials.
      shown: which example each row of the store shows; training takes all rows of an example, its rotated copies
        included, validation and test only its first.
      seed: of everything random.
      like: trials whose longest parts decide the padding, so that chunks of trials have one shape.
    """
    like = like or chosen
    rows = {id(trial): np.flatnonzero(np.isin(shown, trial.fold.train)) for trial in (*chosen, *like)}
    begins = [trial.detector * len(shown) for trial in chosen]
    own = [rows[id(trial)] + begin for trial, begin in zip(chosen, begins, strict=True)]
    train, train_mask = _padded(own, max(len(rows[id(t)]) for t in like))
    everything = jax.random.key(seed)
    places = jnp.array([(trial.repeat, trial.number) for trial in chosen], jnp.uint32)
    keys = jax.vmap(lambda place: jax.random.fold_in(jax.random.fold_in(everything, place[0]), place[1]))(places)
    ids = jnp.zeros((len(chosen), 1), jnp.int32)
    client = ClientData(ids, train[:, None], train_mask[:, None])
    priors = jax.tree.map(
        lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *[t.priors for t in chosen]
    )
    validation, test = (_held_out(part, chosen, begins, like) for part in ("validation", "test"))
    return TrialData(keys, client, validation, test, priors, jnp.array([trial.detector for trial in chosen]))


def _held_out(part: str, chosen: Sequence[Trial], begins: Sequence[int], like: Sequence[Trial]) -> Batch:
    longest = max(len(getattr(trial.fold, part)) for trial in like)
    length = longest if longest <= CHUNK else longest + -longest % CHUNK
    own = [getattr(trial.fold, part) + begin for trial, begin in zip(chosen, begins, strict=True)]
    return Batch(*_padded(own, length))


def _padded(rows: Sequence[Int[np.ndarray, "rows"]], length: int) -> tuple[Array, Array]:
    indices, mask = pad_indices([[*rows, np.zeros(length, np.int64)]])
    return jnp.asarray(indices[0, :-1]), jnp.asarray(mask[0, :-1])
