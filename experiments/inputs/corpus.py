"""The pretraining data of a detector: several databases joined, and split by subject."""

from dataclasses import dataclass

import jax
import numpy as np

from data.dataset import Dataset
from experiments.inputs.joining import all_examples, prefixed
from fedpsyau_jax.splits import Split, by_subject, single_client
from fedpsyau_jax.types import Examples


@dataclass(frozen=True)
class Corpus:
    """AU-labelled examples of several databases, joined.

    Attributes:
      datasets: the databases, with all of their examples.
      examples: those with at least one labelled AU.
      subject: [examples] subject, as database/subject.
      clip: [examples] clip, as database/clip.
      database: [examples] name of the database.
    """

    datasets: list[Dataset]
    examples: Examples
    subject: np.ndarray
    clip: np.ndarray
    database: np.ndarray


def join(datasets: list[Dataset]) -> Corpus:
    """Join several databases, without examples that have no labelled AU.

    Raises:
      ValueError: no AU is labelled at all.
    """
    examples = all_examples(datasets)
    names = [one.database for one in datasets]
    database = np.repeat(names, [len(one.clip) for one in datasets])
    pairs = list(zip(names, datasets, strict=True))
    subject = np.concatenate([prefixed(name, one.subject) for name, one in pairs])
    clip = np.concatenate([prefixed(name, one.clip) for name, one in pairs])
    labelled = np.flatnonzero(examples.au_mask.any(axis=1))
    if not len(labelled):
        raise ValueError("no action unit is labelled in these databases: nothing can be learned from them")
    return Corpus(
        datasets,
        jax.tree.map(lambda leaf: leaf[labelled], examples),
        *(column[labelled] for column in (subject, clip, database)),
    )


def split(corpus: Corpus, validation_share: float, generator: np.random.Generator, name: str = "all") -> Split:
    """Split examples into training and validation (the split's test), by whole subjects in each database.

    Args:
      corpus: all examples.
      validation_share: share of the subjects, in (0, 1); at least one subject of each database is on each side.
      generator: source of randomness.
      name: of the split.

    Returns:
      A split with one client, whose subjects are the validation subjects.

    Raises:
      ValueError: a database has only one subject.
    """
    is_train = np.zeros(len(corpus.subject), bool)
    for database in dict.fromkeys(corpus.database):
        rows = np.flatnonzero(corpus.database == database)
        if len(subjects := np.unique(corpus.subject[rows])) < 2:
            alone = subjects[0].removeprefix(f"{database}/")
            raise ValueError(
                f"{database} has labelled action units of the single subject {alone}, who cannot be trained and "
                "validated on: leave it out of --databases, or give a copy with more subjects"
            )
        is_train[rows] = by_subject(rows, corpus.subject[rows], 1 - validation_share, generator)
    people = tuple(np.unique(corpus.subject[~is_train]).tolist())
    return single_client(name, np.flatnonzero(is_train), np.flatnonzero(~is_train), subjects=people)
