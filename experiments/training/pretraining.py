"""The pretrained AU detector: trained on subjects outside every federation, then kept beside the data."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from data.dataset import Dataset
from experiments.inputs.configs import NetworkSettings, PretrainingSettings
from experiments.inputs.detectors import detector_like
from experiments.inputs.priors import annotations_of, prior_named
from experiments.run import commandline
from experiments.run.progress import Stages
from experiments.training.detector_training import DetectorTrial, train_detectors
from experiments.training.tasks import Detector, detection
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import Array, Params

DETECTORS = "fedpsyau_jax_detectors"
"""Folder of pretrained detectors, beside the databases."""
BRANCH = 0.05
RATES = {"spatial": 0.01, "upper": 0.1, "lower": 0.1, "global": 0.1}
RECIPE = 4
"""Raise it when the training below changes: detectors trained by an older one are trained again."""


def nothing() -> None:
    """What there is to do beside a training, usually."""


def pretrained_detector(
    network: NetworkSettings,
    choices: PretrainingSettings,
    seed: int,
    dataset: Dataset,
    data_dir: Path | None,
    stages: Stages,
    meanwhile: Callable[[], object] = nothing,
) -> Detector:
    """The AU detector of these settings, trained on ``dataset`` unless it is kept beside the data already.

    Args:
      network: which network, with one prior; a prior made of annotations is made of those of ``dataset``.
      choices: how it is trained.
      seed: of its weights and batches.
      dataset: AU-labelled examples of subjects that no federation holds.
      data_dir: folder of the databases.
      stages: where progress is shown.
      meanwhile: begins what else there is to do, once, as soon as only training is left here.

    Returns:
      Its weights, and the prior that it was trained with.
    """
    if (kept := kept_detector(network, choices, seed, dataset, data_dir)) is not None:
        return kept
    folder, priors = _place(network, choices, seed, dataset, data_dir)
    task = detection(network, [priors], dataset.examples, quiet_residuals)
    everybody = DetectorTrial("", seed, np.arange(len(dataset.subject)))
    (detector,) = train_detectors(task, RATES, choices, [everybody], stages, meanwhile=meanwhile)
    with open_checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(choices.epochs, detector.client)
    return Detector(detector.client, priors)


def kept_detector(
    network: NetworkSettings, choices: PretrainingSettings, seed: int, dataset: Dataset, data_dir: Path | None
) -> Detector | None:
    """The detector of ``pretrained_detector`` if it is kept beside the data, else None."""
    folder, priors = _place(network, choices, seed, dataset, data_dir)
    if not folder.is_dir():
        return None
    with open_checkpoints(folder, keep=1) as checkpoints:
        restored = checkpoints.restore(detector_like(network))
    if restored is None or restored.state is None:
        return None
    return Detector(restored.state, priors)


def _place(
    network: NetworkSettings, choices: PretrainingSettings, seed: int, dataset: Dataset, data_dir: Path | None
) -> tuple[Path, Priors]:
    """Where such a detector is kept, another folder for whatever it depends on; and the prior that it sees through."""
    (name,) = network.prior
    priors: Priors = jax.tree.map(np.asarray, prior_named(name)(annotations_of(dataset)))
    recipe = {"recipe": RECIPE, "data": dataset.fingerprint, "seed": seed, "jax": jax.__version__}
    recipe |= {"backend": jax.default_backend(), "pretraining": asdict(choices)}
    recipe |= {"network": asdict(network) | {"prior": [leaf.tolist() for leaf in jax.tree.leaves(priors)]}}
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return commandline.data_folder(data_dir) / DETECTORS / digest, priors


def quiet_residuals(detector: Params) -> Params:
    """The same weights with the last layers of all residual branches (SSE, DPK-GATs) made small.

    As they are drawn, random branches drown what they are added to, and a short training never recovers the AUs.
    """

    def scaled(path: tuple[Any, ...], leaf: Array) -> Array:
        names = [entry.key for entry in path]
        return leaf * (BRANCH if names[-1] == "out_W" or names[-2] == "contract" else 1)

    return jax.tree_util.tree_map_with_path(scaled, detector)
