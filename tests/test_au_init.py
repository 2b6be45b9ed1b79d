"""Commands with ``--au-init``: they start from the detectors, refuse leaks, and notice when they are replaced."""

from dataclasses import replace
from pathlib import Path

import jax
import pytest
from detector_folders import NETWORK, changed, same
from fed_on_random_data import random_dataset
from rich.console import Console

from experiments import ablate, fed, mer
from experiments.inputs import databases
from experiments.inputs.detectors import read_au_init
from experiments.inputs.settings import AblateSettings, FedSettings, MerSettings
from experiments.run.folder import create
from experiments.run.lifecycle import Run
from experiments.run.progress import progress
from experiments.training.detectors import nothing
from experiments.training.experiment import detector_networks, detectors_of
from experiments.training.prepare import Prepared, prepare
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import ClientState


def prepared(settings: FedSettings, folder: Path) -> Prepared:
    with progress(Console(quiet=True)) as stages:
        return prepare(settings, read_au_init(settings), folder / "data", (), stages)


@pytest.fixture(autouse=True)
def no_pretraining_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the federated half can be loaded."""

    def load(name: str, part: str, *_: object, **__: object):
        assert part == "federated"
        return random_dataset(name, part)

    monkeypatch.setattr(databases, "load", load)


def test_clients_start_from_the_detector_and_nothing_is_pretrained(folder: Path, weights: ClientState):
    settings = FedSettings(clients=2, network=replace(NETWORK, prior=("uniform", "published")), au_init=str(folder))
    one = prepared(replace(settings, train_au=True), folder)
    clients = one.source.clients(detector_networks(one.table.groups), nothing)
    detectors = [detector for group in one.table.groups for detector in detectors_of(group, clients)]
    assert detectors
    assert all(same(detector.client, weights) for detector in detectors)


def test_each_prior_takes_the_detector_of_its_name(of_two_priors: Path, weights: ClientState):
    settings = FedSettings(clients=2, network=replace(NETWORK, prior=("published",)), au_init=str(of_two_priors))
    one = prepared(settings, of_two_priors)
    ((network, client),) = one.source.clients(detector_networks(one.table.groups), nothing).items()
    assert network.prior == ("published",)
    assert same(client, weights)
    (detector,) = detectors_of(one.table.groups[0], {network: client})
    assert same(detector.priors, jax.tree.map(lambda leaf: leaf, published()))


def test_a_detector_that_has_seen_a_test_subject_is_a_leak(folder: Path):
    settings = FedSettings(clients=2, repeats=1, network=NETWORK, au_init=str(folder))
    ((split,),) = prepared(settings, folder).data[0].repeats
    subjects = random_dataset("synthetic", "federated").subject
    trained, tested = (subjects[getattr(split.clients[0], side)[0]] for side in ("train", "test"))
    changed(folder, subjects=[f"synthetic/{trained}"])
    prepared(settings, folder)
    changed(folder, subjects=[f"synthetic/{trained}", f"synthetic/{tested}"])
    with pytest.raises(ValueError, match=rf"a leak in repeat 0: subject {tested} in the pretraining and the test data"):
        prepared(settings, folder)


def test_a_namesake_in_another_database_is_no_leak(folder: Path):
    settings = FedSettings(clients=2, repeats=1, network=NETWORK, au_init=str(folder))
    everybody = [f"disfa/{name}" for name in random_dataset("synthetic", "federated").subject]
    changed(folder, subjects=everybody, databases=["disfa"])
    prepared(settings, folder)


COMMANDS = {
    fed: FedSettings(network=NETWORK),
    mer: MerSettings(network=NETWORK),
    ablate: AblateSettings(variants=(NETWORK.variant,), au="finetuned"),
}


@pytest.mark.parametrize(("command", "settings"), COMMANDS.items())
def test_no_command_goes_on_with_another_detector(folder: Path, tmp_path: Path, command, settings):
    run = create(tmp_path / "run")
    run.write_json("au_init.json", {"folder": str(folder), "fingerprint": "0" * 64})
    given = replace(settings, au_init=str(folder))
    with pytest.raises(ValueError, match=r"run began with a detector with fingerprint 000000000000, but --au-init="):
        command.run(given, Run(run, None, (), Console(quiet=True), new=False))
