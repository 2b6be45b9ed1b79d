import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedpsyau_jax.splits import (
    cautions,
    k_fold,
    leave_one_subject_out,
    pad_indices,
    single_client,
    with_validation,
    within,
)

CASME3_SHARES = np.array([457, 55, 187]) / 699


def people(num_subjects, num_samples, shares, seed=0):
    """Subjects of very different numbers of clips and tastes in emotions, as in the real databases."""
    draw = np.random.default_rng(seed)
    weights = draw.gamma(1.5, 1, num_subjects)
    extra = draw.choice(num_subjects, num_samples - num_subjects, p=weights / weights.sum())
    subjects = np.concatenate([np.arange(num_subjects), extra])
    tastes = draw.dirichlet(shares * 8, num_subjects)
    labels = np.array([draw.choice(len(shares), p=tastes[subject]) for subject in subjects])
    return np.array([f"s{subject:03d}" for subject in subjects]), labels


def assert_proper(folds, subjects):
    """Everyone is tested once, nobody is on two sides, nothing is lost."""
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(len(subjects)))
    for fold in folds:
        parts = (fold.train, fold.validation, fold.test)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(subjects)))
        sets = [set(subjects[part]) for part in parts]
        assert sum(map(len, sets)) == len(set.union(*sets))
        assert len(fold.train)
        assert len(fold.test)
        for part in parts:
            assert np.all(np.diff(part) > 0)


subject_lists = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40)


@settings(max_examples=50, deadline=None)
@given(subject_lists)
def test_leaving_one_subject_out(names):
    assume(len(set(names)) > 1)
    subjects = np.array(names)
    folds = leave_one_subject_out(names)
    assert_proper(folds, subjects)
    assert [fold.name for fold in folds] == sorted(set(names))
    assert all(set(subjects[fold.test]) == {fold.name} for fold in folds)


@settings(max_examples=50, deadline=None)
@given(subject_lists, st.integers(2, 8), st.integers(0, 3), st.randoms(use_true_random=False))
def test_k_folds_are_proper_or_refused_in_one_sentence(names, num_folds, seed, random):
    subjects, labels = np.array(names), np.array([random.randrange(3) for _ in names])
    if num_folds > min(len(set(names)), np.bincount(labels).max()):
        with pytest.raises(ValueError, match=r"folds|no subject can be left out"):
            k_fold(subjects, labels, num_folds, np.random.default_rng(seed))
    else:
        folds = k_fold(subjects, labels, num_folds, np.random.default_rng(seed))
        assert_proper(folds, subjects)
        assert len(folds) == num_folds


def test_folds_are_balanced_in_samples_and_classes():
    subjects, labels = people(88, 699, CASME3_SHARES)
    folds = k_fold(subjects, labels, 10, np.random.default_rng(0))
    sizes = np.array([len(fold.test) for fold in folds])
    assert np.ptp(sizes) <= 0.25 * sizes.mean()
    counts = np.array([np.bincount(labels[fold.test], minlength=3) for fold in folds])
    shares = counts / counts.sum(axis=0)
    np.testing.assert_allclose(shares, 0.1, atol=0.06)


@pytest.mark.parametrize("seed", range(4))
def test_folds_are_far_more_even_than_subjects_dealt_at_random(seed):
    subjects, labels = people(60, 420, np.array([0.27, 0.09, 0.15, 0.13, 0.14, 0.1, 0.12]), seed)
    shuffled = np.random.default_rng(seed).permutation(np.unique(subjects))
    at_random = [np.flatnonzero(np.isin(subjects, part)) for part in np.array_split(shuffled, 5)]

    def unevenness(tests):
        counts = np.array([np.bincount(labels[rows], minlength=7) for rows in tests])
        return np.abs(counts / counts.sum(axis=0) - 0.2).mean(), np.ptp(counts.sum(axis=1))

    by_class, by_size = unevenness([fold.test for fold in k_fold(subjects, labels, 5, np.random.default_rng(seed))])
    class_at_random, size_at_random = unevenness(at_random)
    assert by_class < class_at_random / 2
    assert by_size < size_at_random / 2


def test_folds_follow_the_seed():
    subjects, labels = people(30, 200, CASME3_SHARES)
    again = [k_fold(subjects, labels, 5, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    tests = [[fold.test.tolist() for fold in folds] for folds in again]
    assert tests[0] == tests[1] != tests[2]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_validation_is_of_other_subjects_and_of_all_classes(share):
    subjects, labels = people(60, 480, CASME3_SHARES)
    folds = k_fold(subjects, labels, 4, np.random.default_rng(0))
    inners = [with_validation(fold, subjects, labels, share, np.random.default_rng(0)) for fold in folds]
    assert_proper(inners, subjects)
    for fold, inner in zip(folds, inners, strict=True):
        np.testing.assert_array_equal(inner.test, fold.test)
        assert len(inner.validation) == pytest.approx(share * len(fold.train), rel=0.35)
        assert set(labels[inner.validation]) == {0, 1, 2}


def test_validation_of_few_examples_is_still_of_other_subjects():
    subjects, labels = np.array(list("aabbccdd")), np.array([0, 1, 2, 3, 4, 5, 6, 0])
    for fold in leave_one_subject_out(subjects):
        inner = with_validation(fold, subjects, np.minimum(labels, 1), 0.1, np.random.default_rng(0))
        assert len(inner.validation)
        assert not set(subjects[inner.validation]) & set(subjects[inner.train])


def test_rows_of_a_database_are_meant_where_some_were_left_out():
    rows = np.array([1, 4, 6, 7])
    folds = [within(fold, rows) for fold in leave_one_subject_out(list("aabb"))]
    assert [(fold.train.tolist(), fold.test.tolist()) for fold in folds] == [([6, 7], [1, 4]), ([1, 4], [6, 7])]


def test_folds_stack_as_clients_of_one_federation_each():
    subjects = np.array(list("aabccc"))
    clients = [fold.clients for fold in leave_one_subject_out(subjects)]
    assert [[client.subjects for client in fold] for fold in clients] == [[("a",)], [("b",)], [("c",)]]
    index, mask = pad_indices([[client.train for client in fold] for fold in clients])
    assert index.shape == mask.shape == (3, 1, 5)
    assert mask.sum(axis=(1, 2)).tolist() == [4, 5, 3]
    assert index[2, 0, :3].tolist() == [0, 1, 2]


def test_cautions_name_the_class_that_cannot_be_learned():
    subjects, labels = np.array(list("aabbcc")), np.array([0, 1, 0, 2, 0, 2])
    folds = leave_one_subject_out(subjects)
    assert cautions(folds, subjects, labels, ["anger", "fear", "surprise"]) == [
        "class fear occurs only in subject a: the fold that tests it trains without this class."
    ]
    validated = [single_client(own.name, own.train[labels[own.train] != 2], own.test) for own in folds[1:]]
    said = cautions(validated, subjects, np.where(labels == 1, 0, labels), ["anger", "fear", "surprise"])
    assert "class surprise is not in the training examples of fold b, c." in said
    assert cautions(folds, subjects, np.zeros(6, int), ["anger"]) == []


MISTAKES = {
    "more folds than subjects": (list("aabb"), 3, "3 folds .* 2 subjects"),
    "one fold": (list("aabb"), 1, "1 folds .* choose 2 to 2"),
    "one subject": (list("aa"), 2, "1 subject, so no subject"),
    "nobody": ([], 2, "0 subject"),
    "few of every class": (list("abcd"), 4, "4 examples of 4 subjects are too few for 4 folds"),
}


@pytest.mark.parametrize(("names", "num_folds", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(names, num_folds, said):
    with pytest.raises(ValueError, match=said):
        k_fold(names, np.arange(len(names)) % 2, num_folds, np.random.default_rng(0))


def test_nobody_is_left_to_train_on():
    with pytest.raises(ValueError, match="no subject can be left out"):
        leave_one_subject_out(["a", "a"])
    fold = leave_one_subject_out(["a", "b"])[0]
    with pytest.raises(ValueError, match="single subject b"):
        with_validation(fold, np.array(["a", "b"]), np.zeros(2, int), 0.2, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"share of 0\.8"):
        with_validation(fold, np.array(["a", "b"]), np.zeros(2, int), 0.8, np.random.default_rng(0))
