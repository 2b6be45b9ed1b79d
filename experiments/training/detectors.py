"""Pretrained AU detectors: trained on subjects outside every experiment, and cached in the data folder."""

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
from experiments.inputs.databases import data_folder, load_pretraining_dataset
from experiments.inputs.detectors import PretrainedDetectors, detector_like
from experiments.inputs.joining import prefixed
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.priors import annotations_of, prior_named
from experiments.inputs.settings import RecognitionSettings, RunSettings
from experiments.run.progress import Stages
from experiments.training.loop import Job, train
from experiments.training.plan import Training, group
from experiments.training.program import Program, compile_program
from experiments.training.recipe import numbers_of, pretraining_recipe
from experiments.training.shapes import job_arrays_like, task_of
from experiments.training.store import Store, rows_of, stack_priors
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.federated import local_only
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.splits import NOBODY, single_client
from fedpsyau_jax.types import ClientState

DETECTORS = "fedpsyau_jax_detectors"
"""Subfolder of the data folder for pretrained detectors."""
RECIPE = 5
"""Version of the pretraining. Raise it when the training changes, so that older cached detectors are not used."""
Meanwhile = Callable[[], object]
Clients = dict[NetworkSettings, ClientState]


def nothing() -> None:
    """Do nothing (the default for ``meanwhile``)."""


@dataclass(frozen=True)
class DetectorSource:
    """Where the AU detectors of a run come from.

    Attributes:
      subjects: subjects of the run's databases that the detectors were trained on; of several, as database/subject.
      clients: function from networks, each with one prior, to their detectors; it calls ``meanwhile`` once, as soon as
        only training is left to do.
      ready: the detector of a network if it need not be trained, else None.
      num_pretrained: number of all subjects that the detectors were trained on.
      databases: of these subjects.
    """

    subjects: Sequence[str]
    clients: Callable[[Sequence[NetworkSettings], Meanwhile], Clients]
    ready: Callable[[NetworkSettings], ClientState | None] = lambda network: None
    num_pretrained: int = 0
    databases: tuple[str, ...] = ()


def detector_source(
    settings: RecognitionSettings,
    databases: Sequence[str],
    au_init: PretrainedDetectors | None,
    data_dir: Path | None,
    stages: Stages,
    *,
    only_read: bool = False,
) -> DetectorSource:
    """The detectors of ``--au-init``, if given; else detectors that are pretrained when requested.

    Args:
      settings: of the run.
      databases: names of the run's databases.
      au_init: detectors that the user gives.
      data_dir: folder of the databases.
      stages: where progress is shown.
      only_read: whether to refuse missing or outdated data rather than to build them.

    Raises:
      ValueError, OSError: the pretraining data cannot be had.
    """
    if settings.au_detector == "scratch":
        return DetectorSource((), lambda networks, meanwhile: {})
    if au_init is not None:
        weights = au_init.weights
        return DetectorSource(
            au_init.subjects_of(databases),
            lambda networks, meanwhile: {network: weights[network.prior[0]] for network in networks},
            lambda network: weights[network.prior[0]],
            len(au_init.subjects),
            tuple(dict.fromkeys(name.partition("/")[0] for name in au_init.subjects)),
        )
    dataset = load_pretraining_dataset(data_dir, stages, only_read=only_read)

    def pretrained(networks: Sequence[NetworkSettings], meanwhile: Meanwhile) -> Clients:
        return pretrained_detectors(networks, settings, dataset, data_dir, stages, meanwhile)

    ready = partial(stored_detector, settings=settings, dataset=dataset, data_dir=data_dir)
    subjects = np.unique(dataset.subject)
    seen = subjects if len(databases) == 1 else prefixed(dataset.database, subjects)
    return DetectorSource(seen.tolist(), pretrained, ready, len(subjects), (dataset.name,))


def pretrained_detectors(
    networks: Sequence[NetworkSettings],
    settings: RunSettings,
    dataset: Dataset,
    data_dir: Path | None,
    stages: Stages,
    meanwhile: Meanwhile = nothing,
) -> Clients:
    """The detectors of some networks, read from the data folder or trained on ``dataset``.

    Args:
      networks: each with one prior; a prior based on annotations is computed from those of ``dataset``.
      settings: how detectors are pretrained, and the seed.
      dataset: AU-labelled examples of subjects that are in no experiment.
      data_dir: folder of the databases.
      stages: where progress is shown.
      meanwhile: called once, as soon as only training is left to do.

    Returns:
      The weights of the detector of each network.
    """
    detectors = {network: stored_detector(network, settings, dataset, data_dir) for network in networks}
    missing: dict[NetworkSettings, list[NetworkSettings]] = {}
    for network, client in detectors.items():
        if client is None:
            missing.setdefault(replace(network, prior=("",), prior_ratio=0.0), []).append(network)
    for of_one_shape in missing.values():
        for network, client in _pretrain(of_one_shape, settings, dataset, stages, meanwhile).items():
            with open_checkpoints(_place(network, settings, dataset, data_dir), keep=1) as checkpoints:
                checkpoints.save(settings.pretraining.epochs, client)
            detectors[network] = client
        meanwhile = nothing
    return {network: client for network, client in detectors.items() if client is not None}


def stored_detector(
    network: NetworkSettings, settings: RunSettings, dataset: Dataset, data_dir: Path | None
) -> ClientState | None:
    """The detector of a network if it is in the data folder, else None."""
    folder = _place(network, settings, dataset, data_dir)
    if not folder.is_dir():
        return None
    with open_checkpoints(folder, keep=1) as checkpoints:
        restored = checkpoints.restore(detector_like(network))
    state: ClientState | None = restored.state if restored else None
    return state


def _pretrain(
    networks: Sequence[NetworkSettings], settings: RunSettings, dataset: Dataset, stages: Stages, meanwhile: Meanwhile
) -> Mapping[NetworkSettings, ClientState]:
    everybody = single_client("all", np.arange(len(dataset.subject)), NOBODY)
    rows = rows_of(dataset.examples)
    trainings = []
    for network in networks:
        row_settings = RunSettings(seed=settings.seed, network=network, pretraining=settings.pretraining)
        strategy = local_only(jnp.ones(1))
        fields = (strategy, numbers_of(row_settings), network, _priors(network, dataset), everybody.train)
        trainings.append(Training(f"the {network.prior[0]} prior", 0, 0, 0, everybody, *fields))
    detection = group("detectors", pretraining_recipe(settings), "detection", trainings)
    store = Store(rows.examples, None, None, stack_priors(detection.distinct_priors))
    task = task_of(detection, 0, store)
    clients: dict[NetworkSettings, ClientState] = {}

    def program(size: int) -> Program:
        with stages.stage("compiling AU pretraining"):
            done = compile_program(
                detection.recipe, task, store, job_arrays_like(detection, size, rows.shown, settings.seed)
            )
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
    """Folder of a detector, named by a hash of everything that it depends on."""
    priors = [leaf.tolist() for leaf in jax.tree.leaves(_priors(network, dataset))]
    recipe = {"recipe": RECIPE, "data": dataset.fingerprint, "seed": settings.seed, "jax": jax.__version__}
    recipe |= {"backend": jax.default_backend(), "pretraining": asdict(settings.pretraining)}
    recipe |= {"network": asdict(network) | {"prior": priors}}
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return data_folder(data_dir) / DETECTORS / digest
