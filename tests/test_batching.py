"""Who trains and tests on what, over random subjects, clients and shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpsyau_jax.splits import Split, by_example, by_subject, pad_indices, pooled, split_clients

FOUR_EACH = np.repeat([f"s{i:02}" for i in range(20)], 4)
SPLITS = {"by_subject": by_subject, "by_example": by_example}


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def joined(clients, side: str | None = None) -> list[int]:
    sides = [side] if side else ["train", "test"]
    return sorted(int(index) for client in clients for s in sides for index in getattr(client, s))


@st.composite
def shuffled_subjects(draw):
    """Each subject with some examples, in any order."""
    counts = draw(st.lists(st.integers(2, 7), min_size=2, max_size=14))
    names = [f"s{i}" for i, count in enumerate(counts) for _ in range(count)]
    return draw(st.permutations(names))


@given(subjects=shuffled_subjects(), share=st.floats(0.05, 0.95), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", SPLITS)
def test_every_example_is_in_one_client_on_one_side(name, subjects, share, seed, data):
    num_clients = data.draw(st.integers(1, len(set(subjects)) // 2))
    clients = split_clients(subjects, num_clients, share, generator(seed), SPLITS[name])
    assert joined(clients) == list(range(len(subjects)))
    assert sorted(subject for client in clients for subject in client.subjects) == sorted(set(subjects))
    numbers = [len(client.subjects) for client in clients]
    assert max(numbers) - min(numbers) <= 1
    for client in clients:
        trained, tested = ({subjects[i] for i in side} for side in (client.train, client.test))
        assert trained
        assert tested
        assert trained | tested == set(client.subjects)
        assert list(client.train) == sorted(client.train)
        assert list(client.test) == sorted(client.test)
        if name == "by_subject":
            assert not trained & tested


def test_by_subject_trains_on_the_share_of_subjects():
    (client,) = split_clients(FOUR_EACH, 1, 0.7, generator())
    assert len(set(FOUR_EACH[client.train])) == 14
    assert len(set(FOUR_EACH[client.test])) == 6


def test_by_example_trains_on_the_share_of_examples():
    (client,) = split_clients(FOUR_EACH, 1, 0.7, generator(), by_example)
    assert (len(client.train), len(client.test)) == (56, 24)
    assert set(FOUR_EACH[client.train]) & set(FOUR_EACH[client.test])


@pytest.mark.parametrize("name", SPLITS)
def test_both_sides_have_something_at_any_share(name):
    for share in (1e-6, 1 - 1e-6):
        for client in split_clients(FOUR_EACH, 5, share, generator(), SPLITS[name]):
            assert len(client.train)
            assert len(client.test)


def test_the_generator_alone_decides():
    one, same, other = (split_clients(FOUR_EACH, 5, 0.7, generator(seed)) for seed in (3, 3, 4))
    assert [client.subjects for client in one] == [client.subjects for client in same]
    assert [client.train.tolist() for client in one] == [client.train.tolist() for client in same]
    assert [client.subjects for client in one] != [client.subjects for client in other]


def test_every_subject_gets_to_every_client_and_side():
    clients = [split_clients(FOUR_EACH[:16], 2, 0.5, generator(seed)) for seed in range(200)]
    trained = np.mean([["s00" in FOUR_EACH[c.train] for c in pair] for pair in clients], axis=0)
    dealt = np.mean([["s00" in c.subjects for c in pair] for pair in clients], axis=0)
    np.testing.assert_allclose(trained, 0.25, atol=0.12)
    np.testing.assert_allclose(dealt, 0.5, atol=0.14)


@pytest.mark.parametrize(
    ("subjects", "num_clients", "name", "sentence"),
    [
        (["a", "b", "c"], 4, "by_subject", "4 clients were asked for, but the data has 3 subjects: choose 1 to 3"),
        (["a", "b"], 0, "by_example", "0 clients were asked for, but the data has 2 subjects"),
        (["a", "a", "b", "b"], 2, "by_subject", "the single subject [ab].*use fewer clients, or --split=examples"),
        (["a", "b", "b"], 2, "by_example", "a client has a single example, which cannot be split: use fewer clients"),
    ],
)
def test_impossible_splits_say_what_to_do(subjects, num_clients, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        split_clients(subjects, num_clients, 0.7, generator(), SPLITS[name])


def test_pooled_holds_what_the_clients_hold():
    clients = split_clients(FOUR_EACH, 4, 0.7, generator())
    (everything,) = pooled(Split("0", tuple(clients))).clients
    assert everything.subjects == tuple(sorted(set(FOUR_EACH)))
    for side in ("train", "test"):
        assert joined([everything], side) == joined(clients, side)


@given(sizes=st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_padding_is_masked_and_the_rest_is_there(sizes):
    indices = [[100 * r + 10 * k + 1 + np.arange(size) for k, size in enumerate(row)] for r, row in enumerate(sizes)]
    padded, mask = pad_indices(indices)
    assert padded.shape == mask.shape == (len(sizes), 3, max(map(max, sizes)))
    assert np.issubdtype(padded.dtype, np.integer)
    for r, row in enumerate(indices):
        for k, client in enumerate(row):
            assert padded[r, k][mask[r, k] == 1].tolist() == client.tolist()
            assert mask[r, k].tolist() == [1.0] * len(client) + [0.0] * (mask.shape[-1] - len(client))
            assert not padded[r, k][mask[r, k] == 0].any()
