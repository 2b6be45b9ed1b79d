"""Membership inference on the federation of a run: train shadow federations, attack each in turn, write the results."""

from pathlib import Path

import numpy as np
from rich.console import Console

from experiments.inputs.settings import FedSettings
from experiments.pages import membership as page
from experiments.results.membership import CURVES, FILE, Seen, Suspects, membership_tables
from experiments.run.environment import environment
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training.detectors import Clients
from experiments.training.experiment import detector_networks
from experiments.training.plan import Training
from experiments.training.prepare import Prepared
from experiments.training.restore import Restored, refuse_unfinished, restore, settings_of
from experiments.training.shadows import HALVES, half_of, shadows_of, train_shadows


def check(folder: RunFolder) -> None:
    """Refuse runs whose subjects cannot be attacked, before anything is written.

    Raises:
      ValueError: what is wrong, in one sentence.
    """
    settings = settings_of(folder)
    if not isinstance(settings, FedSettings):
        name = folder.read_json("config.json")["experiment"]
        raise ValueError(f"{folder.path} is a run of experiments.{name}, and federations are attacked: give one of fed")
    if settings.split != "subjects":
        raise ValueError(
            f"{folder.path} was run with --split={settings.split}, so that its test clips are of people that it trains "
            "on, and nobody is left who was never seen: give a run with --split=subjects"
        )
    refuse_unfinished(folder)


def attack_membership(earlier: RunFolder, num_shadows: int, folder: RunFolder, data_dir: Path | None) -> None:
    """Train shadow federations of a run, attack them, and write the results.

    Args:
      earlier: folder of the run.
      num_shadows: how many; even.
      folder: for the results.
      data_dir: folder of the run's databases.

    Raises:
      ValueError, OSError: the run or its data are missing or have changed, or a shadow federation diverged.
    """
    with progress() as stages:
        with stages.stage("reading the run"):
            restored = restore(earlier, data_dir, stages)
        shadows = shadows_of(restored.prepared, num_shadows)
        seen = train_shadows(shadows, detectors_of(restored, shadows), stages)
        with stages.stage("attacking"):
            both = [(one, *suspects_of(one, restored.prepared, shadows)) for one in seen]
            table, curves = membership_tables(both, restored.run.privacy)
    folder.write_table(FILE, table)
    folder.write_table(CURVES, curves)
    folder.write_json("data.json", facts(restored, num_shadows, len(shadows.table.groups)))
    folder.write_json("environment.json", environment())
    written = page.write(folder)
    page.show(folder, written, Console())


def detectors_of(restored: Restored, shadows: Prepared) -> Clients:
    """The pretrained detectors of a run, from which its networks started or which they kept.

    Raises:
      ValueError: one is missing.
    """
    found = {network: restored.prepared.source.ready(network) for network in detector_networks(shadows.table.groups)}
    if any(client is None for client in found.values()):
        raise ValueError(
            f"the AU detector of {restored.folder.path} is not in the data folder: give the folder of the run's data "
            "with --data-dir, on the kind of device and with the version of JAX that it ran with"
        )
    return {network: client for network, client in found.items() if client is not None}


def suspects_of(seen: Seen, prepared: Prepared, shadows: Prepared) -> tuple[Suspects, Suspects]:
    """Whom the shadow federations of a row may have trained on; and, as a control, its test subjects, whom none of them
    did, with halves drawn in the same way."""
    trainings = [one for one in shadows.table.trainings if one.row == seen.row]
    (original,) = [one for one in prepared.table.trainings if one.row == seen.row and one.repeat == 0]
    subject = prepared.data_of(original).dataset.subject
    population = original.split.test
    members = [np.isin(np.arange(len(subject)), one.split.train) for one in trainings]
    return (
        _suspects("train", original, subject, np.stack(members), population),
        _suspects("test", original, subject, made_up(original, subject, len(trainings)), population),
    )


def made_up(original: Training, subject: np.ndarray, num_shadows: int) -> np.ndarray:
    """[shadows, examples] halves of the test subjects of each client, whom no training depends on."""
    generator = np.random.default_rng(HALVES)
    member = np.zeros((num_shadows, len(subject)), bool)
    for first in range(0, num_shadows, 2):
        for client in original.split.clients:
            member[first : first + 2, client.test] = half_of(subject[client.test], generator)
    return member


def _suspects(
    part: str, original: Training, subject: np.ndarray, member: np.ndarray, population: np.ndarray
) -> Suspects:
    examples = original.split.part(part)
    sizes = [len(getattr(client, part)) for client in original.split.clients]
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return Suspects(examples, owner, subject[examples], member[:, examples], population)


def facts(restored: Restored, num_shadows: int, num_programs: int) -> dict[str, object]:
    """Content of data.json: which run, and how it was attacked."""
    run = restored.run
    settings = restored.settings
    assert isinstance(settings, FedSettings)
    return {
        "name": " + ".join(dict.fromkeys(one["name"] for one in run.data["databases"])),
        "synthetic": run.synthetic,
        "run": {"command": run.config["command"], "dp": settings.dp, "train_au": settings.train_au},
        "shadows": num_shadows,
        "programs": num_programs,
    }
