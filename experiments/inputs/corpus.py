"""What a detector is pretrained on: several databases as one, divided by subject."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from data.dataset import Dataset
from fedpsyau_jax.splits.clients import by_subject
from fedpsyau_jax.types import Examples, Int


@dataclass(frozen=True)
class Corpus:
    """AU-labelled examples of several databases as one; subjects and clips are named as ``named`` does."""

    datasets: list[Dataset]
    examples: Examples
    subject: np.ndarray
    clip: np.ndarray
    database: np.ndarray


def named(database: str, names: Iterable[str]) -> list[str]:
    """Subjects or clips with their database: two databases may have namesakes, who are two people.

    >>> named("disfa", ["SN001"])
    ['disfa/SN001']
    """
    return [f"{database}/{name}" for name in names]


def joined(datasets: list[Dataset]) -> Corpus:
    """Several databases as one, their examples without any labelled AU left out.

    Raises:
      ValueError: no AU is labelled at all.
    """
    examples: Examples = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(one.examples for one in datasets))
    names = [one.name.partition("/")[0] for one in datasets]
    database = np.repeat(names, [len(one.clip) for one in datasets])
    pairs = list(zip(names, datasets, strict=True))
    subject = np.concatenate([named(name, one.subject) for name, one in pairs])
    clip = np.concatenate([named(name, one.clip) for name, one in pairs])
    labelled = np.flatnonzero(examples.au_mask.any(axis=1))
    if not len(labelled):
        raise ValueError("no action unit is labelled in these databases: nothing can be learned from them")
    return Corpus(
        datasets,
        jax.tree.map(lambda leaf: leaf[labelled], examples),
        *(column[labelled] for column in (subject, clip, database)),
    )


def split(
    corpus: Corpus, validation_share: float, seed: Sequence[int]
) -> tuple[Int[np.ndarray, "train_examples"], Int[np.ndarray, "validation_examples"]]:
    """Examples to train on and to validate on; in each database whole subjects.

    Args:
      corpus: what there is.
      validation_share: of the subjects, in (0, 1); at least one of each database is on either side.
      seed: of the draw.

    Raises:
      ValueError: a database has a single subject.
    """
    generator = np.random.default_rng(seed)
    trained_on = np.zeros(len(corpus.subject), bool)
    for name in dict.fromkeys(corpus.database):
        own = np.flatnonzero(corpus.database == name)
        if len(names := np.unique(corpus.subject[own])) < 2:
            alone = names[0].removeprefix(f"{name}/")
            raise ValueError(
                f"{name} has labelled action units of the single subject {alone}, who cannot be trained and "
                "validated on: leave it out of --databases, or give a copy with more subjects"
            )
        trained_on[own] = by_subject(own, corpus.subject[own], 1 - validation_share, generator)
    return np.flatnonzero(trained_on), np.flatnonzero(~trained_on)
