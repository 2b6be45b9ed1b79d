"""Partitions of whole subjects, over random databases: they end, nobody is lost, and every client can be divided."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpsyau_jax.splits import (
    Least,
    by_example,
    by_subject,
    dirichlet,
    even,
    people_of,
    quantity,
    shards,
    split_clients,
)

PARTITIONS = {
    "even": even,
    "dirichlet:1e-300": dirichlet(1e-300),
    "dirichlet:0.01": dirichlet(0.01),
    "dirichlet:0.3": dirichlet(0.3),
    "dirichlet:1e300": dirichlet(1e300),
    "quantity:0": quantity(0.0),
    "quantity:1.5": quantity(1.5),
    "quantity:1e6": quantity(1e6),
    "shards:1": shards(1),
    "shards:2": shards(2),
    "shards:9": shards(9),
}


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def databases(draw):
    """Subject and class of each example: some people show one class, some classes are rare or missing."""
    draws = np.random.default_rng(draw(st.integers(0, 2**32)))
    num_people, num_classes = draw(st.integers(2, 60)), draw(st.integers(1, 7))
    sizes = draws.geometric(draw(st.sampled_from([0.05, 0.3, 1.0])), num_people)
    prior = draws.dirichlet(np.full(num_classes, draw(st.sampled_from([0.1, 1.0, 100.0]))))
    subjects = np.repeat([f"s{person:03d}" for person in range(num_people)], sizes)
    order = draws.permutation(len(subjects))
    return subjects[order], draws.choice(num_classes, len(subjects), p=prior)


def database(num_people: int = 40, each: int = 6, num_classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """People who show mostly one class."""
    draws, subjects = generator(seed), np.repeat([f"s{person:03d}" for person in range(num_people)], each)
    favourite = np.repeat(np.arange(num_people) % num_classes, each)
    return subjects, np.where(
        draws.random(len(subjects)) < 0.8, favourite, draws.integers(0, num_classes, len(subjects))
    )


def label_distance(clients, labels: np.ndarray) -> float:
    """Mean over clients of half the summed difference between their class shares and those of all."""
    shares = [np.bincount(labels[np.r_[c.train, c.test]], minlength=labels.max() + 1) for c in clients]
    return float(np.mean([abs(s / s.sum() - np.bincount(labels) / len(labels)).sum() / 2 for s in shares]))


def sizes_of(clients) -> np.ndarray:
    return np.array([len(client.train) + len(client.test) for client in clients])


def attempt(subjects, num_clients, seed, divide, partition, labels):
    """The clients, or why there are none."""
    try:
        return (
            split_clients(subjects, num_clients, 0.7, generator(seed), divide, partition=partition, labels=labels),
            "",
        )
    except ValueError as error:
        return [], str(error)


@pytest.mark.parametrize("name", PARTITIONS)
@settings(max_examples=30, deadline=None)
@given(data=databases(), seed=st.integers(0, 99), divide=st.sampled_from([by_subject, by_example]), more=st.data())
def test_nobody_is_lost_or_split_and_both_sides_have_examples(name, data, seed, divide, more):
    subjects, labels = data
    num_people, num_examples = len(set(subjects)), len(subjects)
    most = num_people // 2 if divide is by_subject or name == "even" else min(num_people, num_examples // 2)
    num_clients = more.draw(st.integers(1, most))
    clients, refused = attempt(subjects, num_clients, seed, divide, PARTITIONS[name], labels)
    if refused:  # some people have a single example, and others many
        assert divide is by_example
        assert "of whole subjects: choose fewer clients" in refused
        return
    assert sorted(who for client in clients for who in client.subjects) == sorted(set(subjects))
    assert sorted(np.concatenate([np.r_[c.train, c.test] for c in clients])) == list(range(num_examples))
    for client in clients:
        assert {*subjects[client.train], *subjects[client.test]} == set(client.subjects)
        assert len(client.train)
        assert len(client.test)
        if divide is by_subject:
            assert not {*subjects[client.train]} & {*subjects[client.test]}


@pytest.mark.parametrize("name", PARTITIONS)
def test_a_thousand_clients_are_assigned_soon(name):
    subjects, labels = database(num_people=3000, each=2, num_classes=7)
    start = time.process_time()
    people = people_of(subjects, labels)
    members = PARTITIONS[name](people, 1000, Least(), generator())
    assert time.process_time() - start < 20
    assert min(map(len, members)) >= 2
    assert len(np.unique(np.concatenate(members))) == 3000


@pytest.mark.parametrize("name", PARTITIONS)
def test_the_generator_alone_decides(name):
    subjects, labels = database()
    one, same, other = (
        split_clients(subjects, 5, 0.7, generator(seed), partition=PARTITIONS[name], labels=labels)
        for seed in (3, 3, 4)
    )
    assert [client.subjects for client in one] == [client.subjects for client in same]
    assert [client.train.tolist() for client in one] == [client.train.tolist() for client in same]
    assert [client.train.tolist() for client in one] != [client.train.tolist() for client in other]


def test_even_is_what_it_was_bit_for_bit():
    subjects, _ = database()
    clients = split_clients(subjects, 6, 0.7, generator(7))
    draws = generator(7)
    for client, members in zip(clients, np.array_split(draws.permutation(np.unique(subjects)), 6), strict=True):
        examples = np.flatnonzero(np.isin(subjects, members))
        trained = by_subject(examples, subjects[examples], 0.7, draws)
        assert client.train.tolist() == examples[trained].tolist()
        assert client.test.tolist() == examples[~trained].tolist()


def test_label_skew_grows_as_alpha_falls_and_sizes_stay_alike():
    subjects, labels = database(num_people=80)
    found = [
        [
            split_clients(subjects, 8, 0.7, generator(seed), partition=dirichlet(alpha), labels=labels)
            for seed in range(8)
        ]
        for alpha in (0.1, 1.0, 1e4)
    ]
    strong, middle, weak = (np.mean([label_distance(clients, labels) for clients in runs]) for runs in found)
    random = np.mean([label_distance(split_clients(subjects, 8, 0.7, generator(s)), labels) for s in range(8)])
    assert strong > middle + 0.05 > weak + 0.1
    assert weak < random
    assert max(sizes_of(clients).std() / 60 for runs in found for clients in runs) < 0.25


def test_size_skew_grows_with_sigma_and_classes_stay_alike():
    subjects, labels = database(num_people=80)
    spread, distance = [], []
    for sigma in (0.0, 0.5, 1.5):
        runs = [
            split_clients(subjects, 8, 0.7, generator(seed), partition=quantity(sigma), labels=labels)
            for seed in range(8)
        ]
        spread.append(np.mean([sizes_of(clients).std() / 60 for clients in runs]))
        distance.append(np.mean([label_distance(clients, labels) for clients in runs]))
    assert spread[0] < 0.1 < spread[1] < spread[2]
    assert max(distance[:2]) < 0.15


def test_shards_give_each_client_few_classes():
    subjects = np.repeat([f"s{person:02d}" for person in range(40)], 3)
    labels = np.repeat(np.arange(40) % 5, 3)
    for each in (1, 2):
        clients = split_clients(subjects, 5, 0.7, generator(), partition=shards(each), labels=labels)
        shown = [len(set(labels[np.r_[client.train, client.test]])) for client in clients]
        assert max(shown) <= 2 * each  # a shard may lie on the border of two classes
        assert np.mean(shown) < 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"num_clients": 7, "partition": dirichlet(1.0)},
            "7 clients need at least 2 subjects and 2 examples each, but the data has 12 subjects and 24 examples: "
            "choose 1 to 6 clients",
        ),
        ({"num_clients": 5, "partition": shards(1), "least": Least(3, 3)}, "choose 1 to 4 clients"),
    ],
)
def test_what_cannot_be_is_told(arguments, sentence):
    subjects = np.repeat([f"s{person:02d}" for person in range(12)], 2)
    with pytest.raises(ValueError, match=sentence):
        split_clients(subjects, train_share=0.7, generator=generator(), **arguments)
