"""--labs and --lab-shift: what is loaded, whose clients are whose, and what a sweep over shifts trains."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from fed_on_random_data import random_dataset
from rich.console import Console

from data.dataset import Dataset
from experiments.inputs import databases
from experiments.inputs.checks import check_fed
from experiments.inputs.completion import complete_fed
from experiments.inputs.databases import load_databases
from experiments.inputs.labs import configurations
from experiments.inputs.priors import annotations_of
from experiments.inputs.settings import FedSettings
from experiments.inputs.shifts import shifted
from experiments.inputs.splits import cautions_of_clients, client_names, splits_of
from experiments.run.progress import progress
from experiments.training.plan import arrays
from experiments.training.rows import Table, table_of

LABS = FedSettings(labs=3, repeats=2, rounds=2, algorithms=("local", "fedavg", "p-fedprox"))
SWEPT = replace(LABS, sweep=("lab-shift=0,light=1", "self-weight=0.5,0.9"))
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "one lab": ({"labs": 1}, r"^--labs=1: it must be at least 2$"),
    "too many": ({"labs": 31}, r"^--labs=31: 31 labs of 60 subjects: choose 2 to 30 labs, so that each has at least 2"),
    "a real database": ({"labs": 3, "database": ("casme3",)}, r"^--labs=3: labs are synthetic, unlike .*casme3; leave"),
    "clients": (
        {"labs": 3, "clients": 4},
        r"^--clients=4: each of the 3 labs is split .* multiple of 3, or leave",
    ),
    "other clients": (
        {"labs": 3, "client_by": "subset"},
        r"^--client-by=subset: with --labs each client is a lab",
    ),
    "a typo": (
        {"labs": 3, "lab_shift": "lihgt=1"},
        r"^--lab-shift=lihgt=1: unknown factor lihgt: did you mean li",
    ),
    "too strong": ({"labs": 3, "lab_shift": "light=2"}, r"^--lab-shift=light=2: light=2: a strength is from 0 "),
    "no strength": (
        {"labs": 3, "lab_shift": "much"},
        r"^--lab-shift=much: 'much' has no strength from 0 to 1: ",
    ),
    "no labs": ({"lab_shift": "0.5"}, r"^--lab-shift=0.5: there are no labs to differ; add --labs=3$"),
    "no labs to sweep": ({"sweep": ("lab-shift=0,1",)}, r"^--sweep lab-shift: there are no labs to differ \(--labs=3 "),
    "a bad sweep": ({"labs": 3, "sweep": ("lab-shift=0,2",)}, r"^--lab-shift=2: 2: a strength is from 0 "),
    "the same twice": (
        {"labs": 3, "sweep": ("lab-shift=1,1.0",)},
        r"^--sweep lab-shift=1,1.0: two of these are",
    ),
    "mu": ({"labs": 3, "mu": (0.1, 0.2)}, r"^--mu 0.1 0.2: give one number for all clients or one for each of the 3"),
}


@pytest.fixture(autouse=True)
def _noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "load", random_dataset)


def loaded(settings: FedSettings) -> list[Dataset]:
    with progress(Console(quiet=True)) as stages:
        (datasets,) = load_databases(settings, None, (), stages)
    return datasets


def data_of(settings: FedSettings) -> Dataset:
    several = loaded(settings)
    return several[0] if len(several) == 1 else shifted(several)


def table(settings: FedSettings) -> Table:
    data = data_of(settings)
    return table_of(settings, splits_of(settings, data), annotations_of(data), np.arange(len(data.clip)))


@pytest.mark.parametrize("what", MISTAKES)
def test_labs_that_cannot_be_are_refused_in_one_sentence(what: str):
    choices, sentence = MISTAKES[what]
    with pytest.raises(ValueError, match=sentence) as refusal:
        check_fed(complete_fed(FedSettings(**choices)))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"clients": 6},
        {"lab_shift": "light=1,frame-rate=0.5"},
        {"mu": (0.1, 0.2, 0.3)},
        {"sweep": ("lab-shift=0,1",)},
    ],
)
def test_labs_that_can_be_are_accepted(choices: dict[str, Any]):
    settings = complete_fed(replace(LABS, **choices))
    check_fed(settings)
    assert settings.clients == choices.get("clients", 3)


def test_a_configuration_is_loaded_for_each_shift():
    assert configurations(FedSettings()) == ["federated"]
    assert configurations(LABS) == ["labs-3-1"]
    assert configurations(replace(LABS, lab_shift="light=1.0")) == ["labs-3-light1"]
    assert configurations(SWEPT) == ["labs-3-0", "labs-3-light1"]
    assert [one.name for one in loaded(SWEPT)] == ["synthetic/labs-3-0/0.0.0", "synthetic/labs-3-light1/0.0.0"]


def test_each_client_is_a_lab_or_part_of_one():
    data = data_of(LABS)
    by_example = replace(LABS, clients=6, split="examples")  # a third of a lab's people may be a single one
    for settings, per_lab in ((complete_fed(LABS), 1), (by_example, 2)):
        for (split,) in splits_of(settings, data):
            assert len(split.clients) == 3 * per_lab
            for client in split.clients:
                own = data.site[np.concatenate([client.train, client.test])]
                assert len(set(own)) == 1
                assert client.name.partition("-")[0] == own[0]
    assert client_names(splits_of(LABS, data)[0][0]) == ["lab1", "lab2", "lab3"]


def test_several_shifts_are_one_dataset_that_says_whose_is_what():
    none, full = loaded(SWEPT)
    both = shifted([none, full])
    assert len(set(both.clip)) == len(both.clip) == 2 * len(none.clip)
    assert set(both.subject) == set(none.subject)
    assert set(both.site) == {f"{shift}/lab{number}" for shift in ("0", "light1") for number in (1, 2, 3)}
    later = both.clip == f"light1/{none.clip[0]}"
    np.testing.assert_array_equal(both.examples.flow[later][0], full.examples.flow[0])
    assert len({both.fingerprint, none.fingerprint, full.fingerprint}) == 3


def test_each_row_of_a_sweep_trains_on_its_shift_only_and_all_in_one_program():
    whole = table(SWEPT)
    titles = [row.title for row in whole.rows]
    assert titles == [
        *(f"{name}, lab-shift {shift}" for name in ("Local only", "FedAvg") for shift in ("0", "light=1")),
        *(f"P-FedProx, lab-shift {s}, self-weight {w}" for s in ("0", "light=1") for w in ("0.5", "0.9")),
    ]
    (group,) = whole.groups
    assert len(group.trainings) == len(titles) * SWEPT.repeats
    sites = data_of(SWEPT).site
    for one in group.trainings:
        shift = "light1" if "light=1" in one.row else "0"
        assert one.split.name == f"lab-shift {shift}"
        used = sites[np.concatenate([one.split.train, one.split.test, one.prior_rows])]
        assert {site.partition("/")[0] for site in used} == {shift}


@pytest.mark.slow
def test_shifts_share_subjects_splits_and_random_numbers_and_a_shift_alone_is_the_same():
    whole, alone = table(SWEPT), table(replace(LABS, lab_shift="light=1", sweep=("self-weight=0.5,0.9",)))
    (group,), (single,) = whole.groups, alone.groups
    by_row = {
        (one.row.replace(", lab-shift light=1", ""), one.repeat): place for place, one in enumerate(group.trainings)
    }
    shown = np.arange(2 * len(data_of(LABS).clip))
    many = arrays(group, range(len(group.trainings)), len(group.trainings), shown, seed=0)
    few = arrays(single, range(len(single.trainings)), len(single.trainings), shown, seed=0)
    keys, own_keys = (jax.random.key_data(one.key) for one in (many, few))
    for place, one in enumerate(single.trainings):
        same = by_row[one.row, one.repeat]
        np.testing.assert_array_equal(keys[same], own_keys[place])
        there = group.trainings[same].split.clients
        assert [client.subjects for client in there] == [client.subjects for client in one.split.clients]
        assert [len(client.test) for client in there] == [len(client.test) for client in one.split.clients]
    other = by_row["Local only, lab-shift 0", 1]
    np.testing.assert_array_equal(keys[other], keys[by_row["Local only", 1]])


def test_warnings_name_lab_and_shift():
    data = data_of(SWEPT)
    sentences = " ".join(cautions_of_clients(splits_of(SWEPT, data), data))
    assert "(repeat 0, client lab3, lab-shift light1)" in sentences
    assert "(repeat 1, client lab1, lab-shift 0)" in sentences
