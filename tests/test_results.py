import io
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import f1_score, recall_score

from experiments.pages import tables
from experiments.results import baselines
from experiments.results import schema as records
from experiments.results import scores as results

CLASSES = ["anger", "fear", "surprise"]
AUS = ["AU1", "AU2"]


def predictions(algorithm, repeat, client, labels, predicted, class_names=CLASSES):
    keys = {"algorithm": algorithm, "repeat": repeat, "client": client}
    clips = [f"clip{client}{index}" for index in range(len(labels))]
    probabilities = np.eye(len(class_names))[predicted]
    return records.class_predictions(keys, clips, clips, np.array(labels), probabilities, class_names)


def au_predictions(algorithm, repeat, client, labels, mask, probabilities):
    keys = {"algorithm": algorithm, "repeat": repeat, "client": client}
    clips = [f"clip{client}{index}" for index in range(len(labels))]
    return records.au_predictions(keys, clips, clips, np.array(labels), np.array(mask), np.array(probabilities), AUS)


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
    with pytest.raises(ValueError, match="'boredom' in column 'label' is none of the classes anger, fear"):
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
            records.client_split({"repeat": r, "client": c}, ["s1"], np.array(train), np.array([0]), CLASSES)
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


def test_round_metrics_pool_counts_and_losses():
    confusion = np.zeros((1, 1, 2, 3, 3), int)
    confusion[0, 0, 0] = np.diag([2, 1, 0])
    confusion[0, 0, 1, 0, 1] = 3
    table = records.round_metrics(
        4,
        ["FedAvg"],
        ["1", "2"],
        train_loss_sum=np.array([[[10.0, 2.0]]]),
        num_train=np.array([[[10, 1]]]),
        test_loss_sum=np.array([[[3.0, 6.0]]]),
        confusion=confusion,
    ).set_index("client")
    assert table["train_loss"].to_dict() == pytest.approx({"1": 1.0, "2": 2.0, "pooled": 12 / 11})
    assert table["test_loss"].to_dict() == pytest.approx({"1": 1.0, "2": 2.0, "pooled": 1.5})
    assert table["num_test"].to_dict() == {"1": 3, "2": 3, "pooled": 6}
    assert table["accuracy"].to_dict() == pytest.approx({"1": 1.0, "2": 0.0, "pooled": 0.5})
    assert table.loc["pooled", "uf1"] == pytest.approx(np.mean([4 / 7, 2 / 5]))
    assert set(table["round"]) == {4}


def test_a_round_without_evaluation_has_no_test_scores():
    counts = np.zeros((1, 1, 1, 3, 3), int)
    one = np.ones((1, 1, 1))
    table = records.round_metrics(
        1, ["a"], ["1"], train_loss_sum=one, num_train=one, test_loss_sum=0 * one, confusion=counts
    )
    assert table[["test_loss", "uf1", "uar", "accuracy"]].isna().all(axis=None)
    assert (table["train_loss"] == 1).all()


def test_long_names_fold_and_every_score_stays_whole_on_80_columns(two_clients):
    name = "FedAvg, my_own_priors:psychology prior"
    scores = results.score_repeats(two_clients.assign(algorithm=name))
    summary = results.summarise([pd.concat([scores.assign(repeat=repeat) for repeat in (0, 1)])])
    output = io.StringIO()
    Console(file=output, width=80).print(tables.terminal_table(summary, synthetic=True))
    shown = output.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    assert shown.count("±.000") == 5
    assert [word for word in shown.split() if word in name.split()] == name.split()


def test_an_example_without_emotion_is_refused():
    with pytest.raises(ValueError, match="without an emotion"):
        predictions("a", 0, "1", [0, -1], [0, 0])


def test_table_shows_the_baselines_last_and_a_dash_for_what_is_undefined(two_clients):
    repeats = [
        results.reference("AU-set oracle", {"uf1": 0.5}),
        results.score_repeats(two_clients),
    ]
    output = io.StringIO()
    table = tables.terminal_table(results.summarise(repeats), synthetic=True)
    Console(file=output, width=80).print(table)
    lines = output.getvalue().splitlines()
    assert "(synthetic data)" in lines[0]
    trained = next(line for line in lines if "FedAvg" in line)
    oracle = next(line for line in lines if "oracle" in line)
    assert trained.split() == ["FedAvg", ".722±-", ".722±-", ".667±-", ".556±-", ".333±-"]
    assert oracle.split()[2:] == [".500±-", "-", "-", "-", "-"]
    assert lines.index(trained) < lines.index(oracle)
    assert "AU F1" not in output.getvalue()
