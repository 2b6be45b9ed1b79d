"""The networks of a run of experiments.fed, read back from its last good checkpoint."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.sharding import SingleDeviceSharding

from experiments import fed
from experiments.inputs.configs import FedSettings
from experiments.inputs.prior_axis import fitted, named, refuse_changed_priors, sight
from experiments.inputs.priors import annotations_of
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training import comparison
from experiments.training.federation import Federation, saved_like
from experiments.training.splitting import federations, repeated_splits
from experiments.training.tasks import Detector, Task, end_to_end, unseen
from experiments.training.trained_networks import (
    Evaluations,
    Networks,
    Progress,
    TrainedRun,
    by_rows,
    frozen_detectors,
    no_detectors,
    refuse_without_attention,
    same_data,
)
from fedpsyau_jax.checkpoint import Restored, open_checkpoints
from fedpsyau_jax.splits.leakage import together
from fedpsyau_jax.types import Batch, ClientState, PyTree

EVERY_ALGORITHM = "every algorithm"


def settings_of(folder: RunFolder) -> FedSettings:
    """The settings of a run whose networks can be looked into.

    Raises:
      ValueError: nothing was trained, or it has no graph attention.
    """
    settings = fed.read_settings(folder)
    if not folder.has("data.json") or not any(folder.checkpoints.glob("[0-9]*")):
        raise ValueError(f"{folder.path} has no checkpoint yet: let its first round end, or --resume it")
    refuse_without_attention(folder, settings.network)
    return settings


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
    annotations = annotations_of(dataset)
    training = [together(str(repeat), clients).train for repeat, clients in enumerate(splits)]
    priors = [fitted(name, annotations, training) for name in settings.network.prior]
    if settings.train_au:
        weights = no_detectors(settings.network)
    else:
        weights = frozen_detectors(folder, settings, data_dir, stages)
    refuse_changed_priors(folder, "fed", named(priors))
    seen = sight(priors, weights)
    found = federations(settings, splits, seen.which * len(dataset.subject))
    if settings.train_au:
        task = end_to_end(settings, dataset, seen.detectors)
    else:
        task = unseen(settings, dataset, len(seen.detectors))
    restored = _restored(folder, [saved_like(settings, federation, task) for federation in found])
    states, evaluations = jax.device_get(restored.state)
    experiment = comparison.Experiment(settings, folder, dataset, found)
    return of_federations(experiment, seen.detectors, task, [state.clients for state in states], evaluations, restored)


def of_federations(
    experiment: comparison.Experiment,
    detectors: list[Detector],
    task: Task,
    clients: Sequence[ClientState],
    evaluations: Evaluations,
    restored: Restored,
) -> TrainedRun:
    """A run from its parts.

    Args:
      experiment: what was run.
      detectors: through which the examples are seen.
      task: what a client trains; its features are empty where the detector is frozen.
      clients: of each federation [algorithms, runs, clients, ...], packed.
      evaluations: test predictions of each federation, as saved.
      restored: how many rounds that is after, and what was passed over.
    """
    settings, dataset, found = experiment.settings, experiment.dataset, experiment.federations
    groups = [_networks(federation, own) for federation, own in zip(found, clients, strict=True)]
    return TrainedRun(
        experiment.folder,
        dataset,
        settings.network,
        settings.network.prior_ratio,
        detectors,
        None if settings.train_au else EVERY_ALGORITHM,
        task.unpacked,
        groups,
        lambda logits: _predictions(experiment, logits),
        _predictions(experiment, evaluations)[0],
        Progress("client", "round", settings.clients, restored.step, settings.rounds, settings.repeats),
        restored.passed_over,
    )


def _networks(federation: Federation, clients: ClientState) -> Networks:
    """Those of one federation, its clients [algorithms, runs, clients, ...]."""
    titles, repeats = federation.titles, len(federation.splits)
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[3:]), clients)
    tests: Batch = jax.tree.map(
        lambda leaf: jnp.tile(leaf.reshape(-1, leaf.shape[-1]), (len(federation.algorithms), 1)),
        federation.data().test,
    )
    tested = [[client.test for client in clients] for clients in federation.splits]
    return Networks(titles, tested, by_rows(flat, len(titles), repeats), by_rows(tests, len(titles), repeats))


def _predictions(experiment: comparison.Experiment, evaluations: Evaluations) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows as in predictions.csv and au_predictions.csv of the run; AUs that were not saved are not known."""
    num_aus = len(experiment.dataset.au_names)
    parts = [
        comparison.predictions(
            experiment,
            federation,
            {"au": np.full((*evaluation["emotion"].shape[:-1], num_aus), np.nan), **evaluation},
            np.empty((0, num_aus)),
        )
        for federation, evaluation in zip(experiment.federations, evaluations, strict=True)
    ]
    emotions, aus = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return emotions, aus


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
