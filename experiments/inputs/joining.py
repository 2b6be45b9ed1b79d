"""Several databases as one: common classes, and names of subjects and clips that say whose they are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from data.dataset import Dataset, fingerprint, sites_of, with_classes
from data.labels import EMOTIONS, class_names
from experiments.inputs.plugins import is_plugin
from experiments.inputs.settings import CLASSES
from fedpsyau_jax.types import Examples

FEWEST_CLASSES = 3
"""Classes of databases that differ: those that every protocol can be mapped to."""


def with_common_classes(names: Sequence[str], datasets: Sequence[Dataset], classes: int | None) -> list[Dataset]:
    """Map databases to the same emotion classes.

    Args:
        names: of the databases, as on the command line.
        datasets: with their own emotions.
        classes: 3, 4 or 7; None for the usual of the databases if it is the same for all, else 3. The usual of a
            user's own database are its own.

    Raises:
        ValueError: an emotion of a user's own database is none that can be mapped, no example is left of a database,
            or their seven classes are others.
    """
    number = classes or _usual_number(names, datasets)
    if number is None:
        return list(datasets)
    for name, one in zip(names, datasets, strict=True):
        unknown = [emotion for emotion in one.class_names if emotion not in EMOTIONS]
        if is_plugin(name) and unknown:
            raise ValueError(
                f"--database={name}: its class {unknown[0]} is no emotion that can be mapped to {number} classes; call "
                f"its classes {', '.join(EMOTIONS)}"
            )
    mapped = [with_classes(one, number) for one in datasets]
    if len({one.class_names for one in mapped}) > 1:
        listed = "; ".join(f"{one.database}: {', '.join(one.class_names)}" for one in mapped)
        raise ValueError(f"--classes={number}: the databases have other classes ({listed}); choose 3 or 4")
    return mapped


def _usual_number(names: Sequence[str], datasets: Sequence[Dataset]) -> int | None:
    """Number of the classes that all databases usually have, 3 if they differ; None for those of users' own ones."""
    numbers = [CLASSES.get(name) for name in names]
    usual = {
        one.class_names if number is None else class_names(number, name)
        for name, number, one in zip(names, numbers, datasets, strict=True)
    }
    return FEWEST_CLASSES if len(usual) > 1 else next((number for number in numbers if number), None)


def all_examples(datasets: Sequence[Dataset]) -> Examples:
    """The examples of several datasets, one after the other."""
    examples: Examples = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(one.examples for one in datasets))
    return examples


def all_drops(datasets: Sequence[Dataset]) -> dict[str, Any]:
    """Metadata of several datasets together: what was dropped of each."""
    return {"dropped": [drop for one in datasets for drop in one.metadata.get("dropped", [])]}


def joined(datasets: Sequence[Dataset]) -> Dataset:
    """One database as it is; several as one, with subjects, clips and sites as database/name.

    The same name in two databases means two people. The site of an example is its database, or database/subset where
    the database has several. What a database does not annotate stays masked.

    Args:
        datasets: with the same classes and action units.

    Raises:
        ValueError: two databases have the same name.
    """
    if len(datasets) == 1:
        return datasets[0]
    names = [one.database for one in datasets]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"two databases are called {twice[0]}, so that nobody could tell their subjects apart")
    together = Dataset(
        name="+".join(names),
        examples=all_examples(datasets),
        subject=np.concatenate([prefixed(name, one.subject) for name, one in zip(names, datasets, strict=True)]),
        clip=np.concatenate([prefixed(name, one.clip) for name, one in zip(names, datasets, strict=True)]),
        class_names=datasets[0].class_names,
        au_names=datasets[0].au_names,
        synthetic=any(one.synthetic for one in datasets),
        fingerprint="",
        metadata=all_drops(datasets),
        site=np.concatenate([_sites(one) for one in datasets]),
    )
    return replace(together, fingerprint=fingerprint(together))


def database_of_site(sites: np.ndarray) -> np.ndarray:
    """The databases of the sites of a joined dataset.

    >>> database_of_site(np.array(["dfme/A", "samm"])).tolist()
    ['dfme', 'samm']
    """
    return np.array([site.partition("/")[0] for site in sites])


def prefixed(database: str, names: Sequence[str] | np.ndarray) -> np.ndarray:
    """Prefix subjects, clips or sites with their database.

    >>> prefixed("samm", ["006", "007"]).tolist()
    ['samm/006', 'samm/007']
    """
    return np.array([f"{database}/{name}" for name in names])


def _sites(dataset: Dataset) -> np.ndarray:
    sites, name = sites_of(dataset), dataset.database
    return prefixed(name, sites) if len(np.unique(sites)) > 1 else np.full(len(sites), name)
