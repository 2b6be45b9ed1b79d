"""Pretrained AU detectors: trained on subjects outside every experiment by the same loop, then kept beside the data."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from data.dataset import Dataset
from experiments.inputs.databases import data_folder, loaded_for_pretraining
from experiments.inputs.detectors import PretrainedDetectors, detector_like
from experiments.inputs.priors import annotations_of, prior_named
from experiments.inputs.settings import NetworkSettings, RecognitionSettings, RunSettings
from experiments.run.progress import Stages
from experiments.training.loop import Job, train
from experiments.training.plan import Training, group
from experiments.training.program import Program, compiled
from experiments.training.recipe import numbers_of, pretraining_recipe
from experiments.training.shapes import job_arrays_like, task_of
from experiments.training.store import Store, rows_of, stack_priors
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.federated import local_only
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.splits import NOBODY, single_client
from fedpsyau_jax.types import ClientState

DETECTORS = "fedpsyau_jax_detectors"
"""Folder of pretrained detectors, beside the databases."""
RECIPE = 5
"""Raise it when the training changes: detectors trained by an older one are trained again."""
Meanwhile = Callable[[], object]
Clients = dict[NetworkSettings, ClientState]


def nothing() -> None:
    """Do nothing (the default for ``meanwhile``)."""


@dataclass(frozen=True)
class DetectorSource:
    """Where the AU detectors of a run come from.

    Attributes:
      subjects: who of the run's database was trained on.
      clients: from networks, each with one prior, to the detector of each; ``meanwhile`` is called once only training
        is left to do.
      ready: the detector of a network if nothing has to be trained for it, else None.
    """

    subjects: Sequence[str]
    clients: Callable[[Sequence[NetworkSettings], Meanwhile], Clients]
    ready: Callable[[NetworkSettings], ClientState | None] = lambda network: None


def detector_source(
    settings: RecognitionSettings, given: PretrainedDetectors | None, data_dir: Path | None, stages: Stages
) -> DetectorSource:
    """The detectors of ``--au-init``, if it was given; else those that are pretrained when asked for.

    Raises:
      ValueError, OSError: the pretraining data cannot be had.
    """
    if settings.au_detector == "scratch":
        return DetectorSource((), lambda networks, meanwhile: {})
    if given is not None:
        weights = given.weights
        return DetectorSource(
            given.subjects_of(settings.database),
            lambda networks, meanwhile: {own: weights[own.prior[0]] for own in networks},
            lambda network: weights[network.prior[0]],
        )
    dataset = loaded_for_pretraining(data_dir, stages)

    def pretrained(networks: Sequence[NetworkSettings], meanwhile: Meanwhile) -> Clients:
        return pretrained_detectors(networks, settings, dataset, data_dir, stages, meanwhile)

    ready = partial(kept_detector, settings=settings, dataset=dataset, data_dir=data_dir)
    return DetectorSource(np.unique(dataset.subject).tolist(), pretrained, ready)


def pretrained_detectors(
    networks: Sequence[NetworkSettings],
    settings: RunSettings,
    dataset: Dataset,
    data_dir: Path | None,
    stages: Stages,
    meanwhile: Meanwhile = nothing,
) -> Clients:
    """The detectors of some networks, trained on ``dataset`` unless they are kept beside the data.

    Args:
      networks: each with one prior; a prior made of annotations is made of those of ``dataset``.
      settings: how detectors are pretrained, and the seed.
      dataset: AU-labelled examples of subjects that no experiment holds.
      data_dir: folder of the databases.
      stages: where progress is shown.
      meanwhile: called once, as soon as only training is left to do.

    Returns:
      By network, the detector's own weights.
    """
    found = {own: kept_detector(own, settings, dataset, data_dir) for own in networks}
    missing: dict[NetworkSettings, list[NetworkSettings]] = {}
    for own, client in found.items():
        if client is None:
            missing.setdefault(replace(own, prior=("",), prior_ratio=0.0), []).append(own)
    for of_one_shape in missing.values():
        for own, client in _trained(of_one_shape, settings, dataset, stages, meanwhile).items():
            with open_checkpoints(_place(own, settings, dataset, data_dir), keep=1) as checkpoints:
                checkpoints.save(settings.pretraining.epochs, client)
            found[own] = client
        meanwhile = nothing
    return {own: client for own, client in found.items() if client is not None}


def kept_detector(
    network: NetworkSettings, settings: RunSettings, dataset: Dataset, data_dir: Path | None
) -> ClientState | None:
    """The detector of a network if it is kept beside the data, else None."""
    folder = _place(network, settings, dataset, data_dir)
    if not folder.is_dir():
        return None
    with open_checkpoints(folder, keep=1) as checkpoints:
        restored = checkpoints.restore(detector_like(network))
    state: ClientState | None = restored.state if restored else None
    return state


def _trained(
    networks: Sequence[NetworkSettings], settings: RunSettings, dataset: Dataset, stages: Stages, meanwhile: Meanwhile
) -> Mapping[NetworkSettings, ClientState]:
    everybody = single_client("all", np.arange(len(dataset.subject)), NOBODY)
    rows = rows_of(dataset.examples)
    trainings = []
    for network in networks:
        own = RunSettings(seed=settings.seed, network=network, pretraining=settings.pretraining)
        strategy = local_only(jnp.ones(1))
        given = (strategy, numbers_of(own), network, _priors(network, dataset), everybody.train)
        trainings.append(Training(f"the {network.prior[0]} prior", 0, 0, everybody, *given))
    detection = group("detectors", pretraining_recipe(settings), "detection", trainings)
    store = Store(rows.examples, None, None, stack_priors(detection.kinds))
    task = task_of(detection, 0, store)
    clients: dict[NetworkSettings, ClientState] = {}

    def program(size: int) -> Program:
        with stages.stage("compiling AU pretraining"):
            done = compiled(detection.recipe, task, store, job_arrays_like(detection, size, rows.shown, settings.seed))
        meanwhile()
        return done

    job = Job(
        settings=RunSettings(seed=settings.seed, pretraining=settings.pretraining),
        group=detection,
        task=task,
        store=store,
        shown=rows.shown,
        program=program,
        unit="epoch",
        title="AU pretraining",
        keep=lambda place, client, network: clients.update({networks[place]: network}),
        wanted=frozenset((place, 0) for place in range(len(networks))),
    )
    outcome = train(job, stages)
    if outcome.problem:
        raise ValueError(outcome.problem.replace("--learning-rate", "--pretraining.learning-rate"))
    return clients


def _priors(network: NetworkSettings, dataset: Dataset) -> Priors:
    (name,) = network.prior
    priors: Priors = jax.tree.map(np.asarray, prior_named(name)(annotations_of(dataset)))
    return priors


def _place(network: NetworkSettings, settings: RunSettings, dataset: Dataset, data_dir: Path | None) -> Path:
    """Where such a detector is kept: another folder for whatever it depends on."""
    priors = [leaf.tolist() for leaf in jax.tree.leaves(_priors(network, dataset))]
    recipe = {"recipe": RECIPE, "data": dataset.fingerprint, "seed": settings.seed, "jax": jax.__version__}
    recipe |= {"backend": jax.default_backend(), "pretraining": asdict(settings.pretraining)}
    recipe |= {"network": asdict(network) | {"prior": priors}}
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return data_folder(data_dir) / DETECTORS / digest
