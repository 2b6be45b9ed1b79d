import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score
from test_intervals import AUS, CLASSES, au_rows, random_predictions

from experiments.results import intervals, measures
from experiments.results import scores as results
from experiments.results.interval_tables import interval_rows, scored


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of two algorithms in two repeats, of emotions and of action units."""
    names = ("frozen", "scratch")
    emotions = [
        random_predictions(10 * place + repeat, repeat=repeat, algorithm=name)
        for place, name in enumerate(names)
        for repeat in range(2)
    ]
    aus = [
        au_rows(10 * place + repeat, repeat=repeat).assign(algorithm=name)
        for place, name in enumerate(names)
        for repeat in range(2)
    ]
    return pd.concat(emotions), pd.concat(aus)


def test_every_draw_of_a_class_is_the_score_of_its_rows(tables: tuple[pd.DataFrame, pd.DataFrame]):
    table = tables[0][tables[0]["algorithm"] == "frozen"]
    subjects = np.unique(table["subject"])
    drawn = intervals.draws(len(subjects), seed=3, num_draws=20)
    scores = intervals.scores(measures.subject_confusions(table, subjects), measures.CLASSES, CLASSES, drawn)
    for place in range(20):
        taken = pd.concat([table[table["subject"] == name] for name in np.repeat(subjects, drawn[place])])
        for name, score in (("f1", f1_score), ("recall", recall_score)):
            by_repeat = [
                score(rows["label"], rows["predicted"], labels=CLASSES, average=None, zero_division=np.nan)
                for _, rows in taken.groupby("repeat")
            ]
            own = [scores[measures.of_class(name, known)][place] for known in CLASSES]
            assert own == pytest.approx(np.nanmean(by_repeat, axis=0))


def test_scores_are_those_of_the_tables_within_their_bounds(tables: tuple[pd.DataFrame, pd.DataFrame]):
    emotions, aus = tables
    found = scored(emotions, aus)
    pd.testing.assert_frame_equal(found.classes[list(results.score_classes(emotions))], results.score_classes(emotions))
    pd.testing.assert_frame_equal(found.aus[list(results.score_aus(aus))], results.score_aus(aus))
    for table, score in ((found.classes, "f1"), (found.classes, "recall"), (found.aus, "f1")):
        assert (table[f"{score}_low"] < table[score]).all()
        assert (table[score] < table[f"{score}_high"]).all()
    assert found.aus.groupby("algorithm")["au"].apply(list).tolist() == [AUS, AUS]


def test_pooled_scores_have_the_intervals_of_each_algorithm(tables: tuple[pd.DataFrame, pd.DataFrame]):
    emotions, aus = tables
    rows = interval_rows(scored(emotions, aus).pooled)
    assert rows["metric"].tolist() == ["uf1", "uar", "accuracy", "au_f1"] * 2
    own = [table[table["algorithm"] == "scratch"] for table in tables]
    alone = scored(*own).pooled["scratch"]
    last = rows[rows["algorithm"] == "scratch"].set_index("metric")
    assert last[["estimate", "low", "high"]].to_numpy().tolist() == [list(alone[metric]) for metric in last.index]


def test_an_action_unit_that_nobody_shows_or_is_said_to_show_has_no_score(tables: tuple[pd.DataFrame, pd.DataFrame]):
    emotions, aus = tables
    found = scored(emotions, aus.assign(label_AU12=0.0, probability_AU12=0.0)).aus.set_index(["algorithm", "au"])
    assert found.loc[("frozen", "AU12"), ["f1", "f1_low", "f1_high"]].isna().all()
    assert found.loc[("frozen", "AU4")].notna().all()
