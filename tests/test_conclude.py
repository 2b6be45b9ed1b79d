"""The score tables of a run folder, from made-up predictions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_runs import AUS, CLASSES, finished_pretraining, finished_run, rows_table
from sklearn.metrics import f1_score, recall_score
from test_intervals import au_rows, random_predictions

from experiments.pages import report
from experiments.pages.sentences import limits
from experiments.results import baselines, conclude, intervals, measures
from experiments.results import scores as results
from experiments.results.conclude import au_scores, bootstrap_rows, class_scores, interval_table
from experiments.results.differences import comparable_pairs
from experiments.results.intervals import difference_intervals, score_intervals
from experiments.results.read import read, read_finished
from experiments.run.folder import RunFolder

MODELS = ("full, published", "full, uniform", "global-only, published", "global-only, uniform", "no-gat")


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


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    names = ("local only", "FedAvg", "P-FedProx")
    return RunFolder(finished_run(tmp_path_factory.mktemp("run") / "fed", algorithms=names, skill=[0.3, 0.6, 0.9]))


@pytest.mark.slow
def test_every_draw_of_a_class_is_the_score_of_its_rows(tables: tuple[pd.DataFrame, pd.DataFrame]):
    table = tables[0][tables[0]["algorithm"] == "frozen"]
    names, subjects = results.class_names(table), np.unique(table["subject"])
    drawn = intervals.draw_subjects(len(subjects), seed=3, num_draws=20)
    scores = intervals.scores(measures.subject_confusions(table, subjects), measures.CLASSES, names, drawn)
    for place in range(20):
        taken = pd.concat([table[table["subject"] == name] for name in np.repeat(subjects, drawn[place])])
        for name, score in (("f1", f1_score), ("recall", recall_score)):
            by_repeat = [
                score(rows["label"], rows["predicted"], labels=names, average=None, zero_division=np.nan)
                for _, rows in taken.groupby("repeat")
            ]
            own = [scores[measures.class_score_name(name, known)][place] for known in names]
            assert own == pytest.approx(np.nanmean(by_repeat, axis=0))


def test_scores_of_classes_and_action_units_are_within_their_bounds(tables: tuple[pd.DataFrame, pd.DataFrame]):
    emotions, aus = tables
    classes, units = class_scores(emotions), au_scores(aus, {})
    pd.testing.assert_frame_equal(classes[list(results.score_classes(emotions))], results.score_classes(emotions))
    pd.testing.assert_frame_equal(units[list(results.score_aus(aus))], results.score_aus(aus))
    for table, score in ((classes, "f1"), (classes, "recall"), (units, "f1")):
        assert (table[f"{score}_low"] < table[score]).all()
        assert (table[score] < table[f"{score}_high"]).all()
    assert units.groupby("algorithm")["au"].apply(list).tolist() == [AUS, AUS]


def test_an_action_unit_that_nobody_shows_or_is_said_to_show_has_no_score(tables: tuple[pd.DataFrame, pd.DataFrame]):
    found = au_scores(tables[1].assign(label_AU12=0.0, probability_AU12=0.0), {}).set_index(["algorithm", "au"])
    assert found.loc[("frozen", "AU12"), ["f1", "f1_low", "f1_high"]].isna().all()
    assert found.loc[("frozen", "AU4")].notna().all()


def test_pooled_scores_have_the_intervals_of_each_algorithm(tables: tuple[pd.DataFrame, pd.DataFrame]):
    metrics = list(results.METRICS)
    rows = interval_table(bootstrap_rows(["frozen", "scratch"], *tables), metrics)
    assert rows["metric"].tolist() == metrics * 2
    emotions, aus = (table[table["algorithm"] == "scratch"] for table in tables)
    alone = score_intervals(emotions) | score_intervals(aus, measures.ACTION_UNITS)
    last = rows[rows["algorithm"] == "scratch"].set_index("metric")
    assert last[["estimate", "low", "high"]].to_numpy().tolist() == [list(alone[metric]) for metric in last.index]


def test_without_annotated_action_units_there_is_no_oracle_that_sees_them(federation: RunFolder):
    run = read(federation)
    unlabelled = run.au_predictions.assign(**{f"mask_{au}": 0.0 for au in AUS})
    summary = conclude.summary_table(federation, run.predictions, unlabelled)
    assert summary["algorithm"].tolist()[-2:] == [baselines.MAJORITY, baselines.CHANCE]
    assert not [one for one in limits(replace(run, summary=summary)) if "oracle" in one]
    assert [one for one in limits(run) if one.startswith("AU-set oracle: for each set")]
    one_labelled = unlabelled.assign(**{f"mask_{AUS[0]}": run.au_predictions["clip"] == run.au_predictions["clip"][0]})
    labelled = conclude.summary_table(federation, run.predictions, one_labelled)
    assert labelled["algorithm"].iloc[-1] == baselines.AU_SET_ORACLE
    of_shift = labelled.replace(baselines.AU_SET_ORACLE, f"{baselines.AU_SET_ORACLE}, lab-shift 0.5")
    assert [one for one in limits(replace(run, summary=of_shift)) if one.startswith("AU-set oracle")]


def test_a_federation_has_intervals_beside_every_score(federation: RunFolder):
    summary = federation.read_table("summary.csv").set_index("algorithm")
    names = ["local only", "FedAvg", "P-FedProx"]
    assert list(summary.index) == [*names, baselines.MAJORITY, baselines.CHANCE, baselines.AU_SET_ORACLE]
    for row in federation.read_table("intervals.csv").itertuples():
        assert row.estimate == pytest.approx(summary.loc[row.algorithm, row.metric])
        assert row.low < row.estimate < row.high
    classes, units = federation.read_table("class_scores.csv"), federation.read_table("au_scores.csv")
    assert classes["class"].tolist() == CLASSES * 3
    assert units["au"].tolist() == AUS * 3
    assert {"f1", "recall", "f1_sd", "recall_sd", "f1_low", "recall_high"} <= set(classes)


def test_differences_of_a_run_are_paired(federation: RunFolder):
    pairs = federation.read_table("differences.csv")
    both = pairs[["algorithm", "other_algorithm"]].to_numpy().tolist()
    assert both == [["local only", "FedAvg"], ["local only", "P-FedProx"], ["FedAvg", "P-FedProx"]]
    emotions, aus = (federation.read_table(f"{name}.csv") for name in ("predictions", "au_predictions"))
    for table, measure in ((emotions, measures.EMOTIONS), (aus, measures.ACTION_UNITS)):
        first, second = (table[table["algorithm"] == name] for name in ("FedAvg", "P-FedProx"))
        for metric, expected in difference_intervals(first, second, measure, num_draws=400).items():
            if metric in results.METRICS:
                row = pairs.iloc[2][[metric, f"{metric}_low", f"{metric}_high"]]
                assert tuple(row) == pytest.approx(expected)


def test_a_pretraining_is_scored_by_action_units_alone(tmp_path):
    names = ("AU detector, published prior", "AU detector, uniform prior")
    folder = RunFolder(finished_pretraining(tmp_path / "run", algorithms=names))
    summary = folder.read_table("summary.csv")
    assert summary["algorithm"].tolist() == [*names, baselines.ALL_PRESENT]
    assert summary["kind"].tolist() == ["trained", "trained", "baseline"]
    assert folder.read_table("intervals.csv")["metric"].tolist() == ["au_f1", "au_f1"]
    units = folder.read_table("au_scores.csv")
    assert units["algorithm"].unique().tolist() == summary["algorithm"].tolist()
    assert folder.read_table("au_predictions.csv")["algorithm"].unique().tolist() == list(names)
    assert len(folder.read_table("differences.csv")) == 1
    assert not folder.has("predictions.csv")


def test_rows_that_differ_in_one_thing_and_every_row_with_the_first_are_compared():
    rows = pd.DataFrame(
        {
            "algorithm": MODELS,
            "name": "mer",
            "prior": ["published", "uniform", "published", "uniform", ""],
            "variant": ["full", "full", "global-only", "global-only", "no-gat"],
        }
    ).replace("", np.nan)
    first, *others = MODELS
    expected = [(first, other) for other in others]
    expected += [(MODELS[1], MODELS[3]), (MODELS[1], MODELS[4]), (MODELS[2], MODELS[3])]
    expected += [(MODELS[2], MODELS[4]), (MODELS[3], MODELS[4])]
    assert comparable_pairs(rows) == expected


def test_a_row_that_does_not_depend_on_a_setting_is_compared_with_all_its_values():
    titles = ["local", "FedAvg", "FedProx, mu 0.1", "FedProx, mu 1", "P-FedProx, mu 0.1", "P-FedProx, mu 1"]
    pairs = comparable_pairs(rows_table(titles, mu=[np.nan, np.nan, 0.1, 1, 0.1, 1]))
    assert len(pairs) == 15 - 2
    assert ("FedProx, mu 0.1", "P-FedProx, mu 1") not in pairs
    assert ("FedProx, mu 1", "P-FedProx, mu 0.1") not in pairs


def test_an_ablation_names_its_rows_by_variant():
    """Which counts once."""
    variants = ["full", "full", "no-gat", "no-gat"]
    priors = ["published", "uniform", "published", "uniform"]
    titles = [f"{variant}, {prior}" for variant, prior in zip(variants, priors, strict=True)]
    rows = pd.DataFrame({"algorithm": titles, "name": variants, "prior": priors, "variant": variants})
    first, second, third, last = titles
    expected = [(first, second), (first, third), (first, last), (second, last), (third, last)]
    assert comparable_pairs(rows) == expected


@pytest.mark.slow
def test_an_interrupted_run_is_scored_by_the_rows_and_repeats_that_are_trained(tmp_path):
    names = ("local only", "FedAvg", "P-FedProx")
    folder = RunFolder(finished_run(tmp_path / "run", algorithms=names))
    tables = [folder.read_table(f"{name}.csv") for name in ("predictions", "au_predictions")]
    trained = [
        table[(table["algorithm"] != "P-FedProx") & ((table["algorithm"] != "FedAvg") | (table["repeat"] == 0))]
        for table in tables
    ]
    conclude.conclude(folder, *trained, num_draws=100)
    summary = folder.read_table("summary.csv")
    assert summary["algorithm"].tolist()[:3] == ["local only", "FedAvg", baselines.MAJORITY]
    assert summary["num_repeats"].tolist()[:2] == [2, 1]
    assert folder.read_table("intervals.csv")["algorithm"].unique().tolist() == ["local only", "FedAvg"]
    assert len(folder.read_table("differences.csv")) == 0
    run = read(folder)
    assert run.algorithms == ["local only", "FedAvg"]
    assert run.progress == "3 of 6 rows and repeats"
    assert "3 of 6 rows and repeats were run" in report.write(folder).read_text()
    with pytest.raises(ValueError, match=r"is not finished \(3 of 6 rows and repeats\): let it end"):
        read_finished(folder, "run")


@pytest.mark.slow
def test_the_rounds_of_a_sweep_over_rounds_are_those_of_its_rows(tmp_path):
    rows = rows_table(["FedAvg, rounds 2", "FedAvg, rounds 3"], rounds=[2, 3])
    assert read(RunFolder(finished_run(tmp_path / "run", rows=rows, rounds=9))).progress == ""
