import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from beartype import beartype
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jaxtyping import jaxtyped
from sklearn import metrics as sklearn_metrics

from fedpsyau_jax import metrics

GOLDEN = np.load(Path(__file__).parent / "parity" / "host_facts_metrics.npz")
NUM_CASES = len({name.split("/")[1] for name in GOLDEN.files})
NUM_CLASSES = 5
pairs = st.lists(st.tuples(st.integers(0, NUM_CLASSES - 1), st.integers(0, NUM_CLASSES - 1)), min_size=1, max_size=30)


def scores(labels, predictions, num_classes=NUM_CLASSES):
    confusion = metrics.confusion_counts(np.asarray(labels), np.asarray(predictions), num_classes)
    return float(metrics.uf1(confusion)), float(metrics.uar(confusion)), float(metrics.accuracy(confusion))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(pairs)
def test_agrees_with_scikit_learn(pairs):
    labels, predictions = map(np.array, zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about classes that are predicted only
        expected = (
            sklearn_metrics.f1_score(labels, predictions, average="macro"),
            sklearn_metrics.balanced_accuracy_score(labels, predictions),
            sklearn_metrics.accuracy_score(labels, predictions),
        )
        precision = sklearn_metrics.precision_score(labels, predictions, average="macro", zero_division=0)
    assert metrics.macro_precision(metrics.confusion_counts(labels, predictions, NUM_CLASSES)) == pytest.approx(
        precision
    )
    assert scores(labels, predictions) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(pairs)
def test_confusion_and_per_class_scores_agree_with_scikit_learn(pairs):
    labels, predictions = map(np.array, zip(*pairs, strict=True))
    confusion = metrics.confusion_counts(labels, predictions, NUM_CLASSES)
    every_class = range(NUM_CLASSES)
    expected = sklearn_metrics.confusion_matrix(labels, predictions, labels=every_class)
    np.testing.assert_array_equal(confusion, expected)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        labels, predictions, labels=every_class, zero_division=np.nan
    )
    np.testing.assert_allclose(metrics.recall_per_class(confusion), np.where(support > 0, recall, np.nan))
    occurs = (support > 0) | np.isin(every_class, predictions)
    np.testing.assert_allclose(
        metrics.precision_per_class(confusion), np.where(occurs, np.nan_to_num(precision), np.nan)
    )
    np.testing.assert_allclose(metrics.f1_per_class(confusion), np.where(occurs, f1, np.nan))


folds_of_one_class = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(0, NUM_CLASSES - 1), min_size=1, max_size=8)),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(folds_of_one_class)
def test_folds_of_a_single_class_alone_and_pooled_agree_with_scikit_learn(folds):
    """As in leave-one-subject-out, where somebody shows one emotion only."""
    confusions = []
    for true, guessed in folds:
        labels, predictions = np.full(len(guessed), true), np.array(guessed)
        confusions.append(metrics.confusion_counts(labels, predictions, NUM_CLASSES))
        alone = sklearn_metrics.f1_score(labels, predictions, average="macro", labels=np.union1d(labels, predictions))
        hits = np.mean(predictions == true)
        assert scores(labels, predictions) == pytest.approx((alone, hits, hits), abs=1e-12)
    labels = np.concatenate([np.full(len(guessed), true) for true, guessed in folds])
    predictions = np.concatenate([guessed for _, guessed in folds])
    pooled = np.sum(confusions, axis=0)
    occurring, predicted_too = np.unique(labels), np.union1d(labels, predictions)
    assert metrics.uf1(pooled) == pytest.approx(
        sklearn_metrics.f1_score(labels, predictions, average="macro", labels=predicted_too), abs=1e-12
    )
    assert metrics.uar(pooled) == pytest.approx(
        sklearn_metrics.recall_score(labels, predictions, average="macro", labels=occurring), abs=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(pairs, st.integers(0, 6))
def test_a_class_that_never_occurs_changes_nothing(pairs, num_more):
    labels, predictions = map(np.array, zip(*pairs, strict=True))
    more = scores(labels, predictions, NUM_CLASSES + num_more)
    assert more == pytest.approx(scores(labels, predictions), abs=1e-12)  # a longer sum rounds differently


@settings(max_examples=40, deadline=None)
@given(pairs, st.permutations(range(NUM_CLASSES)))
def test_the_order_of_the_classes_changes_nothing(pairs, order):
    labels, predictions = (np.array(side) for side in zip(*pairs, strict=True))
    renamed = np.array(order)
    assert scores(renamed[labels], renamed[predictions]) == pytest.approx(scores(labels, predictions), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_detection_of_random_action_units_agrees_with_scikit_learn(rows):
    labels, detected, known = (np.array(column)[:, None] for column in zip(*rows, strict=True))
    assume(known.any())  # scikit-learn refuses to score nothing
    counts = metrics.detection_counts(labels, detected, known)
    expected = sklearn_metrics.confusion_matrix(labels[known], detected[known], labels=[False, True])
    found = [[counts.correct_rejections, counts.false_alarms], [counts.misses, counts.hits]]
    np.testing.assert_array_equal(np.squeeze(found, axis=-1), expected)
    f1 = sklearn_metrics.f1_score(labels[known], detected[known], zero_division=np.nan)
    np.testing.assert_allclose(metrics.detection_f1(counts), [f1])


@pytest.mark.parametrize("case", range(NUM_CASES))
def test_reference_predictions(case):
    labels, predictions = GOLDEN[f"metric/{case}/true"], GOLDEN[f"metric/{case}/pred"]
    expected = GOLDEN[f"metric/{case}/present_classes_macro_f1_recall"]
    np.testing.assert_allclose(scores(labels, predictions, 3)[:2], expected, atol=1e-12)


def test_published_predictions_of_ststnet_on_megc_2019():
    """Its UAR was published as .7605, which is its macro precision."""
    confusion = np.array([[219, 22, 9], [40, 62, 7], [21, 3, 59]])
    values = (metrics.uf1(confusion), metrics.uar(confusion), metrics.macro_precision(confusion))
    assert [round(float(value), 4) for value in values] == [0.7353, 0.7186, 0.7605]


def test_absent_classes():
    assert scores([1, 1], [1, 1]) == (1.0, 1.0, 1.0)  # one class only
    assert scores([0, 0], [0, 3]) == pytest.approx((1 / 3, 0.5, 0.5))  # class 3: predicted, never true
    assert scores([0, 3], [0, 0]) == pytest.approx((1 / 3, 0.5, 0.5))  # class 3: true, never predicted


def test_nothing_to_score_is_nan_without_a_warning():
    assert np.isnan(scores(np.zeros(0, int), np.zeros(0, int))).all()


def test_padding_is_not_counted():
    labels, predictions = jnp.array([0, 1, 2, 0]), jnp.array([0, 2, 2, 1])
    masked = metrics.confusion_counts(labels, predictions, 3, mask=jnp.array([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(masked, metrics.confusion_counts(labels[:3], predictions[:3], 3))
    assert masked.sum() == 3


def test_same_under_jit_and_vmap_as_in_numpy():
    labels = np.random.default_rng(0).integers(0, 4, size=(6, 20))
    predictions = np.random.default_rng(1).integers(0, 3, size=(6, 20))

    def all_scores(labels, predictions):
        confusion = metrics.confusion_counts(labels, predictions, 4)
        return metrics.uf1(confusion), metrics.uar(confusion), metrics.accuracy(confusion)

    batched = jax.jit(jax.vmap(all_scores))(labels, predictions)
    for row in range(6):
        np.testing.assert_allclose(
            [score[row] for score in batched], all_scores(labels[row], predictions[row]), rtol=1e-6
        )


def test_leading_axes_are_carried():
    confusions = np.random.default_rng(2).integers(0, 5, size=(2, 3, 4, 4))
    assert metrics.uf1(confusions)[1, 2] == metrics.uf1(confusions[1, 2])
    assert metrics.uar(confusions).shape == (2, 3)


def test_action_units_agree_with_scikit_learn():
    draw = np.random.default_rng(3)
    labels, detected, known = draw.integers(0, 2, size=(3, 40, 6))
    f1 = metrics.detection_f1(metrics.detection_counts(labels, detected, known))
    expected = [
        sklearn_metrics.f1_score(labels[known[:, au] == 1, au], detected[known[:, au] == 1, au]) for au in range(6)
    ]
    np.testing.assert_allclose(f1, expected)
    assert metrics.mean_over_defined(f1) == pytest.approx(np.mean(expected))


def test_an_unlabelled_action_unit_never_counts():
    labels, detected, known = (
        np.array([[1, 0], [0, 1]]),
        np.array([[1, 1], [1, 1]]),
        np.array([[1, 0], [1, 0]]),
    )
    f1 = metrics.detection_f1(metrics.detection_counts(labels, detected, known))
    np.testing.assert_allclose(f1, [2 / 3, np.nan])
    assert metrics.mean_over_defined(f1) == pytest.approx(2 / 3)
    flipped = metrics.detection_counts(labels ^ (known == 0), detected, known)
    np.testing.assert_array_equal(flipped, metrics.detection_counts(labels, detected, known))


@pytest.mark.parametrize("array", [np.eye(3, dtype=int), jnp.eye(3, dtype=int)])
def test_shapes_are_as_annotated(array):
    checked = jaxtyped(metrics.f1_per_class, typechecker=beartype)
    assert checked(array).shape == (3,)
    with pytest.raises(TypeError):
        checked(array[0])
