"""Commands with ``--au-init``: they start from the detectors, refuse leaks, and notice when they are replaced."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import pytest
from experiments.inputs.configs import FedSettings, NetworkSettings
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import sight
from experiments.training.pretraining import nothing
from fed_on_random_data import random_dataset
from rich.console import Console
from test_detectors import NETWORK, changed, folder, of_two_priors, same, weights  # noqa: F401 fixtures

from experiments import ablate, fed, mer
from experiments.inputs import databases as loading
from experiments.inputs.detectors import (
    check_detector,
)
from experiments.run.folder import RunFolder, create
from experiments.run.progress import progress
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import ClientState


def prepared(settings: FedSettings, folder: Path) -> fed.Prepared:
    with progress(Console(quiet=True)) as stages:
        return fed.prepared(settings, folder / "data", None, stages)


@pytest.fixture
def no_pretraining_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the federated half can be loaded."""

    def load(name: str, part: str, *_: object, **__: object):
        assert part == "federated"
        return random_dataset(name, part)

    monkeypatch.setattr(loading, "load", load)


@pytest.mark.usefixtures("no_pretraining_data")
def test_clients_start_from_the_detector_and_nothing_is_pretrained(folder: Path, weights: ClientState):
    settings = FedSettings(clients=2, network=replace(NETWORK, prior=("published", "uniform")), au_init=str(folder))
    priors, source = prepared(settings, folder)[2:]
    detectors = sight(priors, [source.weights(prior.name, nothing) for prior in priors]).detectors
    assert len(detectors) == 2
    assert all(same(detector.client, weights) for detector in detectors)
    assert same(detectors[0].priors, published())
    assert not same(detectors[1].priors, published())


@pytest.mark.usefixtures("no_pretraining_data")
def test_each_prior_takes_the_detector_of_its_name(of_two_priors: Path, weights: ClientState):
    network = replace(NETWORK, prior=("uniform", "published"))
    source = prepared(FedSettings(clients=2, network=network, au_init=str(of_two_priors)), of_two_priors).source
    assert same(source.weights("published", nothing), weights)
    assert same(source.weights("uniform", nothing), jax.tree.map(lambda leaf: 2 * leaf, weights))
    for subset in (("published",), ("uniform",)):
        check_detector(of_two_priors, replace(NETWORK, prior=subset), frozen=True)


@pytest.mark.usefixtures("no_pretraining_data")
def test_a_detector_that_has_seen_a_test_subject_is_a_leak(folder: Path):
    settings = FedSettings(clients=2, repeats=1, network=NETWORK, au_init=str(folder))
    ((*clients,),) = prepared(settings, folder).splits
    subjects = random_dataset("synthetic", "federated").subject
    trained, tested = (subjects[getattr(clients[0], side)[0]] for side in ("train", "test"))
    changed(folder, subjects=[f"synthetic/{trained}"])
    prepared(settings, folder)
    changed(folder, subjects=[f"synthetic/{trained}", f"synthetic/{tested}"])
    with pytest.raises(ValueError, match=rf"a leak in repeat 0: subject {tested} in the pretraining and the test data"):
        prepared(settings, folder)


@pytest.mark.usefixtures("no_pretraining_data")
def test_a_namesake_in_another_database_is_no_leak(folder: Path):
    settings = FedSettings(clients=2, repeats=1, network=NETWORK, au_init=str(folder))
    everybody = [f"disfa/{name}" for name in random_dataset("synthetic", "federated").subject]
    changed(folder, subjects=everybody, databases=["disfa"])
    prepared(settings, folder)


def runs_of(detector: Path) -> dict[str, Callable[[RunFolder], int]]:
    """Each experiment that takes --au-init, with one."""
    federation = FedSettings(network=NETWORK, au_init=str(detector))
    recognition = MerSettings(network=NETWORK, au_init=str(detector))
    network_of_variants = replace(recognition, au="finetuned", network=NetworkSettings())
    ablation = ablate.AblateSettings((NETWORK.variant,), network_of_variants)
    return {
        "fed": lambda run: fed.run(federation, run, None, None),
        "mer": lambda run: mer.run(recognition, run, None, None),
        "ablate": lambda run: ablate.run(ablation, run, None, None),
    }


@pytest.mark.parametrize("experiment", ["fed", "mer", "ablate"])
def test_no_experiment_goes_on_with_another_detector(folder: Path, tmp_path: Path, experiment: str):
    run = create(tmp_path / "run")
    run.write_json("au_init.json", {"folder": str(folder), "fingerprint": "0" * 64})
    with pytest.raises(ValueError, match=r"run began with a detector with fingerprint 000000000000, but --au-init="):
        runs_of(folder)[experiment](run)
