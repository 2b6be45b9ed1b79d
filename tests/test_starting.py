"""What a resumed run finds in its folder: as it was, incomplete, damaged, or edited."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fed_on_random_data import random_dataset

from experiments import ablate, fed, mer, pretrain
from experiments.inputs.configs import FedSettings
from experiments.inputs.mer_settings import MerSettings
from experiments.pretrain import PretrainSettings
from experiments.run import starting
from experiments.run.folder import RunFolder

DATASET = random_dataset("synthetic", "federated")
SPLITS = [{"repeat": 0, "fold": "0", "num_train": 3, "share": 1 / 3, "subjects": "a b"}]
FACTS = ("clients.csv", "environment.json", "data.json")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    begun = RunFolder(tmp_path)
    starting.write_facts(begun, DATASET, SPLITS)
    return begun


@pytest.mark.parametrize("name", FACTS)
def test_what_is_missing_is_written_again(folder: RunFolder, name: str):
    before = {fact: (folder.path / fact).read_bytes() for fact in FACTS}
    (folder.path / name).unlink()
    starting.write_facts(folder, DATASET, SPLITS)
    assert {fact: (folder.path / fact).read_bytes() for fact in FACTS} == before


DAMAGES: dict[str, tuple[str, Callable[[str], str], str]] = {
    "half a table": (
        "clients.csv",
        lambda text: text[:-9],
        r"clients.csv is not what .* was damaged or edited, delete",
    ),
    "no table": ("clients.csv", lambda _: "", r"clients.csv is not what the settings and the data of this run give"),
    "a list": ("data.json", lambda _: "[1]", r"data.json does not say fingerprint; restore it"),
    "other facts": ("data.json", lambda _: "{}", r"data.json does not say fingerprint; restore it"),
    "half the facts": ("data.json", lambda text: text[:40], r"data.json cannot be read \("),
    "other data": ("data.json", lambda _: '{"fingerprint": "ab"}', r"was run on data with fingerprint ab,"),
    "no environment": ("environment.json", lambda _: "{}", r"environment.json does not say python; restore it"),
    "half an environment": ("environment.json", lambda text: text[:40], r"environment.json cannot be read \("),
}


@pytest.mark.parametrize(("name", "change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_named(folder: RunFolder, name: str, change: Callable[[str], str], said: str):
    place = folder.path / name
    place.write_text(change(place.read_text()))
    with pytest.raises(ValueError, match=said):
        starting.write_facts(folder, DATASET, SPLITS)


def test_what_follows_from_the_data_is_mended(folder: RunFolder):
    before = folder.read_json("data.json")
    folder.write_json("data.json", {"fingerprint": before["fingerprint"]})
    starting.write_facts(folder, DATASET, SPLITS)
    assert folder.read_json("data.json") == before


SETTINGS = {
    "mer": (mer, asdict(MerSettings(folds_at_once=2))),
    "ablate": (ablate, asdict(ablate.AblateSettings().mer) | {"variants": ["full"]}),
    "pretrain": (pretrain, asdict(PretrainSettings())),
    "fed": (fed, asdict(FedSettings())),
}
EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "an impossible seed": ({"seed": -1}, r"config.json has --seed=-1: it must be at least 0"),
    "text": ({"repeats": "2"}, r"\(repeats is '2'\); restore it"),
    "a list": ({"repeats": [2]}, r"\(repeats is \(2,\)\); restore it"),
    "none": ({"repeats": None}, r"\(repeats is None\); restore it"),
    "unknown": ({"repeatz": 2}, r"unexpected keyword argument 'repeatz'"),
    "no network": ({"network": 3}, r"config.json is not that of a run of experiments"),
    "a network of text": ({"network": {"prior_ratio": "much"}}, r"\(prior_ratio is 'much'\); restore it"),
}


@pytest.mark.parametrize("experiment", SETTINGS)
@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS)
def test_edited_settings_that_cannot_be_run_are_named(tmp_path: Path, experiment: str, edit: dict[str, Any], said: str):
    module: ModuleType
    module, settings = SETTINGS[experiment]
    folder = RunFolder(tmp_path)
    folder.write_json("config.json", {"experiment": experiment, "settings": settings})
    read = module.read_settings(folder)
    assert (read.mer if experiment == "ablate" else read).seed == 0
    folder.write_json("config.json", {"experiment": experiment, "settings": settings | edit})
    with pytest.raises(ValueError, match=said):
        module.read_settings(folder)
