"""Partitions by name, in the splits of fed, and how much the clients differ, in clients.csv and in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import CLIPS_EACH, NUM_SUBJECTS, random_dataset

from data.dataset import Dataset
from experiments.inputs.checks import check_fed
from experiments.inputs.partitions import least_of, partition_named
from experiments.inputs.settings import FedSettings
from experiments.inputs.splits import splits_of
from experiments.pages import clients as page
from experiments.results.clients import client_table
from fedpsyau_jax.splits import even

SITES = np.repeat(["lab-a", "lab-b"], [3 * CLIPS_EACH, (NUM_SUBJECTS - 3) * CLIPS_EACH])


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return replace(random_dataset("own", "mine"), site=SITES)


def settings(**changes) -> FedSettings:
    return FedSettings(**{"clients": 3, "repeats": 2, "database": ("own:mine",)} | changes)


def sizes(splits) -> list[int]:
    return sorted(len(client.train) + len(client.test) for client in splits[0].clients)


@pytest.mark.parametrize("name", ["even", "dirichlet:0.1", "quantity:1.5", "shards:2"])
def test_every_partition_is_a_split_of_all_subjects(dataset: Dataset, name: str):
    for splits in splits_of(settings(partition=name), dataset):
        assert sum(sizes(splits)) == NUM_SUBJECTS * CLIPS_EACH
        assert all(len(client.subjects) >= 2 for client in splits[0].clients)


def test_quantity_skews_the_sizes(dataset: Dataset):
    even_ones, skewed = (
        [sizes(splits) for splits in splits_of(settings(partition=name, repeats=9), dataset)]
        for name in ("even", "quantity:2")
    )
    assert np.mean(skewed, axis=0)[-1] > np.mean(even_ones, axis=0)[-1] + 2


def test_places_are_clients_with_their_names(dataset: Dataset):
    for number, names in ((None, ["lab-a", "lab-b"]), (2, ["lab-a", "lab-b"])):
        ((split,), _) = splits_of(settings(partition="labs", clients=number), dataset)
        assert [client.name for client in split.clients] == names
        assert [len(client.subjects) for client in split.clients] == [3, NUM_SUBJECTS - 3]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"partition": "labs"},
            "--clients=3: each of lab-a, lab-b is split among equally many clients, .*multiple of 2",
        ),
        ({"partition": "labs", "clients": 4}, "lab-a: a client has the single subject"),
        (
            {"partition": "dirichlet:1", "clients": 5},
            "5 clients need at least 2 subjects .*8 subjects .*1 to 4 clients",
        ),
        (
            {"partition": "shards:1", "validation_share": 0.3},
            "3 clients need at least 3 subjects .*: choose 1 to 2 clients",
        ),
    ],
)
def test_what_cannot_be_is_told(dataset: Dataset, changes: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        splits_of(settings(**changes), dataset)


def test_one_place_cannot_be_several_clients(dataset: Dataset):
    with pytest.raises(ValueError, match="--partition=labs: all of own:mine was recorded in one place"):
        splits_of(settings(partition="labs", clients=None), replace(dataset, site=np.zeros(0, str)))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dirichelt:0.3", "--partition=dirichelt:0.3: did you mean dirichlet\\? there are even, dirichlet:ALPHA, "),
        ("dirichlet", "ALPHA must be a number, as in dirichlet:1"),
        ("dirichlet:nan", "ALPHA must be greater than 0, and finite"),
        ("quantity:-1", "SIGMA must be at least 0"),
        ("shards:1.5", "CLASSES must be a whole number"),
        ("shards:0", "CLASSES must be at least 1"),
        ("even:3", "there are even, dirichlet:ALPHA"),
        ("", "there are even"),
    ],
)
def test_names_and_numbers_are_checked(name: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        check_fed(FedSettings(partition=name))


def test_places_and_databases_cannot_both_be_clients():
    with pytest.raises(ValueError, match="leave out --client-by=database"):
        check_fed(FedSettings(partition="labs", client_by="database", database=("casme2", "samm")))


def test_the_least_leaves_enough_on_every_side():
    assert partition_named("even") is even
    for share in (0.05, 0.3, 0.5, 0.7, 0.95):
        for validation in (0.0, 0.2):
            least = least_of(FedSettings(train_share=share, validation_share=validation)).subjects
            num_test = max(1, min(round((1 - share) * least), least - 1))
            assert least - num_test >= (2 if validation else 1)


def table(dataset: Dataset, features: np.ndarray | None, **changes) -> pd.DataFrame:
    labels = np.asarray(dataset.examples.emotion)
    repeats = splits_of(settings(**changes), dataset)
    return client_table(repeats, dataset.subject, labels, len(dataset.class_names), features)


def test_clients_are_measured_and_told(dataset: Dataset):
    shifted = np.random.default_rng(0).normal(size=(len(SITES), 5)) + 3 * (SITES == "lab-a")[:, None]
    found = table(dataset, shifted, partition="labs", clients=None)
    assert found["client"].tolist() == ["lab-a", "lab-b", "pooled"] * 2
    pooled, alone = found[found["client"] == "pooled"], found[found["client"] != "pooled"]
    assert pooled["num_examples"].tolist() == [NUM_SUBJECTS * CLIPS_EACH] * 2
    assert (alone["num_examples"] == alone["num_train"] + alone["num_test"]).all()
    assert pooled["size_gini"].tolist() == pytest.approx([(5 - 3) / (2 * 8)] * 2)
    assert (found["feature_auc"] > 0.95).all()
    (sentence,) = page.sentences(found)
    assert sentence.startswith("Clients differ (means over repeats): label total variation .")
    assert "size Gini .125, AU probabilities tell a client with an AUC of .9" in sentence or "AUC of 1.000" in sentence
    shown = page.sheet(found)
    assert shown is not None
    assert shown.columns[-3:].tolist() == ["label total variation", "size gini", "feature AUC"]


def test_without_a_frozen_detector_the_feature_shift_is_not_known(dataset: Dataset):
    found = table(dataset, None)
    assert found["feature_auc"].isna().all()
    assert page.sentences(found)[0].endswith("feature shift is not known.")
    assert page.sentences(None) == []
