import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score

from experiments.results import baselines, schema
from experiments.results import scores as results

CLASSES = ["anger", "fear", "surprise"]
AUS = ["AU1", "AU2"]


def predictions(algorithm, repeat, client, labels, predicted, class_names=CLASSES):
    keys = {"algorithm": algorithm, "repeat": repeat, "fold": "all", "client": client}
    clips = [f"clip{client}{index}" for index in range(len(labels))]
    probabilities = np.eye(len(class_names))[predicted]
    return schema.emotion_rows(keys, clips, clips, np.array(labels), probabilities, class_names)


def au_predictions(algorithm, repeat, client, labels, mask, probabilities):
    keys = {"algorithm": algorithm, "repeat": repeat, "fold": "all", "client": client}
    clips = [f"clip{client}{index}" for index in range(len(labels))]
    return schema.au_rows(keys, clips, clips, np.array(labels), np.array(mask), np.array(probabilities), AUS)


def split_row(keys, train):
    return schema.split_row(keys, ["s1"], np.array(train), np.array([]), np.array([0]), CLASSES)


def scores_of(repeats, algorithm, view, metric, repeat=0):
    rows = repeats[(repeats["algorithm"] == algorithm) & (repeats["view"] == view)]
    return rows.set_index("repeat").loc[repeat, metric]


@pytest.fixture
def two_clients():
    return pd.concat(
        [
            predictions("FedAvg", 0, "1", [0, 0, 1, 2], [0, 1, 1, 2]),
            predictions("FedAvg", 0, "2", [0, 1], [0, 0]),
        ]
    )


def test_three_views_worked_out_by_hand(two_clients):
    repeats = results.score_repeats(two_clients)
    pooled = np.mean([2 * 2 / (2 * 2 + 1 + 1), 2 * 1 / (2 * 1 + 1 + 1), 1])
    first, second = np.mean([2 / 3, 2 / 3, 1]), np.mean([2 / 3, 0])  # client 2 has no surprise at all
    assert scores_of(repeats, "FedAvg", "pooled", "uf1") == pytest.approx(pooled)
    assert scores_of(repeats, "FedAvg", "mean_over_clients", "uf1") == pytest.approx((first + second) / 2)
    assert scores_of(repeats, "FedAvg", "worst_client", "uf1") == pytest.approx(second)
    assert scores_of(repeats, "FedAvg", "pooled", "accuracy") == pytest.approx(4 / 6)
    assert math.isnan(scores_of(repeats, "FedAvg", "pooled", "au_f1"))


def test_pooled_scores_agree_with_scikit_learn():
    draw = np.random.default_rng(0)
    labels, predicted = draw.integers(0, 3, (2, 4, 25))
    table = pd.concat(predictions("a", 0, str(k), labels[k], predicted[k]) for k in range(4))
    repeats = results.score_repeats(table)
    macro = {"average": "macro"}
    assert scores_of(repeats, "a", "pooled", "uf1") == pytest.approx(
        f1_score(labels.ravel(), predicted.ravel(), **macro)
    )
    assert scores_of(repeats, "a", "pooled", "uar") == pytest.approx(
        recall_score(labels.ravel(), predicted.ravel(), **macro)
    )
    by_client = results.score_parts(table)
    expected = [f1_score(labels[k], predicted[k], **macro) for k in range(4)]
    np.testing.assert_allclose(by_client["uf1"], expected)
    assert by_client["num_test"].tolist() == [25] * 4


def test_action_units_are_pooled_and_unlabelled_ones_left_out(two_clients):
    aus = pd.concat(
        [
            au_predictions("FedAvg", 0, "1", [[1, 0], [0, 1]], [[1, 1], [1, 0]], [[0.9, 0.2], [0.6, 0.1]]),
            au_predictions("FedAvg", 0, "2", [[1, 1]], [[1, 1]], [[0.3, 0.8]]),
        ]
    )
    repeats = results.score_repeats(two_clients, aus)
    assert scores_of(repeats, "FedAvg", "pooled", "au_f1") == pytest.approx((2 / (2 + 1 + 1) + 1) / 2)
    per_au = results.score_aus(aus).set_index("au")["f1"]
    assert per_au.to_dict() == pytest.approx({"AU1": 0.5, "AU2": 1.0})


def test_a_label_that_is_no_class_is_named(two_clients):
    two_clients["label"] = two_clients["label"].replace("fear", "boredom")
    with pytest.raises(ValueError, match="'boredom' in column 'label' is none of anger, fear"):
        results.score_repeats(two_clients)


def test_mean_and_sd_over_repeats():
    table = pd.concat(
        [
            predictions("a", 0, "1", [0, 1], [0, 1]),
            predictions("a", 1, "1", [0, 1], [0, 0]),
            predictions("b", 0, "1", [0, 1], [0, 1]),
        ]
    )
    summary = results.summarise(results.score_repeats(table)).set_index("algorithm")
    assert summary.loc["a", "accuracy"] == pytest.approx(0.75)
    assert summary.loc["a", "accuracy_sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert summary.loc["a", "num_repeats"] == 2
    assert math.isnan(summary.loc["b", "accuracy_sd"])
    per_class = results.score_classes(table).set_index(["algorithm", "class"])
    assert per_class.loc[("a", "anger"), "f1"] == pytest.approx((1 + 2 / 3) / 2)


def test_majority_is_that_of_the_training_split_of_each_repeat():
    table = pd.concat([predictions(name, r, "1", [0, 0, 0, 1], [2] * 4) for r in range(2) for name in ("a", "b")])
    splits = pd.DataFrame(
        [
            split_row({"repeat": r, "fold": "all", "client": c}, train)
            for r, c, train in [(0, "1", [1, 1, 1]), (0, "2", [0, 0]), (1, "1", [0, 0]), (1, "2", [1])]
        ]
    )
    repeats = baselines.majority(table, splits)
    assert scores_of(repeats, baselines.MAJORITY, "pooled", "accuracy", repeat=0) == 0.25
    assert scores_of(repeats, baselines.MAJORITY, "pooled", "accuracy", repeat=1) == 0.75
    assert set(repeats["algorithm"]) == {baselines.MAJORITY}


def expected_f1_of_random_classes(num_examples, num_positive, num_classes):
    """E[2 TP / (N_c + P)], where TP given P predictions is hypergeometric with mean P N_c / N."""
    share = 1 / num_classes
    return sum(
        math.comb(num_examples, p) * share**p * (1 - share) ** (num_examples - p)
        * 2 * p * num_positive / num_examples / (num_positive + p)
        for p in range(num_examples + 1)
    )  # fmt: skip


def test_chance_is_the_expected_score_of_random_classes():
    sizes = [30, 8, 12]
    labels = np.repeat([0, 1, 2], sizes)
    table = predictions("a", 0, "1", labels, np.zeros(50, int))
    present = np.random.default_rng(0).integers(0, 2, (50, 2))
    aus = au_predictions("a", 0, "1", present, np.ones((50, 2)), np.zeros((50, 2)))
    chance = baselines.chance(table, aus)
    uf1 = np.mean([expected_f1_of_random_classes(50, size, 3) for size in sizes])
    au_f1 = np.mean([expected_f1_of_random_classes(50, int(n), 2) for n in present.sum(0)])
    assert scores_of(chance, baselines.CHANCE, "pooled", "uf1") == pytest.approx(uf1, abs=0.005)
    assert scores_of(chance, baselines.CHANCE, "pooled", "uar") == pytest.approx(1 / 3, abs=0.005)
    assert scores_of(chance, baselines.CHANCE, "pooled", "accuracy") == pytest.approx(1 / 3, abs=0.005)
    assert scores_of(chance, baselines.CHANCE, "pooled", "au_f1") == pytest.approx(au_f1, abs=0.005)
    pd.testing.assert_frame_equal(chance, baselines.chance(table, aus))


def test_the_folds_of_a_repeat_have_a_majority_each():
    table = pd.concat([predictions("a", 0, "all", [0], [2]).assign(fold=fold, clip=fold) for fold in "AB"])
    splits = [
        split_row({"repeat": 0, "fold": fold, "client": "all"}, train) for fold, train in [("A", [0]), ("B", [1])]
    ]
    repeats = baselines.majority(table, pd.DataFrame(splits), part="fold")
    assert scores_of(repeats, baselines.MAJORITY, "pooled", "accuracy") == 0.5
    assert scores_of(repeats, baselines.MAJORITY, "worst_fold", "accuracy") == 0.0


def test_the_au_set_oracle_names_the_most_frequent_class_of_each_set_of_the_tested_examples():
    table = pd.concat([predictions(name, 0, "1", [0, 0, 1, 1, 2], [2] * 5) for name in ("a", "b")])
    present = [[1, 0], [1, 0], [1, 0], [0, 0], [0, 0]]
    mask = [[1, 1], [1, 1], [1, 1], [1, 1], [1, 0]]  # the last one differs in what is labelled alone
    aus = pd.concat([au_predictions(name, 0, "1", present, mask, np.zeros((5, 2))) for name in ("a", "b")])
    oracle = baselines.au_set_oracle(table, aus)
    assert scores_of(oracle, baselines.AU_SET_ORACLE, "pooled", "accuracy") == pytest.approx(4 / 5)
    everything_labelled = baselines.au_set_oracle(table, aus.assign(mask_AU2=1))
    assert scores_of(everything_labelled, baselines.AU_SET_ORACLE, "pooled", "accuracy") == pytest.approx(3 / 5)
    assert "in sample" in baselines.AU_SET_ORACLE


def test_the_au_set_oracle_is_that_of_each_repeat():
    def table(repeat, labels):
        who = predictions("a", repeat, "1", labels, [0, 0])
        return who, au_predictions("a", repeat, "1", [[1, 0], [1, 0]], np.ones((2, 2)), np.zeros((2, 2)))

    emotions, aus = (pd.concat(both) for both in zip(table(0, [0, 0]), table(1, [1, 2]), strict=True))
    oracle = baselines.au_set_oracle(emotions, aus)
    assert scores_of(oracle, baselines.AU_SET_ORACLE, "pooled", "accuracy", repeat=0) == 1.0
    assert scores_of(oracle, baselines.AU_SET_ORACLE, "pooled", "accuracy", repeat=1) == 0.5


def test_a_single_client_has_no_views_of_its_own():
    repeats = results.score_repeats(predictions("a", 0, "1", [0, 1], [0, 1]))
    assert repeats["view"].tolist() == ["pooled"]


def test_action_units_alone_have_a_score():
    aus = pd.concat([au_predictions("a", r, "1", [[1, 0]], [[1, 1]], [[0.9, 0.2]]) for r in range(2)])
    summary = results.summarise(results.score_repeats(None, aus))
    assert summary["au_f1"].item() == 1.0
    assert summary[["uf1", "uar", "accuracy"]].isna().all(axis=None)
    everywhere = results.score_repeats(None, baselines.all_present(aus), kind="baseline")
    assert everywhere["algorithm"].unique().tolist() == [baselines.ALL_PRESENT]
    assert everywhere["au_f1"].tolist() == [0.5, 0.5]
