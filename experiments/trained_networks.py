"""The trained networks of a finished run of experiments.fed, read back with the data that they were tested on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from data.dataset import Dataset
from experiments import commandline, fed, starting
from experiments.configs import FedSettings
from experiments.detectors import detector_like
from experiments.federation import Federation, saved_like
from experiments.leakage import together
from experiments.loading import loaded, loaded_for_pretraining
from experiments.pretraining import kept_detector, nothing
from experiments.prior_axis import fitted, named, refuse_changed_priors, sight
from experiments.priors import annotations_of
from experiments.progress import Stages
from experiments.runfolder import RunFolder
from experiments.splitting import federations, repeated_splits
from experiments.tasks import Detector, Task, end_to_end, unseen
from fedpsyau_jax.batching import ClientSplit
from fedpsyau_jax.checkpoint import Restored, open_checkpoints
from fedpsyau_jax.types import ClientState, PyTree

READABLE = "fed"
"""The experiment whose networks stay in its folder."""


@dataclass(frozen=True)
class TrainedRun:
    """A run with its networks.

    Attributes:
      folder: of the run.
      settings: that it was run with.
      dataset: that its clients were trained and tested on.
      federations: its algorithms, priors, repeats and clients.
      detectors: through which the examples are seen; where clients train their own, only the priors are of use.
      task: what a client trains; its features are empty where the detector is frozen.
      clients: of each federation [algorithms, runs, clients, ...], packed.
      evaluations: test predictions of each federation, as saved.
      rounds: of training that the networks have behind them.
      passed_over: a sentence for each newer checkpoint that cannot be read.
    """

    folder: RunFolder
    settings: FedSettings
    dataset: Dataset
    federations: list[Federation]
    detectors: list[Detector]
    task: Task
    clients: list[ClientState]
    evaluations: list[dict[str, np.ndarray]]
    rounds: int
    passed_over: tuple[str, ...]


def read_run(folder: RunFolder, data_dir: Path | None, stages: Stages) -> TrainedRun:
    """Read a run back; nothing in its folder changes.

    Args:
      folder: of the run.
      data_dir: folder of the databases.
      stages: where progress is shown.

    Raises:
      ValueError: the folder is not one of such a run, its networks or data are not there, or the data are others.
    """
    settings = settings_of(folder)
    dataset = same_data(folder, settings, data_dir, stages)
    splits = repeated_splits(settings, dataset)
    priors, weights = _priors_and_detectors(folder, settings, dataset, splits, data_dir, stages)
    refuse_changed_priors(folder, "fed", named(priors))
    seen = sight(priors, weights)
    found = federations(settings, splits, seen.which * len(dataset.subject))
    if settings.train_au:
        task = end_to_end(settings, dataset, seen.detectors)
    else:
        task = unseen(settings, dataset, len(seen.detectors))
    restored = _restored(folder, [saved_like(settings, federation, task) for federation in found])
    states, evaluations = jax.device_get(restored.state)
    clients = [state.clients for state in states]
    return TrainedRun(
        folder,
        settings,
        dataset,
        found,
        seen.detectors,
        task,
        clients,
        evaluations,
        restored.step,
        restored.passed_over,
    )


def settings_of(folder: RunFolder) -> FedSettings:
    """The settings of a run whose networks can be looked into.

    Raises:
      ValueError: it is of another experiment, or nothing was trained, or it has no graph attention.
    """
    name = folder.read_json("config.json").get("experiment")
    if name != READABLE:
        raise ValueError(
            f"{folder.path} is a run of experiments.{name}, and only runs of experiments.{READABLE} keep the networks "
            "that attention is read from: give one of these"
        )
    settings = fed.read_settings(folder)
    if not folder.has("data.json") or not any(folder.checkpoints.glob("[0-9]*")):
        raise ValueError(f"{folder.path} has no checkpoint yet: let its first round end, or --resume it")
    choices = settings.network.architecture()
    if not choices.regional and not choices.global_:
        raise ValueError(
            f"{folder.path} was run with --network.variant={settings.network.variant}, which has no graph attention: "
            "no prior acts in it, and there is nothing to show"
        )
    return settings


def same_data(folder: RunFolder, settings: FedSettings, data_dir: Path | None, stages: Stages) -> Dataset:
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


def _priors_and_detectors(
    folder: RunFolder,
    settings: FedSettings,
    dataset: Dataset,
    splits: list[list[ClientSplit]],
    data_dir: Path | None,
    stages: Stages,
) -> tuple[list[Any], list[ClientState]]:
    """Of each prior, its value in each repeat and the detector that was pretrained with it."""
    names, annotations = settings.network.prior, annotations_of(dataset)
    training = [together(str(repeat), clients).train for repeat, clients in enumerate(splits)]
    priors = [fitted(name, annotations, training) for name in names]
    if settings.train_au:
        empty = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), detector_like(settings.network))
        return priors, [empty] * len(names)
    if settings.au_init is not None:
        source = fed.detector_source(settings, data_dir, stages)
        return priors, [source.weights(name, nothing) for name in names]
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
    return priors, clients


def _restored(folder: RunFolder, like: list[tuple[PyTree, PyTree]]) -> Restored:
    """The newest good checkpoint, on one device, whatever number it was written from.

    Raises:
      ValueError: none can be read.
    """
    here = SingleDeviceSharding(jax.devices()[0])
    wanted = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), like)
    states, evaluations = (list(part) for part in zip(*wanted, strict=True))
    with open_checkpoints(folder.checkpoints, read_only=True) as checkpoints:
        restored = checkpoints.restore((states, evaluations))
    if restored is None or restored.state is None:
        why = f" ({'; '.join(restored.passed_over)})" if restored else ""
        raise ValueError(f"no checkpoint of {folder.path} can be read{why}: run it again")
    return restored
