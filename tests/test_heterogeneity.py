"""How much clients differ, as numbers: known values, bounds, chance, and order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from fedpsyau_jax.splits import feature_shift, label_total_variation, size_gini
from fedpsyau_jax.splits.heterogeneity import _won_pairs

counts = arrays(int, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.integers(0, 30))


@settings(max_examples=60, deadline=None)
@given(counts)
def test_total_variation_is_the_largest_difference_of_any_set_of_classes(counts):
    found, total = label_total_variation(counts), counts.sum()
    for own, distance in zip(counts, found, strict=True):
        if not own.sum():
            assert np.isnan(distance)
            continue
        excess = own / own.sum() - counts.sum(axis=0) / total
        assert distance == pytest.approx(excess[excess > 0].sum(), abs=1e-12)
        assert 0 <= distance < 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=9))
def test_gini_is_the_mean_difference(sizes):
    sizes = np.array(sizes)
    if not sizes.sum():
        assert np.isnan(size_gini(sizes))
        return
    expected = np.abs(sizes[:, None] - sizes).mean() / (2 * sizes.mean())
    assert size_gini(sizes) == pytest.approx(expected, abs=1e-12)
    assert -1e-12 <= size_gini(sizes) <= 1 - 1 / len(sizes) + 1e-12


def population(shift: float, seed: int = 0, num_clients: int = 5, people: int = 6, clips: int = 6):
    """People who differ from each other, and clients whose features are shifted in directions of their own."""
    draw = np.random.default_rng(seed)
    clients = np.repeat(np.arange(num_clients), people * clips)
    subjects = np.repeat(np.arange(num_clients * people), clips)
    features = draw.normal(size=(len(clients), 12)) + draw.normal(size=(num_clients * people, 12))[subjects]
    return features + shift * draw.normal(size=(num_clients, 12))[clients], clients, subjects


def test_clients_alike_are_told_by_chance_and_shifted_ones_better():
    by_shift = [np.mean([feature_shift(*population(shift, seed)) for seed in range(12)]) for shift in (0.0, 0.5, 2.0)]
    assert by_shift[0] == pytest.approx(0.5, abs=0.04)
    assert by_shift[0] + 0.05 < by_shift[1] < by_shift[2]
    assert by_shift[2] > 0.9


def test_people_are_not_recognised_instead_of_clients():
    """Each person alone is easily told from others; across people of a client there is nothing to tell."""
    draw = np.random.default_rng(1)
    subjects = np.repeat(np.arange(40), 10)
    features = 10 * draw.normal(size=(40, 5))[subjects] + draw.normal(size=(400, 5))
    assert np.mean(feature_shift(features, subjects % 4, subjects)) < 0.6


def test_scaling_a_feature_changes_nothing():
    features, clients, subjects = population(0.5)
    scaled = feature_shift(features * np.geomspace(1e-3, 1e3, 12) + 7, clients, subjects)
    np.testing.assert_allclose(scaled, feature_shift(features, clients, subjects))


def test_who_cannot_be_cross_validated_has_no_value():
    features, clients, subjects = population(1.0)
    alone = np.where(clients == 2, 99, subjects)
    assert np.isnan(feature_shift(features, clients, alone)).tolist() == [False, False, True, False, False]
    assert np.isnan(feature_shift(features, np.zeros_like(clients), subjects)).all()
    constant = feature_shift(np.ones_like(features), clients, subjects)
    np.testing.assert_allclose(constant, 0.5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=20))
def test_pairs_are_counted_as_scikit_learn_does(rows):
    scores, own = (np.array(column)[:, None] for column in zip(*rows, strict=True))
    won, pairs = _won_pairs(scores.astype(float), own)
    if pairs[0]:
        assert won[0] / pairs[0] == pytest.approx(roc_auc_score(own[:, 0], scores[:, 0]))
    else:
        assert own.all() or not own.any()


def test_a_thousand_clients_are_measured():
    features, clients, subjects = population(1.0, num_clients=1000, people=2, clips=2)
    assert feature_shift(features, clients, subjects).shape == (1000,)
