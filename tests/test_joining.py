"""Several databases as one: classes, names, masks, sites, and the clients that follow from them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fed_on_random_data import random_copy
from rich.console import Console

from data.dataset import Dataset, sites_of
from data.labels import SEVEN, SEVEN_WITH_OTHERS, THREE
from experiments.inputs import databases
from experiments.inputs.completion import complete_fed
from experiments.inputs.databases import check_dataset, load_databases
from experiments.inputs.joining import joined, with_common_classes
from experiments.inputs.settings import FedSettings, MerSettings, RecognitionSettings
from experiments.inputs.splits import client_names, splits_of
from experiments.run.progress import progress
from experiments.training.prepare import prepare_on

NAMES = ("casme2", "samm", "casme3")
strange = replace(random_copy("own"), class_names=("blink", *SEVEN))


@pytest.fixture(autouse=True)
def _noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "load", lambda name, *_, **__: random_copy(name))


def loaded(settings: RecognitionSettings, copies: Sequence[str] = ()) -> list[Dataset]:
    with progress(Console(quiet=True)) as stages:
        (datasets,) = load_databases(settings, None, copies, stages)
    return datasets


def together(*names: str, **choices: Any) -> Dataset:
    return joined(loaded(FedSettings(database=names, **choices)))


def test_everything_of_each_database_is_there_under_its_name():
    parts, whole = loaded(FedSettings(database=NAMES)), together(*NAMES)
    assert (whole.class_names, whole.name, whole.synthetic) == (THREE, "casme2+samm+casme3", False)
    start = 0
    for name, part in zip(NAMES, parts, strict=True):
        rows = slice(start, start := start + len(part.clip))
        for own, all_of_it in zip(part.examples, whole.examples, strict=True):
            np.testing.assert_array_equal(all_of_it[rows], own)
        assert whole.clip[rows].tolist() == [f"{name}/{clip}" for clip in part.clip]
        assert whole.subject[rows].tolist() == [f"{name}/{who}" for who in part.subject]
        assert set(whole.site[rows]) == {name}
        assert not whole.examples.au_mask[rows, len(name)].any()
    assert start == len(whole.clip)
    check_dataset(whole, "here")


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        (NAMES, None, THREE),
        (("dfme", "samm"), None, THREE),
        (("dfme", "synthetic"), None, SEVEN),
        (("dfme", "mmew"), None, THREE),
        (("casme3", "mmew"), 7, SEVEN_WITH_OTHERS),
        (("dfme", "samm"), 7, SEVEN),
        (NAMES, 4, (*THREE, "others")),
        (("dfme",), None, SEVEN),
    ],
)
def test_classes_are_those_that_all_databases_share(names: tuple[str, ...], classes: Any, expected: tuple[str, ...]):
    assert {one.class_names for one in loaded(FedSettings(database=names, classes=classes))} == {expected}


def test_each_database_is_loaded_in_its_configuration(monkeypatch: pytest.MonkeyPatch):
    asked = {}
    monkeypatch.setattr(databases, "load", lambda name, part, *_, **__: asked.update({name: part}) or random_copy(name))
    loaded(FedSettings(database=("dfme", "smic", "samm"), config="smic=e_hs,dfme=B"))
    assert asked == {"dfme": "B", "smic": "e_hs", "samm": None}


def test_classes_that_cannot_be_brought_together_are_refused():
    with pytest.raises(ValueError, match=r"--classes=7: the databases have other classes \(casme3: anger.* choose 3"):
        loaded(FedSettings(database=("casme3", "dfme"), classes=7))
    with pytest.raises(ValueError, match=r"--database=test_joining:strange: its class blink is no emotion that"):
        loaded(FedSettings(database=("test_joining:strange", "samm")))
    assert loaded(MerSettings(database=("test_joining:strange",)))[0].class_names == strange.class_names
    alike = replace(random_copy("samm"), class_names=THREE)
    kept = with_common_classes(("mine:a", "mine:b"), (alike, replace(alike, name="other")), None)
    assert {one.class_names for one in kept} == {THREE}


def test_two_databases_of_one_name_are_refused():
    settings = FedSettings(database=("mine:a", "mine:b"))
    with (
        pytest.raises(ValueError, match="two databases are called samm, so that nobody could tell their subjects"),
        progress(Console(quiet=True)) as stages,
    ):
        prepare_on([[random_copy("samm")] * 2], settings, None, None, stages)


def clients(*names: str, **choices: Any) -> dict[str, tuple[str, ...]]:
    settings = complete_fed(FedSettings(database=names, repeats=1, **choices))
    data = joined(loaded(settings))
    ((split,),) = splits_of(settings, data)
    tested = np.concatenate([split.train, split.test])
    assert sorted(tested) == list(range(len(data.clip)))
    for client in split.clients:
        assert set(data.subject[client.train]) | set(data.subject[client.test]) == set(client.subjects)
        assert not set(data.subject[client.train]) & set(data.subject[client.test]) or settings.split == "examples"
    return dict(zip(client_names(split), (client.subjects for client in split.clients), strict=True))


def test_each_database_is_a_client_in_the_order_of_the_option():
    found = clients(*NAMES, client_by="database")
    assert list(found) == list(NAMES)
    assert all(subject.startswith(f"{name}/") for name, people in found.items() for subject in people)
    assert clients(*NAMES, client_by="database", split="examples") == found


def test_databases_are_shared_out_among_equally_many_clients():
    found = clients(*NAMES, client_by="database", clients=6)
    assert list(found) == [f"{name}-{number}" for name in NAMES for number in (1, 2)]
    assert {len(people) for people in found.values()} == {4}
    with pytest.raises(ValueError, match=r"^casme2: .*the data has 8 subjects"):
        clients(*NAMES, client_by="database", clients=27)


def test_subjects_of_all_databases_are_dealt_to_the_usual_clients():
    found = clients(*NAMES)
    assert list(found) == list("01234")
    assert len({name for people in found.values() for name in people}) == 24


def test_each_subset_is_a_client():
    assert list(clients("dfme", client_by="subset")) == ["A", "B", "C"]
    assert list(clients("samm", "dfme", client_by="subset")) == ["dfme/A", "dfme/B", "dfme/C", "samm"]
    assert list(clients("dfme", client_by="subset", clients=3, mu=(0.0, 0.1, 0.2))) == ["A", "B", "C"]
    for said, choices in {
        r"--clients=4: each of A, B, C is split .* a multiple of 3": {"clients": 4},
        r"--mu 0.1 0.2: give one number .* each of the 3": {"mu": (0.1, 0.2)},
    }.items():
        with pytest.raises(ValueError, match=said):
            clients("dfme", client_by="subset", **choices)
    for names in (("samm",), NAMES):
        with pytest.raises(ValueError, match=r"--client-by=subset: there are no subsets of .*as there are of dfme"):
            clients(*names, client_by="subset")


def test_a_subject_of_two_subsets_belongs_to_that_with_most_clips(monkeypatch: pytest.MonkeyPatch):
    whole = random_copy("dfme")
    site = sites_of(whole).copy()
    site[0] = "C"  # one of four clips of the first subject
    monkeypatch.setattr(databases, "load", lambda *_, **__: replace(whole, site=site))
    assert whole.subject[0] in clients("dfme", client_by="subset")["A"]
