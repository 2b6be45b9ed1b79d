"""Settings are read back from config.json as they were, and edits that cannot be run are named."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from experiments.inputs.checks import check_ablate, check_fed, check_mer, check_pretrain
from experiments.inputs.presets import FED_PRESETS, MER_PRESETS
from experiments.inputs.settings import (
    AblateSettings,
    FedSettings,
    MerSettings,
    PretrainSettings,
)
from experiments.run.config import read_settings
from experiments.run.folder import RunFolder

CHECKS: dict[str, Any] = {"mer": check_mer, "ablate": check_ablate, "pretrain": check_pretrain, "fed": check_fed}
SETTINGS: dict[str, Any] = {
    "mer": MerSettings(at_once=2),
    "ablate": AblateSettings(variants=("full",)),
    "pretrain": PretrainSettings(sweep=("batch=8,16",)),
    "fed": FedSettings(mu=(0.1,)),
}
EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "an impossible seed": ({"seed": -1}, r"config.json has --seed=-1: it must be at least 0"),
    "text": ({"repeats": "2"}, r"\(repeats is '2'\); restore it"),
    "a list": ({"repeats": [2]}, r"\(repeats is \(2,\)\); restore it"),
    "none": ({"repeats": None}, r"\(repeats is None\); restore it"),
    "a sweep of numbers": ({"sweep": [1]}, r"\(sweep is \(1,\)\); restore it"),
    "an impossible sweep": ({"sweep": ["seed=1"]}, r"config.json has --sweep seed=1: seed cannot be varied"),
    "unknown": ({"repeatz": 2}, r"unexpected keyword argument 'repeatz'"),
    "no network": ({"network": 3}, r"config.json is not that of a run of experiments"),
    "an empty network": ({"network": {}}, r"\(variant is missing\); restore it"),
}


def written(folder: Path, experiment: str, values: Any) -> RunFolder:
    run = RunFolder(folder)
    run.write_json("config.json", {"experiment": experiment, "settings": values})
    return run


def read(run: RunFolder, experiment: str) -> Any:
    return read_settings(run, experiment, type(SETTINGS[experiment]), CHECKS[experiment])


@pytest.mark.parametrize("experiment", SETTINGS)
def test_settings_come_back_as_they_were(tmp_path: Path, experiment: str) -> None:
    settings = SETTINGS[experiment]
    assert read(written(tmp_path, experiment, asdict(settings)), experiment) == settings


@pytest.mark.parametrize("settings", [FED_PRESETS["paper"], MER_PRESETS["paper"]], ids=["fed", "mer"])
def test_presets_come_back_as_they_were(tmp_path: Path, settings: Any) -> None:
    run = written(tmp_path, "it", asdict(settings))
    assert read_settings(run, "it", type(settings), lambda _: None) == settings


@pytest.mark.parametrize("experiment", SETTINGS)
@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS)
def test_edited_settings_that_cannot_be_run_are_named(
    tmp_path: Path, experiment: str, edit: dict[str, Any], said: str
) -> None:
    run = written(tmp_path, experiment, asdict(SETTINGS[experiment]) | edit)
    with pytest.raises(ValueError, match=said):
        read(run, experiment)


@pytest.mark.parametrize("name", ["seed", "network"])
def test_what_an_earlier_version_did_not_write_is_named(tmp_path: Path, name: str) -> None:
    values = asdict(SETTINGS["fed"])
    del values[name]
    with pytest.raises(ValueError, match=rf"\({name} is missing\); restore it, or start a new run"):
        read(written(tmp_path, "fed", values), "fed")


def test_an_edited_nested_value_is_named(tmp_path: Path) -> None:
    settings = replace(SETTINGS["fed"], network=replace(SETTINGS["fed"].network, prior_ratio="much"))
    with pytest.raises(ValueError, match=r"\(prior_ratio is 'much'\); restore it"):
        read(written(tmp_path, "fed", asdict(settings)), "fed")


@pytest.mark.parametrize("content", [[], {"experiment": "fed"}, {"experiment": "fed", "settings": [1]}])
def test_a_file_without_settings_is_named(tmp_path: Path, content: Any) -> None:
    RunFolder(tmp_path).write_json("config.json", content)
    with pytest.raises(ValueError, match=r"config.json is not that of a run of experiments.fed"):
        read(RunFolder(tmp_path), "fed")


def test_a_run_of_another_command_is_named(tmp_path: Path) -> None:
    run = written(tmp_path, "mer", asdict(SETTINGS["mer"]))
    with pytest.raises(ValueError, match=r"is a run of experiments.mer, not of experiments.fed"):
        read(run, "fed")
