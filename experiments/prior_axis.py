"""Priors as an axis of a comparison: what each is computed from, and where its examples are in the store."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from experiments.priors import prior_named
from experiments.tasks import Detector
from fedpsyau_jax.priors import AnnotationTable, Priors
from fedpsyau_jax.types import ClientState, Int


class Fitted(NamedTuple):
    """A prior of each repeat, with the rows that went into it.

    ``name``: as on the command line; ``priors``, ``rows``: [repeats].
    """

    name: str
    priors: Sequence[Priors]
    rows: Sequence[Int[np.ndarray, "rows"]]


class Sight(NamedTuple):
    """What the examples of a comparison are seen through.

    ``detectors``: each one that differs from the others, so that examples are seen once by each; ``which``: the one of
    each prior and repeat.
    """

    detectors: list[Detector]
    which: Int[np.ndarray, "priors repeats"]


def fitted(name: str, table: AnnotationTable, rows: Sequence[Int[np.ndarray, "rows"]]) -> Fitted:
    """A prior computed anew for each repeat; its function is given the annotations of these rows and no others.

    Args:
      name: a value of ``--prior``.
      table: annotations of all examples.
      rows: [repeats] training examples of all clients together.

    Raises:
      ValueError: no such prior, or what its function returns is none.
    """
    prior_of = prior_named(name)
    return Fitted(name, [jax.tree.map(np.asarray, prior_of(table.rows(own))) for own in rows], rows)


def sight(priors: Sequence[Fitted], clients: Sequence[ClientState]) -> Sight:
    """Detectors and priors joined.

    Args:
      priors: [priors] fitted ones.
      clients: [priors] the detector that was pretrained with each.
    """
    kinds = [distinct(prior.priors)[0] for prior in priors]
    detectors = [Detector(client, kind) for own, client in zip(kinds, clients, strict=True) for kind in own]
    return Sight(detectors, places(priors))


def places(priors: Sequence[Fitted]) -> Int[np.ndarray, "priors repeats"]:
    """Which detector each prior and repeat sees through, known before there is any; they are numbered without gaps."""
    which: list[np.ndarray] = []
    for prior in priors:
        first = max((own.max() + 1 for own in which), default=0)
        which.append(first + distinct(prior.priors)[1])
    return np.stack(which)


def distinct(priors: Sequence[Priors]) -> tuple[list[Priors], Int[np.ndarray, "given"]]:
    """Each prior once, and the place of each given one among them.

    >>> from fedpsyau_jax.priors import published
    >>> kinds, places = distinct([published(), published()])
    >>> len(kinds), places.tolist()
    (1, [0, 0])
    """
    numbers = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(prior)]) for prior in priors]
    _, first, places = np.unique(numbers, axis=0, return_index=True, return_inverse=True)
    return [priors[place] for place in first], places.ravel()
