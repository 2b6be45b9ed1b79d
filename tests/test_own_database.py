"""``--database module:function``: a dataset of the user's own, or one sentence why it is none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fed_on_random_data import own_dataset
from rich.console import Console

from data.dataset import Dataset, fingerprint
from experiments.inputs.checks import check_fed, check_mer
from experiments.inputs.databases import check_dataset, folders_by_name, load_databases
from experiments.inputs.settings import FedSettings, MerSettings
from experiments.run.progress import progress

OWN = "fed_on_random_data:own_dataset"
fixed = own_dataset()
number = 3


def failing() -> Dataset:
    return fixed.examples.faces


def nothing() -> None:
    pass


def asked(database: str, **choices: Any) -> Dataset:
    with progress(Console(quiet=True)) as stages:
        ((dataset,),) = load_databases(FedSettings(database=(database,), **choices), None, (), stages)
        return dataset


def test_a_dataset_of_ones_own_has_a_fingerprint_and_its_own_classes() -> None:
    found = asked(OWN)
    assert found.class_names == ("negative", "positive", "surprise")
    assert found.fingerprint == fingerprint(found) == asked("test_own_database:fixed").fingerprint
    assert found.metadata["dropped"] == []
    assert set(found.site) == {"own"}
    with pytest.raises(ValueError, match=r"--manual-dir=x: .* leave it out"), progress(Console(quiet=True)) as stages:
        load_databases(FedSettings(database=(OWN,)), None, ["x"], stages)


def test_arrays_come_in_the_types_of_the_experiments() -> None:
    made = fixed.examples
    wide = made._replace(flow=made.flow.astype(float), au=made.au.astype(bool), emotion=made.emotion.astype(np.uint8))
    same = check_dataset(replace(fixed, examples=wide, subject=list(fixed.subject)), "here")
    assert same.fingerprint == check_dataset(fixed, "here").fingerprint


def examples(**changed: Callable[[np.ndarray], Any]) -> Dataset:
    given = fixed.examples._asdict()
    return replace(fixed, examples=fixed.examples._replace(**{n: change(given[n]) for n, change in changed.items()}))


def with_nan(array: np.ndarray) -> np.ndarray:
    return np.where(np.arange(array.size).reshape(array.shape) == 3, np.nan, array)


WRONG = {
    r"flow has shape \(32, 28, 28\); give \(32, 28, 28, 3\)": examples(flow=lambda flow: flow[..., 0]),
    r"au has shape \(31, 12\); give \(32, 12\)": examples(au=lambda au: au[1:]),
    r"patches holds a missing or infinite number": examples(patches=with_nan),
    r"au_mask holds another number than 0 and 1": examples(au_mask=lambda mask: mask / 2),
    r"emotion has others than 0 to 2": examples(emotion=lambda emotion: emotion + 1),
    r"emotion has others": examples(emotion=lambda emotion: emotion.astype(float)),
    r"subject has shape \(31,\)": replace(fixed, subject=fixed.subject[1:]),
    r"its AUs are AU1, AU2; the network has": replace(fixed, au_names=("AU1", "AU2")),
    r"1 names of clips occur": replace(fixed, clip=np.repeat("a", 32)),
    r"it has no clip": replace(fixed, clip=fixed.clip[:0]),
}


@pytest.mark.parametrize(("said", "dataset"), WRONG.items(), ids=WRONG)
def test_what_is_no_dataset_is_told_in_one_sentence(said: str, dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=f"^here: .*{said}"):
        check_dataset(dataset, "here")


MISTAKES = {
    "casme4": r"--database=casme4: did you mean casme3\? there are synthetic, .*your own as module:function",
    "no_such_module:faces": r"--database=no_such_module:faces: there is no module 'no_such_module'",
    "test_own_database:fixd": r"did you mean fixed\?",
    "test_own_database:number": r"number is neither a function that returns a Dataset nor a Dataset",
    "test_own_database:failing": r"the function failed \(AttributeError",
    "test_own_database:nothing": r"the function returned NoneType, not a Dataset",
}


@pytest.mark.parametrize(("name", "said"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistaken_name_is_one_sentence(name: str, said: str) -> None:
    settings = FedSettings(database=(name,))
    with pytest.raises(ValueError, match=said):
        asked(name) if ":" in name else check_fed(settings)


def test_a_configuration_of_ones_own_database_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--config=A: the database .* has none to choose"):
        check_mer(MerSettings(database=(OWN,), config="A"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("/data", r"--manual-dir /data: write name=FOLDER"),
        ("disfa=", r"--manual-dir disfa=: write name=FOLDER"),
        ("disfa=x", r"--manual-dir disfa=x: disfa is not among --databases samm casme2"),
    ],
)
def test_a_copy_without_its_database_is_named(value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        folders_by_name([value], ["samm", "casme2"])


def test_a_single_database_needs_no_name_before_its_folder() -> None:
    assert folders_by_name(["/data/a=b"], ["samm"]) == folders_by_name(["samm=/data/a=b"], ["samm"])
    with pytest.raises(ValueError, match=r"--manual-dir disfa=x: disfa is not among --databases samm"):
        folders_by_name(["disfa=x"], ["samm"])
    with pytest.raises(ValueError, match=r"--manual-dir samm=y: samm has a folder already"):
        folders_by_name(["samm=x", "samm=y"], ["samm"])
