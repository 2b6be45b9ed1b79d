"""What experiments.explain needs of a finished run, whatever experiment it is of; and what such a run must have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from data.dataset import Dataset
from experiments import fed
from experiments.inputs.configs import FedSettings, NetworkSettings
from experiments.inputs.databases import loaded, loaded_for_pretraining
from experiments.inputs.detectors import detector_like
from experiments.inputs.mer_settings import MerSettings
from experiments.run import commandline, starting
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training.pretraining import kept_detector, nothing
from experiments.training.tasks import Detector
from fedpsyau_jax.types import Batch, ClientState, Int, PyTree

Evaluations = Sequence[dict[str, np.ndarray]]
"""For each group of networks its predictions: logits [rows, repeats, parts, test examples, ...]."""


@dataclass(frozen=True)
class Networks:
    """Networks of one shape, each with test examples of its own: of the clients of a federation, or of folds.

    Attributes:
      titles: [rows] what they are called in tables; with several priors, a row has one of them.
      tested: [repeats][parts] the examples that the networks of a client or fold are tested on.
      clients: their weights, leaves [rows, repeats, parts, ...].
      tests: the same examples as indices, padded, [rows, repeats, parts, test examples]; as the n-th detector sees
        them, the examples begin at n times their number.
    """

    titles: Sequence[str]
    tested: Sequence[Sequence[Int[np.ndarray, "examples"]]]
    clients: ClientState
    tests: Batch


@dataclass(frozen=True)
class Progress:
    """How far the training of a run got.

    Attributes:
      part, unit: "client" and "round", or "fold" and "epoch".
      parts: how many there are.
      done, wanted: rounds or epochs.
      repeats: of everything.
      decayed: whether the prior ratio decayed from 1, instead of being the same throughout.
    """

    part: str
    unit: str
    parts: int
    done: int
    wanted: int
    repeats: int
    decayed: bool = False


@dataclass(frozen=True)
class TrainedRun:
    """A run with its networks.

    Attributes:
      folder: of the run.
      dataset: that its networks were trained and tested on.
      network: its settings.
      ratio: prior ratio that its networks were tested with.
      detectors: through which the examples are seen; where networks train their own, only the priors are of use.
      frozen: what all rows together are called whose detectors are frozen; None where each network trains its own.
      unpacked: from the weights of ``groups`` to the network's own.
      groups: its networks; those of one group are of one shape.
      predictions: from logits to rows of predictions.csv and au_predictions.csv.
      before: predictions.csv, or what it would be after the last round that was saved.
      progress: how far its training got.
      passed_over: a sentence for each newer checkpoint that cannot be read.
    """

    folder: RunFolder
    dataset: Dataset
    network: NetworkSettings
    ratio: float
    detectors: list[Detector]
    frozen: str | None
    unpacked: Callable[[ClientState], ClientState]
    groups: list[Networks]
    predictions: Callable[[Evaluations], tuple[pd.DataFrame, pd.DataFrame]]
    before: pd.DataFrame
    progress: Progress
    passed_over: tuple[str, ...] = ()


def by_rows(tree: PyTree, rows: int, repeats: int) -> PyTree:
    """Leaves [rows * repeats * parts, ...] as [rows, repeats, parts, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(rows, repeats, -1, *leaf.shape[1:]), tree)


def refuse_without_attention(folder: RunFolder, network: NetworkSettings) -> None:
    """See that priors act in a network.

    Raises:
      ValueError: they do not.
    """
    choices = network.architecture()
    if not choices.regional and not choices.global_:
        raise ValueError(
            f"{folder.path} was run with --network.variant={network.variant}, which has no graph attention: no prior "
            "acts in it, and there is nothing to show"
        )


def same_data(folder: RunFolder, settings: FedSettings | MerSettings, data_dir: Path | None, stages: Stages) -> Dataset:
    """The database of a run.

    Raises:
      ValueError: it is not there, or another one now.
    """
    facts, place = folder.read_json("data.json"), commandline.data_folder(data_dir)
    if not settings.is_own and not (place / facts["name"]).is_dir():
        raise ValueError(
            f"{folder.path} was run on {facts['name']}, which is not in {place}: give its place with --data-dir"
        )
    dataset = loaded(settings, data_dir, None, stages)
    so = "its networks cannot be tested on them; run it again"
    starting.refuse_changed(folder, facts["fingerprint"], dataset, so)
    return dataset


def frozen_detectors(
    folder: RunFolder, settings: FedSettings | MerSettings, data_dir: Path | None, stages: Stages
) -> list[ClientState]:
    """[priors] the detector that a run saw through with each prior.

    Raises:
      ValueError: one is not there any more.
    """
    names: Sequence[str] = settings.network.prior
    if settings.au_init is not None:
        source = fed.detector_source(settings, data_dir, stages)
        return [source.weights(name, nothing) for name in names]
    detector_data = loaded_for_pretraining(data_dir, stages)
    clients = []
    for name in names:
        network = replace(settings.network, prior=(name,))
        kept = kept_detector(network, settings.pretraining, settings.seed, detector_data, data_dir)
        if kept is None:
            raise ValueError(
                f"the AU detector of {folder.path} is not in {commandline.data_folder(data_dir)}: give the folder of "
                "the run's data with --data-dir, on the kind of device and with the version of JAX that it ran with"
            )
        clients.append(kept.client)
    return clients


def no_detectors(network: NetworkSettings) -> list[Any]:
    """[priors] weights that stand for those of a detector where each network has its own."""
    empty = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), detector_like(network))
    return [empty] * len(network.prior)
