import numpy as np
import pytest

from experiments.results import schema

CLASSES = ["anger", "fear", "surprise"]


def keys(*pairs):
    return [{"algorithm": name, "repeat": 0, "fold": "all", "client": client} for name, client in pairs]


def test_rounds_pool_counts_and_losses():
    confusion = np.zeros((2, 3, 3), int)
    confusion[0] = np.diag([2, 1, 0])
    confusion[1, 0, 1] = 3
    table = schema.round_rows(
        4,
        keys(("FedAvg", "1"), ("FedAvg", "2")),
        train_loss_sum=np.array([10.0, 2.0]),
        num_train=np.array([10, 1]),
        loss_sum=np.array([3.0, 6.0]),
        confusion=confusion,
        scored="test",
    ).set_index("client")
    assert table["train_loss"].to_dict() == pytest.approx({"1": 1.0, "2": 2.0, "pooled": 12 / 11})
    assert table["loss"].to_dict() == pytest.approx({"1": 1.0, "2": 2.0, "pooled": 1.5})
    assert table["num_scored"].to_dict() == {"1": 3, "2": 3, "pooled": 6}
    assert table["accuracy"].to_dict() == pytest.approx({"1": 1.0, "2": 0.0, "pooled": 0.5})
    assert table.loc["pooled", "uf1"] == pytest.approx(np.mean([4 / 7, 2 / 5]))
    assert table["fold"].to_dict() == {"1": "all", "2": "all", "pooled": "pooled"}
    assert set(table["round"]) == {4}
    assert set(table["scored"]) == {"test"}


def test_each_algorithm_and_repeat_is_pooled_alone():
    which = keys(("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"))
    which += [key | {"repeat": 1} for key in which]
    table = schema.round_rows(
        1,
        which,
        train_loss_sum=np.arange(8.0),
        num_train=np.ones(8),
        loss_sum=np.zeros(8),
        confusion=np.zeros((8, 3, 3), int),
        scored="",
    )
    pooled = table[table["fold"] == schema.POOLED].set_index(["algorithm", "repeat"])["train_loss"]
    assert pooled.to_dict() == {("a", 0): 1.0, ("b", 0): 2.0, ("a", 1): 5.0, ("b", 1): 6.0}
    assert table["algorithm"].tolist() == ["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["b"] * 3


@pytest.mark.parametrize("num_classes", [3, 0])
def test_a_round_that_scores_nothing_has_a_training_loss_alone(num_classes):
    one = np.ones(1)
    table = schema.round_rows(
        1,
        keys(("a", "1")),
        train_loss_sum=one,
        num_train=one,
        loss_sum=0 * one,
        confusion=np.zeros((1, num_classes, num_classes), int),
        scored="",
    )
    assert table[["loss", "uf1", "uar", "accuracy"]].isna().all(axis=None)
    assert (table["train_loss"] == 1).all()


def test_a_split_counts_its_examples_by_class():
    where = {"repeat": 0, "fold": "all", "client": "2"}
    row = schema.split_row(where, ["s1", "s2"], np.array([0, 0, 2]), np.array([1]), np.array([2, 2]), CLASSES)
    assert row == {
        **{"repeat": 0, "fold": "all", "client": "2", "subjects": "s1 s2"},
        **{"num_train": 3, "num_validation": 1, "num_test": 2},
        **{"train_anger": 2, "train_fear": 0, "train_surprise": 1},
        **{"test_anger": 0, "test_fear": 0, "test_surprise": 2},
    }


def test_an_example_without_emotion_is_refused():
    with pytest.raises(ValueError, match="without an emotion"):
        schema.emotion_rows({}, ["c", "d"], ["s", "s"], np.array([0, -1]), np.eye(3)[[0, 0]], CLASSES)
