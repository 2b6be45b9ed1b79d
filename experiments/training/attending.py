"""What of a run can be looked into again: its networks by shape, and the parts that attention is averaged over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from experiments.inputs.settings import NetworkSettings
from experiments.training.plan import Group, Sight, Training, distinct
from experiments.training.restore import KeptNetwork, Restored
from fedpsyau_jax.types import Int

EVERY_ALGORITHM = "every algorithm"


class Part(NamedTuple):
    """Examples that attention is averaged over first: the tests of a client or fold.

    Attributes:
      title: of the rows of attention.csv.
      sight: number of the priors, and of the frozen detector, that the examples are seen through.
      examples: which ones.
    """

    title: str
    sight: int
    examples: Int[np.ndarray, "examples"]


@dataclass(frozen=True)
class Shape:
    """Networks of one shape: one compiled program tests them all.

    Attributes:
      network: of all of them, but for prior and ratio.
      frozen: whether their AU detectors are frozen.
      networks: those that are kept, one after the other.
      sights: priors, and networks that name frozen detectors, that differ; ``sight``: of each kept network.
      parts: what attention is averaged over: with frozen detectors the tests of all clients or folds, whoever is kept;
        else those of each kept network.
    """

    network: NetworkSettings
    frozen: bool
    networks: tuple[KeptNetwork, ...]
    sights: tuple[Sight, ...]
    sight: tuple[int, ...]
    parts: tuple[Part, ...]


def has_attention(network: NetworkSettings) -> bool:
    """Whether priors act in a network."""
    choices = network.architecture()
    return choices.regional or choices.global_


def shapes_of(restored: Restored) -> list[Shape]:
    """The networks of a run that have graph attention, by shape; shapes of which nothing can be shown are left out."""
    by_shape: dict[tuple[bool, NetworkSettings], list[Group]] = {}
    for group in restored.prepared.table.groups:
        if has_attention(group.network):
            shape = group.au == "frozen", replace(group.network, prior=("",), prior_ratio=0.0)
            by_shape.setdefault(shape, []).append(group)
    shapes = [_shape(restored, *shape, groups) for shape, groups in by_shape.items()]
    return [shape for shape in shapes if shape.parts]


def last_ratio(group: Group, training: Training) -> float:
    """The prior ratio that a training is tested with: that of the last round, also where an earlier one is selected."""
    return training.network.prior_ratio if group.au == "frozen" else float(training.numbers.ratio[-1])


def _shape(restored: Restored, frozen: bool, network: NetworkSettings, groups: Sequence[Group]) -> Shape:
    own = {id(group) for group in groups}
    networks = tuple(kept for kept in restored.networks if id(kept.group) in own)
    trainings = [training for group in groups for training in group.trainings]
    kinds, which = distinct([training.priors for training in trainings])
    seen = [(training.network if frozen else network, kind) for training, kind in zip(trainings, which, strict=True)]
    different = list(dict.fromkeys(seen))
    sights = tuple(Sight(own_network, kinds[kind]) for own_network, kind in different)
    sight_of = {id(training): different.index(key) for training, key in zip(trainings, seen, strict=True)}
    sight = tuple(sight_of[id(kept.training)] for kept in networks)
    if frozen:
        parts = [
            Part(title, sight_of[id(training)], client.test)
            for title, row in _shared_by(trainings).items()
            for training in trainings
            if training.row == row
            for client in restored.prepared.repeats[training.repeat][training.number].clients
        ]
    else:
        parts = [Part(kept.training.row, place, kept.test) for kept, place in zip(networks, sight, strict=True)]
    return Shape(network, frozen, networks, sights, sight, tuple(parts))


def _shared_by(trainings: Sequence[Training]) -> dict[str, str]:
    """By a title for all rows that share frozen detectors, the first of these rows."""
    rows: dict[NetworkSettings, list[str]] = {}
    for training in trainings:
        titles = rows.setdefault(training.network, [])
        if training.row not in titles:
            titles.append(training.row)
    return {shared_title(titles): titles[0] for titles in rows.values()}


def shared_title(titles: Sequence[str]) -> str:
    """What several rows of a table are called together: the parts that their titles have in common.

    >>> shared_title(["FedAvg, published prior", "P-FedProx, published prior"])
    'every algorithm, published prior'
    >>> shared_title(["frozen AU module, mu 1", "frozen AU module, mu 2"])
    'frozen AU module'
    """
    first, *others = (title.split(", ") for title in titles)
    common = [part for part in first if all(part in other for other in others)]
    return ", ".join(common if first[0] in common else [EVERY_ALGORITHM, *common])
