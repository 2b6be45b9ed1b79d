"""The only reader of a run's networks: it prepares the run again from its settings and reads the kept networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.dataset import Dataset
from experiments.inputs import detectors as au_init
from experiments.inputs.checks import check_ablate, check_fed, check_mer
from experiments.inputs.databases import data_folder, load_databases, refuse_missing
from experiments.inputs.plugins import is_plugin
from experiments.inputs.prior_files import check_priors_unchanged
from experiments.inputs.settings import AblateSettings, FedSettings, MerSettings, RecognitionSettings
from experiments.results.read import FinishedRun, experiment_of, read
from experiments.run import networks as stored
from experiments.run.config import read_settings
from experiments.run.facts import check_databases
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training.data import once
from experiments.training.detectors import Clients
from experiments.training.experiment import detector_networks, network_like, networks_to_keep
from experiments.training.plan import Group, Training
from experiments.training.prepare import Prepared, facts_of, prepare_on
from fedpsyau_jax.types import ClientState, Int

READABLE = {
    "fed": (FedSettings, check_fed),
    "mer": (MerSettings, check_mer),
    "ablate": (AblateSettings, check_ablate),
}
"""Settings, and the function that checks them, of each experiment whose runs keep networks."""


class KeptNetwork(NamedTuple):
    """A network in a run folder.

    Attributes:
      group: of the trainings that share its program.
      place: index of its training in the group.
      client: index of its client in the training.
    """

    group: Group
    place: int
    client: int

    @property
    def training(self) -> Training:
        """The training that produced it."""
        return self.group.trainings[self.place]

    @property
    def test(self) -> Int[np.ndarray, "examples"]:
        """Indices of its test examples."""
        return self.training.split.clients[self.client].test

    @property
    def file(self) -> tuple[str, int]:
        """Name and number that identify its file."""
        return f"{self.group.name}-{self.place}", self.client


@dataclass(frozen=True)
class Restored:
    """A finished run, prepared as by its command.

    Attributes:
      run: its tables.
      settings: of the run.
      prepared: data, splits, priors and trainings, the same as when it trained.
      detectors: by network, the frozen detectors of the run; empty if the networks train their own.
      networks: the kept networks, in the order of the trainings of each group.
    """

    run: FinishedRun
    settings: RecognitionSettings
    prepared: Prepared
    detectors: Clients
    networks: tuple[KeptNetwork, ...]

    @property
    def folder(self) -> RunFolder:
        """Folder of the run."""
        return self.run.folder

    def weights(self, networks: Sequence[KeptNetwork]) -> ClientState:
        """The unpacked weights of networks of one shape, leaves [networks, ...].

        Raises:
          ValueError: a file is missing, damaged, or of another run; the sentence names it.
        """
        like = network_like(self.prepared, networks[0].group)
        return stored.read_all(self.folder, [network.file for network in networks], like)


def settings_of(folder: RunFolder) -> RecognitionSettings:
    """The settings of a run that keeps networks.

    Raises:
      ValueError: its experiment keeps no networks, or its config.json is damaged or edited.
    """
    name = experiment_of(folder)
    if name not in READABLE:
        *others, last = READABLE
        raise ValueError(
            f"{folder.path} is a run of experiments.{name}, and networks are read from runs of "
            f"{', '.join(others)} and {last}: give one of these"
        )
    kind, check = READABLE[name]
    settings: RecognitionSettings = read_settings(folder, name, kind, check)  # type: ignore[arg-type]
    return settings


def refuse_unfinished(folder: RunFolder) -> None:
    """Check that a run has results.

    Raises:
      ValueError: it has none yet, or it kept no networks.
    """
    if not folder.has("data.json") or not folder.has("summary.csv"):
        raise ValueError(_unfinished(folder))
    if not (folder.path / stored.FOLDER).is_dir():
        raise ValueError(f"{folder.path} has no folder {stored.FOLDER}: restore it, or run again")


def restore(folder: RunFolder, data_dir: Path | None, stages: Stages) -> Restored:
    """Read a run back. Nothing is trained or built, and nothing in its folder changes.

    Args:
      folder: of the run.
      data_dir: folder of the databases.
      stages: where progress is shown.

    Raises:
      ValueError, OSError: the folder is not that of a finished run with networks, or its data, priors or pretrained
        detectors are missing or have changed; in one sentence.
    """
    settings = settings_of(folder)
    refuse_unfinished(folder)
    run = read(folder)
    loaded = _same_data(folder, settings, data_dir, stages)
    given = au_init.read_au_init(settings)
    if folder.has(au_init.USED):
        au_init.refuse_replaced(folder, settings.au_init, given)
    prepared = prepare_on(loaded, settings, given, data_dir, stages, only_read=True)
    _refuse_partly_trained(run, prepared)
    priors = [(f"{one.row}, repeat {one.repeat}", one.priors) for one in prepared.table.trainings]
    check_priors_unchanged(folder, priors)
    detectors = _frozen_detectors(folder, prepared, data_dir)
    return Restored(run, settings, prepared, detectors, kept_networks(prepared))


def kept_networks(prepared: Prepared) -> tuple[KeptNetwork, ...]:
    """The networks that a run keeps when it ends."""
    wanted = networks_to_keep(prepared)
    return tuple(
        KeptNetwork(group, place, client)
        for group in prepared.table.groups
        for place, client in sorted(wanted[group.name])
    )


def _unfinished(folder: RunFolder) -> str:
    return (
        f"{folder.path} is not finished, and its networks are kept when it ends: go on with "
        f"`python -m experiments.{experiment_of(folder)} --resume={folder.path}`"
    )


def _refuse_partly_trained(run: FinishedRun, prepared: Prepared) -> None:
    """Check that every training has all of its rounds: an interrupted run has preliminary scores."""
    rounds = run.metrics.groupby(["algorithm", "repeat", "fold"])["round"].max().to_dict()
    for group in prepared.table.groups:
        for one in group.trainings:
            if rounds.get((one.row, one.repeat, one.split.name), 0) < group.recipe.rounds:
                raise ValueError(_unfinished(run.folder))


def _same_data(
    folder: RunFolder, settings: RecognitionSettings, data_dir: Path | None, stages: Stages
) -> list[list[Dataset]]:
    databases = folder.read_facts("data.json", "databases")["databases"]
    for name, facts in zip(cycle(settings.database), databases, strict=False):
        if not is_plugin(name):
            refuse_missing(folder.path, facts["name"], data_dir)
    loaded = load_databases(settings, data_dir, (), stages, only_read=True)
    consequence = "its networks cannot be tested on them; run it again"
    check_databases(folder, [facts_of(one) for one in once(loaded)], consequence)
    return loaded


def _frozen_detectors(folder: RunFolder, prepared: Prepared, data_dir: Path | None) -> Clients:
    """The frozen detectors of a run; missing ones are not trained."""
    networks = detector_networks([group for group in prepared.table.groups if group.au == "frozen"])
    ready = {network: client for network in networks if (client := prepared.source.ready(network)) is not None}
    if len(ready) < len(networks):
        raise ValueError(
            f"the AU detector of {folder.path} is not in {data_folder(data_dir)}: give the folder of the run's data "
            "with --data-dir, on the kind of device and with the version of JAX that it ran with"
        )
    return ready
