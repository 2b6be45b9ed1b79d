"""Priors by name, for ``--prior``: one of the table below, or ``module:function`` of your own."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from data.dataset import Dataset
from experiments.inputs.corpus import Corpus
from experiments.inputs.plugins import attribute, near, told
from fedpsyau_jax.priors import (
    AnnotationTable,
    Prior,
    Priors,
    as_priors,
    from_annotations,
    published,
    shuffle_edges,
    uniform,
)

PriorsOfTable = Callable[[AnnotationTable], Priors]
ROUNDING = 1e-4


def cooccurrence(table: AnnotationTable) -> Priors:
    """The published topologies with statistics of these annotations, every clip with the same weight."""
    statistics = as_priors(from_annotations(table.aus, table.mask))
    return Priors(*(ours._replace(topology=p.topology) for ours, p in zip(statistics, published(), strict=True)))


def shuffled(table: AnnotationTable, seed: int = 0) -> Priors:
    """The published priors with their edges shuffled: the control; see ``shuffle_edges``."""
    del table
    keys = jax.random.split(jax.random.key(seed), 3)
    return Priors(*(shuffle_edges(prior, key) for prior, key in zip(published(), keys, strict=True)))


def no_topology(table: AnnotationTable) -> Priors:
    """Every AU may attend to every other, and goes with each equally often."""
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
    """What a value of ``--prior`` means: a function from (training) annotations to the network's priors.

    Args:
        text: a name of ``NAMED``; ``shuffled:SEED``; or ``module:name``, where name is a function
            ``AnnotationTable -> Prior or Priors``, or a Prior or Priors.

    Returns:
        a function that checks what comes out: shapes, topologies of true and false, rows that sum to 1.

    Raises:
        ValueError: no such name, module or function; from the function returned, a prior that is none.

    >>> prior_named("published")(None).upper.topology.shape  # needs no annotations
    (6, 6)
    """
    module_name, colon, name = text.partition(":")
    if not colon:
        if text not in NAMED:
            choices = ", ".join(NAMED)
            raise ValueError(f"--prior={text}: {near(text, NAMED)}there are {choices}, and your own as module:function")
        return NAMED[text]
    if module_name == "shuffled" and name.isdecimal():
        return partial(shuffled, seed=int(name))
    return _of_ones_own(text)


def annotations_of(dataset: Dataset | Corpus) -> AnnotationTable:
    """What the annotators of one or several datasets wrote."""
    examples = dataset.examples
    aus, mask, emotion = (np.asarray(values) for values in (examples.au, examples.au_mask, examples.emotion))
    return AnnotationTable(aus, mask, emotion, dataset.subject)


def _of_ones_own(text: str) -> PriorsOfTable:
    found = attribute("--prior", text)
    if not isinstance(found, Prior | Priors) and (not callable(found) or inspect.isclass(found)):
        name = text.partition(":")[2]
        raise ValueError(f"--prior={text}: {name} is neither a function of an AnnotationTable nor a Prior")
    return _checked(text, found)


def _checked(text: str, made_by: Any) -> PriorsOfTable:
    def priors(table: AnnotationTable) -> Priors:
        try:
            made = made_by if isinstance(made_by, Prior | Priors) else made_by(table)
        except Exception as error:
            raise ValueError(f"--prior={text}: the function failed ({told(error)})") from error
        if not isinstance(made, Prior | Priors):
            raise ValueError(f"--prior={text}: the function returned {type(made).__name__}, not a Prior or Priors")
        return check_priors(made, f"--prior={text}")

    return priors


def check_priors(made: Prior | Priors, where: str) -> Priors:
    """The network's priors, if they are priors.

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
