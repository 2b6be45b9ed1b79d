"""Attacks on the federation of a run: train again or invert updates, measure what is given away, write the results."""

from pathlib import Path

import numpy as np
from rich.console import Console

from experiments.inputs.settings import FedSettings
from experiments.pages import inversion as inversion_page
from experiments.pages import membership as membership_page
from experiments.results import inversion
from experiments.results.membership import CURVES, FILE, Seen, Suspects, membership_tables
from experiments.run.environment import environment
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training.detectors import Clients
from experiments.training.experiment import detector_networks, store_with_detectors
from experiments.training.plan import Group, Training
from experiments.training.prepare import Prepared
from experiments.training.restore import Restored, refuse_unfinished, restore, settings_of
from experiments.training.shadows import HALVES, half_of, shadows_of, shares_weights, train_shadows
from experiments.training.shapes import task_of
from experiments.training.updates import attempts, update_of

VICTIMS = 8
"""So many single examples are attacked, of the clients in turn."""
CONTROLS = 100
"""So often halves are made up for people whom no shadow federation trained on."""


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


def tell_members(earlier: RunFolder, num_shadows: int, folder: RunFolder, data_dir: Path | None) -> None:
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
    folder.write_json("data.json", facts(restored) | {"shadows": num_shadows, "programs": len(shadows.table.groups)})
    folder.write_json("environment.json", environment())
    written = membership_page.write(folder)
    membership_page.show(folder, written, Console())


def invert_updates(earlier: RunFolder, num_steps: int, folder: RunFolder, data_dir: Path | None) -> None:
    """Make pictures from the first updates of a run's clients, and write the results.

    Args:
      earlier: folder of the run.
      num_steps: of each inversion.
      folder: for the results.
      data_dir: folder of the run's databases.

    Raises:
      ValueError, OSError: the run or its data are missing or have changed, or no row exchanges weights.
    """
    with progress() as stages:
        with stages.stage("reading the run"):
            restored = restore(earlier, data_dir, stages)
        prepared, group = restored.prepared, exchanging(restored)
        data, training = prepared.data_of(group), group.trainings[0]
        store, _ = store_with_detectors(prepared, group, detectors_of(restored, prepared), stages)
        task = task_of(group, len(data.class_names), store)
        update = update_of(group, task, store, data, prepared.settings.seed)
        found = list(attempts(update, num_steps, VICTIMS, stages))
    pictures = inversion.pictures_table(found, data.dataset, training.split.test)
    folder.write_table(inversion.PICTURES, pictures)
    folder.write_table(inversion.FILE, inversion.inversion_table(pictures))
    folder.write_json("data.json", facts(restored) | {"row": training.row, "steps": num_steps})
    folder.write_json("environment.json", environment())
    written = inversion_page.write(folder, found, data.dataset)
    inversion_page.show(folder, written, Console())


def exchanging(restored: Restored) -> Group:
    """The first group of a run whose first row exchanges weights.

    Raises:
      ValueError: there is none.
    """
    for group in restored.prepared.table.groups:
        if shares_weights(group.trainings[0].strategy):
            return group
    raise ValueError(
        f"no row of {restored.folder.path} exchanges weights, so that nobody sees an update: give another run"
    )


def detectors_of(restored: Restored, wanted: Prepared) -> Clients:
    """The pretrained detectors of a run, from which its networks started or which they kept.

    Raises:
      ValueError: one is missing.
    """
    found = {network: restored.prepared.source.ready(network) for network in detector_networks(wanted.table.groups)}
    if any(client is None for client in found.values()):
        raise ValueError(
            f"the AU detector of {restored.folder.path} is not in the data folder: give the folder of the run's data "
            "with --data-dir, on the kind of device and with the version of JAX that it ran with"
        )
    return {network: client for network, client in found.items() if client is not None}


def suspects_of(seen: Seen, prepared: Prepared, shadows: Prepared) -> tuple[Suspects, list[Suspects]]:
    """Whom the shadow federations of a row may have trained on; and, as a control, its test subjects, whom none of them
    did, with halves drawn in the same way, several times."""
    trainings = [one for one in shadows.table.trainings if one.row == seen.row]
    (original,) = [one for one in prepared.table.trainings if one.row == seen.row and one.repeat == 0]
    subject = prepared.data_of(original).dataset.subject
    population = original.split.test
    members = [np.isin(np.arange(len(subject)), one.split.train) for one in trainings]
    generator = np.random.default_rng(HALVES)
    halves = [made_up(original, subject, len(trainings), generator) for _ in range(CONTROLS)]
    return (
        _suspects("train", original, subject, np.stack(members), population),
        [_suspects("test", original, subject, member, population) for member in halves],
    )


def made_up(original: Training, subject: np.ndarray, num_shadows: int, generator: np.random.Generator) -> np.ndarray:
    """[shadows, examples] halves of the test subjects of each client, whom no training depends on."""
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


def facts(restored: Restored) -> dict[str, object]:
    """Content of data.json: which run, and how it was attacked."""
    run = restored.run
    settings = restored.settings
    assert isinstance(settings, FedSettings)
    return {
        "name": " + ".join(dict.fromkeys(one["name"] for one in run.data["databases"])),
        "synthetic": run.synthetic,
        "run": {"command": run.config["command"], "dp": settings.dp, "train_au": settings.train_au},
    }
