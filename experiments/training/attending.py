"""Which networks of a finished run to test again, grouped by shape, and over which examples to average attention."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from experiments.inputs.network_settings import NetworkSettings
from experiments.training.data import RunData
from experiments.training.plan import DetectorView, Group, Training, distinct
from experiments.training.restore import KeptNetwork, Restored
from fedpsyau_jax.types import Int

EVERY_ALGORITHM = "every algorithm"


class Part(NamedTuple):
    """Examples to average attention over: the test examples of one client or fold.

    Attributes:
      title: of the rows of attention.csv.
      view: index of the detector view (priors, and frozen detector) that the examples pass through.
      examples: which ones.
    """

    title: str
    view: int
    examples: Int[np.ndarray, "examples"]


@dataclass(frozen=True)
class Shape:
    """Networks of one shape: one compiled program tests them all.

    Attributes:
      data: what they were trained and tested on.
      network: of all of them, except for prior and ratio.
      frozen: whether their AU detectors are frozen.
      networks: the kept networks.
      views: the distinct detector views; ``view``: index of the view of each kept network.
      parts: what attention is averaged over: with frozen detectors, the test examples of all clients or folds, even if
        their network was not kept; else those of each kept network.
    """

    data: RunData
    network: NetworkSettings
    frozen: bool
    networks: tuple[KeptNetwork, ...]
    views: tuple[DetectorView, ...]
    view: tuple[int, ...]
    parts: tuple[Part, ...]


def has_attention(network: NetworkSettings) -> bool:
    """Whether a network has graph attention, and so uses a prior."""
    choices = network.architecture()
    return choices.regional or choices.global_


def shapes_of(restored: Restored) -> list[Shape]:
    """The networks of a run that have graph attention, by shape; shapes without anything to show are left out."""
    by_shape: dict[tuple[int, bool, NetworkSettings], list[Group]] = {}
    for group in restored.prepared.table.groups:
        if has_attention(group.network):
            shape = group.data, group.au == "frozen", replace(group.network, prior=("",), prior_ratio=0.0)
            by_shape.setdefault(shape, []).append(group)
    shapes = [_shape(restored, *shape, groups) for shape, groups in by_shape.items()]
    return [shape for shape in shapes if shape.parts]


def last_ratio(group: Group, training: Training) -> float:
    """The prior ratio that a training is tested with: that of the last round, even if an earlier round is selected."""
    return training.network.prior_ratio if group.au == "frozen" else float(training.numbers.ratio[-1])


def _shape(restored: Restored, number: int, frozen: bool, network: NetworkSettings, groups: Sequence[Group]) -> Shape:
    data = restored.prepared.data[number]
    group_ids = {id(group) for group in groups}
    networks = tuple(kept for kept in restored.networks if id(kept.group) in group_ids)
    trainings = [training for group in groups for training in group.trainings]
    distinct_priors, which = distinct([training.priors for training in trainings])
    keys = [(training.network if frozen else network, kind) for training, kind in zip(trainings, which, strict=True)]
    different = list(dict.fromkeys(keys))
    views = tuple(DetectorView(pretrained, distinct_priors[kind]) for pretrained, kind in different)
    view_of = {id(training): different.index(key) for training, key in zip(trainings, keys, strict=True)}
    view = tuple(view_of[id(kept.training)] for kept in networks)
    if frozen:
        parts = [
            Part(title, view_of[id(training)], client.test)
            for title, row in _shared_by(trainings).items()
            for training in trainings
            if training.row == row
            for client in data.repeats[training.repeat][training.number].clients
        ]
    else:
        parts = [Part(kept.training.row, place, kept.test) for kept, place in zip(networks, view, strict=True)]
    return Shape(data, network, frozen, networks, views, view, tuple(parts))


def _shared_by(trainings: Sequence[Training]) -> dict[str, str]:
    """For each group of rows that share frozen detectors: a common title, and the first row."""
    rows: dict[NetworkSettings, list[str]] = {}
    for training in trainings:
        titles = rows.setdefault(training.network, [])
        if training.row not in titles:
            titles.append(training.row)
    return {shared_title(titles): titles[0] for titles in rows.values()}


def shared_title(titles: Sequence[str]) -> str:
    """A common title of several rows of a table: the parts that their titles share.

    >>> shared_title(["FedAvg, published prior", "P-FedProx, published prior"])
    'every algorithm, published prior'
    >>> shared_title(["frozen AU module, mu 1", "frozen AU module, mu 2"])
    'frozen AU module'
    """
    first, *others = (title.split(", ") for title in titles)
    common = [part for part in first if all(part in other for other in others)]
    return ", ".join(common if first[0] in common else [EVERY_ALGORITHM, *common])
