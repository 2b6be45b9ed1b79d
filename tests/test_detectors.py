"""Folders of pretrained detectors: read as they were saved, refused where they do not fit, known when replaced."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import pytest
from detector_folders import NETWORK, PRIORS, SEEN, changed, same

from experiments.inputs.detectors import (
    Detector,
    check_detector,
    read_au_init,
    read_detectors,
    refuse_replaced,
    save_detectors,
)
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import AblateSettings, FedSettings, MerSettings
from experiments.run.folder import RunFolder, create
from fedpsyau_jax.types import ClientState


def test_what_was_saved_is_read(folder: Path, weights: ClientState):
    detectors = read_detectors(folder, replace(NETWORK, prior=("published", "uniform")))
    assert detectors.weights.keys() == {"published", "uniform"}
    assert all(same(client, weights) for client in detectors.weights.values())
    assert detectors.subjects_of(["synthetic"]) == ["pretraining00", "pretraining01"]
    assert detectors.subjects_of(["samm"]) == []
    assert detectors.subjects_of(["samm", "synthetic"])[0] == "synthetic/pretraining00"


def test_facts_and_weights_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    names: list[str] = []
    read_json = RunFolder.read_json
    monkeypatch.setattr(RunFolder, "read_json", lambda self, name: (names.append(name), read_json(self, name))[1])
    read_au_init(FedSettings(network=replace(NETWORK), au_init=str(folder)))
    assert names == ["detector.json"]


def test_each_prior_takes_the_detector_of_its_name(of_two_priors: Path, weights: ClientState):
    detectors = read_detectors(of_two_priors, replace(NETWORK, prior=("uniform", "published")), frozen=True)
    assert same(detectors.weights["published"], weights)
    assert same(detectors.weights["uniform"], jax.tree.map(lambda leaf: 2 * leaf, weights))
    for subset in (("published",), ("uniform",)):
        check_detector(of_two_priors, replace(NETWORK, prior=subset), frozen=True)


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
            read_detectors(folder, network)


def test_the_same_network_is_not_refused(folder: Path):
    check_detector(folder, NETWORK, frozen=True)


@pytest.mark.parametrize("content", ["{}", "[1]", '{"network": 1, "databases": null, "subjects": "a", "priors": {}}'])
def test_facts_that_lack_something_are_named(folder: Path, content: str):
    (folder / "detector.json").write_text(content)
    with pytest.raises(ValueError, match=r"does not say databases and network and priors and subjects; pretrain again"):
        check_detector(folder, NETWORK, frozen=True)


def test_a_detector_whose_subjects_have_no_database_is_refused(folder: Path):
    changed(folder, subjects=["sub01"])
    with pytest.raises(ValueError, match=r"does not say of which database sub01 is.*pretrain again"):
        check_detector(folder, NETWORK, frozen=True)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_prior_without_a_detector_of_its_own_is_refused(of_two_priors: Path, frozen: bool):
    said = r"pretrained with --prior published uniform, none with shuffled: choose among them, or pretrain with it too"
    with pytest.raises(ValueError, match=said):
        check_detector(of_two_priors, replace(NETWORK, prior=("uniform", "shuffled")), frozen=frozen)


@pytest.mark.slow
def test_settings_say_which_detectors_they_take(folder: Path):
    init = {"au_init": str(folder)}
    assert read_au_init(FedSettings()) is None
    for settings in (MerSettings(network=NETWORK, **init), FedSettings(network=NETWORK, **init)):
        assert read_au_init(settings).fingerprint == read_detectors(folder, NETWORK).fingerprint
    with pytest.raises(ValueError, match=r"--prior published, but this run has uniform"):
        read_au_init(MerSettings(network=replace(NETWORK, prior=("uniform",)), **init))
    read_au_init(MerSettings(network=replace(NETWORK, prior=("uniform",)), au="finetuned", **init))
    assert read_au_init(AblateSettings(variants=(NETWORK.variant,), au="finetuned", **init))
    for settings in (
        AblateSettings(variants=(NETWORK.variant, "full"), au="finetuned", **init),
        MerSettings(network=NETWORK, sweep=("variant=no-transformer-no-gat,full",), **init),
    ):
        with pytest.raises(ValueError, match=r"--network.variant no-transformer-no-gat, but this run has full"):
            read_au_init(settings)
    with pytest.raises(ValueError, match=r"--au-init=nowhere: there is no detector.json in it; give the folder"):
        read_au_init(FedSettings(au_init="nowhere"))


def noted(run: RunFolder, path: Path, network: NetworkSettings = NETWORK) -> None:
    refuse_replaced(run, str(path), read_detectors(path, network))


def test_a_run_notices_which_of_several_detectors_was_replaced(of_two_priors: Path, tmp_path: Path):
    run, uniform = create(tmp_path / "run"), replace(NETWORK, prior=("uniform",))
    noted(run, of_two_priors, uniform)
    shutil.rmtree(of_two_priors / "detectors" / "0")
    noted(run, of_two_priors, uniform)
    with pytest.raises(ValueError, match=r"its weights cannot be read; pretrain again"):
        read_detectors(of_two_priors, NETWORK)


@pytest.mark.slow
def test_a_detector_that_was_replaced_is_noticed(folder: Path, weights: ClientState, tmp_path: Path):
    run = create(tmp_path / "run")
    refuse_replaced(run, None, None)
    assert not run.has("au_init.json")
    noted(run, folder)
    noted(run, folder)
    for part in ("priors", "subjects"):
        before = json.loads((folder / "detector.json").read_text())[part]
        changed(folder, **{part: before[:-1] if part == "subjects" else [[0.0], *before[1:]]})
        with pytest.raises(ValueError, match=r"run began with a detector with fingerprint .* start a new run"):
            noted(run, folder)
        changed(folder, **{part: before})
    noted(run, folder)
    shutil.rmtree(folder / "detector")
    other = jax.tree.map(lambda leaf: leaf + 1, weights)
    save_detectors(RunFolder(folder), [Detector(other, PRIORS)], NETWORK, SEEN, ["synthetic"])
    with pytest.raises(ValueError, match=r"has .{12} now: put the old one back"):
        noted(run, folder)
