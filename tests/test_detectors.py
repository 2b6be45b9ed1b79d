import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fed_on_random_data import random_dataset
from rich.console import Console

from experiments import ablate, fed, mer
from experiments.inputs import databases as loading
from experiments.inputs.configs import FedSettings, NetworkSettings
from experiments.inputs.detectors import (
    check_detector,
    detector_subjects,
    detectors_from,
    refuse_replaced,
    save_detectors,
)
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import sight
from experiments.run.folder import RunFolder, create
from experiments.run.progress import progress
from experiments.training.pretraining import nothing
from experiments.training.tasks import Detector
from fedpsyau_jax.models.fedpsyau import au_detector
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Batch, ClientState

NETWORK = NetworkSettings(variant="no-transformer-no-gat")
PRIORS = jax.tree.map(lambda leaf: leaf / 2, published())
SEEN = ("synthetic/pretraining00", "synthetic/pretraining01")


@pytest.fixture(scope="module")
def weights() -> ClientState:
    """Of the smallest network, drawn without compiling anything."""
    examples = jax.tree.map(lambda leaf: jnp.asarray(leaf[:1]), random_dataset("synthetic", "federated").examples)
    model = au_detector(NETWORK.architecture(), published(), 1.0)
    shapes = jax.eval_shape(model.init, jax.random.key(0), Batch(examples, jnp.ones(1)))
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: generator.random(leaf.shape).astype(leaf.dtype), shapes)


@pytest.fixture
def folder(tmp_path: Path, weights: ClientState) -> Path:
    save_detectors(RunFolder(tmp_path), [Detector(weights, PRIORS)], NETWORK, SEEN[::-1], ["synthetic"])
    return tmp_path


def changed(folder: Path, **facts: object) -> None:
    path = folder / "detector.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def prepared(settings: FedSettings, folder: Path) -> fed.Prepared:
    with progress(Console(quiet=True)) as stages:
        return fed.prepared(settings, folder / "data", None, stages)


def same(one: object, other: object) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_what_was_saved_is_read(folder: Path, weights: ClientState):
    assert same(detectors_from(folder, NETWORK)["published"], weights)
    assert detector_subjects(folder, "synthetic") == ["pretraining00", "pretraining01"]
    assert detector_subjects(folder, "samm") == []


OTHERS = {
    "variant": ({"variant": "full"}, False, r"--network.variant no-transformer-no-gat, but this run has full: choose"),
    "masking": ({"masking": "released"}, False, r"--network.masking neighbours, but this run has released"),
    "prior": ({"prior": ("uniform",)}, True, r"--prior published, but this run has uniform: .*do not freeze it"),
    "priors": ({"prior": ("published", "none")}, True, r"--prior published, but this run has published none"),
    "strength": ({"prior_ratio": 0.5}, True, r"--network.prior-ratio 0.3, but this run has 0.5"),
}


@pytest.mark.parametrize(("other", "only_if_frozen", "said"), OTHERS.values(), ids=OTHERS)
def test_a_detector_of_another_network_is_refused(
    folder: Path, other: dict[str, object], only_if_frozen: bool, said: str
):
    network = replace(NETWORK, **other)
    with pytest.raises(ValueError, match=said):
        check_detector(folder, network, frozen=True)
    if only_if_frozen:
        check_detector(folder, network, frozen=False)
    else:
        with pytest.raises(ValueError, match=said):
            check_detector(folder, network, frozen=False)


def test_the_same_network_is_not_refused(folder: Path):
    check_detector(folder, NETWORK, frozen=True)


@pytest.mark.parametrize("content", ["{}", "[1]", '{"network": 1, "databases": null, "subjects": "a", "priors": {}}'])
def test_facts_that_lack_something_are_named(folder: Path, content: str):
    (folder / "detector.json").write_text(content)
    with pytest.raises(ValueError, match=r"does not say databases and network and priors and subjects; pretrain again"):
        check_detector(folder, NETWORK, frozen=True)


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


@pytest.fixture
def of_two_priors(tmp_path: Path, weights: ClientState) -> Path:
    """Of a pretraining with the priors published (the weights) and uniform (twice the weights)."""
    both = [Detector(jax.tree.map(lambda leaf, n=number: n * leaf, weights), PRIORS) for number in (1, 2)]
    network = replace(NETWORK, prior=("published", "uniform"))
    save_detectors(RunFolder(tmp_path / "both"), both, network, SEEN, ["synthetic"])
    return tmp_path / "both"


@pytest.mark.usefixtures("no_pretraining_data")
def test_each_prior_takes_the_detector_of_its_name(of_two_priors: Path, weights: ClientState):
    network = replace(NETWORK, prior=("uniform", "published"))
    source = prepared(FedSettings(clients=2, network=network, au_init=str(of_two_priors)), of_two_priors).source
    assert same(source.weights("published", nothing), weights)
    assert same(source.weights("uniform", nothing), jax.tree.map(lambda leaf: 2 * leaf, weights))
    for subset in (("published",), ("uniform",)):
        check_detector(of_two_priors, replace(NETWORK, prior=subset), frozen=True)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_prior_without_a_detector_of_its_own_is_refused(of_two_priors: Path, frozen: bool):
    said = r"pretrained with --prior published uniform, none with shuffled: choose among them, or pretrain with it too"
    with pytest.raises(ValueError, match=said):
        check_detector(of_two_priors, replace(NETWORK, prior=("uniform", "shuffled")), frozen=frozen)


def test_a_run_notices_which_of_several_detectors_was_replaced(of_two_priors: Path, tmp_path: Path):
    run, uniform = create(tmp_path / "run"), replace(NETWORK, prior=("uniform",))
    refuse_replaced(run, str(of_two_priors), uniform)
    shutil.rmtree(of_two_priors / "detectors" / "0")
    refuse_replaced(run, str(of_two_priors), uniform)
    with pytest.raises(ValueError, match=r"its weights cannot be read; pretrain again"):
        detectors_from(of_two_priors, NETWORK)


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


def test_a_detector_whose_subjects_have_no_database_is_refused(folder: Path):
    changed(folder, subjects=["sub01"])
    with pytest.raises(ValueError, match=r"does not say of which database sub01 is.*pretrain again"):
        check_detector(folder, NETWORK, frozen=True)


def test_a_detector_that_was_replaced_is_noticed(folder: Path, weights: ClientState, tmp_path: Path):
    run = create(tmp_path / "run")
    refuse_replaced(run, None, NETWORK)
    assert not run.has("au_init.json")
    refuse_replaced(run, str(folder), NETWORK)
    refuse_replaced(run, str(folder), NETWORK)
    for part in ("priors", "subjects"):
        kept = json.loads((folder / "detector.json").read_text())[part]
        changed(folder, **{part: kept[:-1] if part == "subjects" else [[0.0], *kept[1:]]})
        with pytest.raises(ValueError, match=r"run began with a detector with fingerprint .* start a new run"):
            refuse_replaced(run, str(folder), NETWORK)
        changed(folder, **{part: kept})
    refuse_replaced(run, str(folder), NETWORK)
    shutil.rmtree(folder / "detector")
    other = jax.tree.map(lambda leaf: leaf + 1, weights)
    save_detectors(RunFolder(folder), [Detector(other, PRIORS)], NETWORK, SEEN, ["synthetic"])
    with pytest.raises(ValueError, match=r"has .{12} now: put the old one back"):
        refuse_replaced(run, str(folder), NETWORK)


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
