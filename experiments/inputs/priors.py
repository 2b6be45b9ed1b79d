"""Priors by name, for ``--prior``: one of the table below, or ``module:function`` of your own."""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import numpy as np

from data.dataset import Dataset
from experiments.inputs import plugins
from experiments.inputs.corpus import Corpus
from fedpsyau_jax.priors import (
    AnnotationTable,
    Prior,
    Priors,
    as_priors,
    from_annotations,
    from_pair_counts,
    published,
    shuffle_edges,
    uniform,
)
from fedpsyau_jax.types import Int

OPTION = "--prior"
PriorsOfTable = Callable[[AnnotationTable], Priors]
ROUNDING = 1e-4


def cooccurrence(table: AnnotationTable) -> Priors:
    """The published topologies with statistics of these annotations, every clip with the same weight."""
    return _with_published_topologies(from_annotations(table.aus, table.mask))


def cooccurrence_of_counts(together: Int[np.ndarray, "aus aus"], labelled: Int[np.ndarray, "aus aus"]) -> Priors:
    """The same priors from sums of ``pair_counts``, so that nobody has to show annotations."""
    return _with_published_topologies(from_pair_counts(together, labelled))


def _with_published_topologies(statistics: Prior) -> Priors:
    pairs = zip(as_priors(statistics), published(), strict=True)
    return Priors(*(ours._replace(topology=theirs.topology) for ours, theirs in pairs))


def shuffled(table: AnnotationTable, seed: int = 0) -> Priors:
    """The published priors with shuffled edges, as a control; see ``shuffle_edges``."""
    del table
    keys = jax.random.split(jax.random.key(seed), 3)
    return Priors(*(shuffle_edges(prior, key) for prior, key in zip(published(), keys, strict=True)))


def no_topology(table: AnnotationTable) -> Priors:
    """Every AU may attend to every other, with uniform statistics."""
    del table
    return Priors(*(uniform(np.ones_like(prior.topology)) for prior in published()))


NAMED: Mapping[str, PriorsOfTable] = {
    "published": lambda table: published(),
    "co-occurrence": cooccurrence,
    "uniform": lambda table: Priors(*(uniform(prior.topology) for prior in published())),
    "none": no_topology,
    "shuffled": shuffled,
}


def prior_named(text: str) -> PriorsOfTable:
    """The function from (training) annotations to the network's priors that a value of ``--prior`` names.

    Args:
        text: a name of ``NAMED``; ``shuffled:SEED``; or ``module:name``, where name is a function
            ``AnnotationTable -> Prior or Priors``, or a Prior or Priors.

    Returns:
        A function that checks its result: shapes, boolean topologies, rows that sum to 1.

    Raises:
        ValueError: no such name, module or function; from the function returned, an invalid prior.

    >>> prior_named("published")(None).upper.topology.shape  # needs no annotations
    (6, 6)
    """
    module_name, _, name = text.partition(":")
    if module_name == "shuffled" and name.isdecimal():
        return partial(shuffled, seed=int(name))
    plugins.refuse_unknown(OPTION, text, NAMED)
    return _own(text) if plugins.is_plugin(text) else NAMED[text]


def annotations_of(dataset: Dataset | Corpus) -> AnnotationTable:
    """The annotations of a dataset or a corpus."""
    examples = dataset.examples
    aus, mask, emotion = (np.asarray(values) for values in (examples.au, examples.au_mask, examples.emotion))
    return AnnotationTable(aus, mask, emotion, dataset.subject)


def _own(text: str) -> PriorsOfTable:
    """A function for the user's own priors, which checks them."""
    otherwise = "neither a function of an AnnotationTable nor a Prior"
    value = plugins.function_or_value(OPTION, text, (Prior, Priors), otherwise)

    def checked(table: AnnotationTable) -> Priors:
        priors = value if isinstance(value, Prior | Priors) else plugins.call(OPTION, text, value, table)
        if not isinstance(priors, Prior | Priors):
            raise ValueError(f"{OPTION}={text}: the function returned {type(priors).__name__}, not a Prior or Priors")
        return check_priors(priors, f"{OPTION}={text}")

    return checked


def check_priors(made: Prior | Priors, where: str) -> Priors:
    """Check priors and convert them to those of the network's three graphs.

    Raises:
        ValueError: what is wrong; the sentence starts with ``where``.
    """
    size = {"upper": 6, "lower": 6, "global_": 12}
    parts = made._asdict().items() if isinstance(made, Priors) else [("global_", made)]
    for name, prior in parts:
        _check_prior(prior, size[name], f"{where}: the {name.rstrip('_')} prior's")
    return as_priors(made)


def _check_prior(prior: Prior, size: int, whose: str) -> None:
    topology, statistics = np.asarray(prior.topology), np.asarray(prior.statistics)
    for name, matrix in (("topology", topology), ("statistics", statistics)):
        if matrix.shape != (size, size):
            raise ValueError(f"{whose} {name} have shape {matrix.shape}; give {(size, size)}, a row for each AU")
    if topology.dtype != bool:
        raise ValueError(f"{whose} topology holds {topology.dtype}; give true and false, for example `topology > 0`")
    if not np.isfinite(statistics).all() or (statistics < 0).any():
        raise ValueError(f"{whose} statistics hold a negative or missing number; give shares from 0 to 1")
    sums = statistics.sum(axis=1)
    if (wrong := np.flatnonzero(np.abs(sums - 1) > ROUNDING)).size:
        raise ValueError(
            f"{whose} statistics sum to {sums[wrong[0]]:.4g} in row {wrong[0]}; divide each row by its sum"
        )
