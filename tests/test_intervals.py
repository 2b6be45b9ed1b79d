import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from experiments.results import intervals, measures, schema
from experiments.results import scores as results
from experiments.results.intervals import difference_intervals, interval, score_intervals

CLASSES = ["anger", "fear", "surprise"]


def predictions(subjects, labels, predicted, *, repeat=0, algorithm="FedAvg"):
    subjects = [f"s{subject:03d}" for subject in subjects]
    clips = [f"{subject}_{place:03d}" for place, subject in enumerate(subjects)]
    keys = {"algorithm": algorithm, "repeat": repeat, "fold": "0", "client": "all"}
    probabilities = np.eye(len(CLASSES))[np.asarray(predicted)]
    return schema.emotion_rows(keys, clips, subjects, np.asarray(labels), probabilities, CLASSES)


def random_predictions(seed, num_subjects=12, num_clips=60, **keys):
    draw = np.random.default_rng(seed)
    subjects = np.random.default_rng(0).permutation(np.arange(num_clips) % num_subjects)
    labels = np.random.default_rng(1).integers(0, 3, num_clips)
    predicted = np.where(draw.random(num_clips) < 0.6, labels, draw.integers(0, 3, num_clips))
    return predictions(subjects, labels, predicted, **keys)


def scored_row_by_row(table, taken):
    """UF1, UAR and accuracy of the rows of the taken subjects, by scikit-learn, the mean over repeats."""
    scores = []
    for _, rows in table.groupby("repeat"):
        drawn = pd.concat([rows[rows["subject"] == subject] for subject in taken])
        labels, predicted = drawn["label"], drawn["predicted"]
        scores.append(
            [
                f1_score(labels, predicted, average="macro"),
                balanced_accuracy_score(labels, predicted),
                accuracy_score(labels, predicted),
            ]
        )
    return dict(zip(measures.SCORES, np.mean(scores, axis=0), strict=True))


@pytest.mark.slow
def test_every_draw_is_the_score_of_its_rows():
    table = pd.concat([random_predictions(0, repeat=0), random_predictions(1, repeat=1)])
    subjects = np.unique(table["subject"])
    drawn = intervals.draw_subjects(len(subjects), seed=3, num_draws=20)
    assert (drawn.sum(axis=1) == len(subjects)).all()
    counts = measures.subject_confusions(table, subjects)
    scores = intervals.scores(counts, measures.EMOTIONS, CLASSES, drawn)
    for row in range(20):
        expected = scored_row_by_row(table, np.repeat(subjects, drawn[row]))
        assert {metric: values[row] for metric, values in scores.items()} == pytest.approx(expected)


AUS = ["AU1", "AU4", "AU12"]


def au_rows(seed, *, repeat=0, num_subjects=8, num_clips=48):
    draw, marks = np.random.default_rng(seed), np.random.default_rng(7)
    who = [f"s{place % num_subjects:02d}" for place in range(num_clips)]
    clips = [f"{name}_{place:03d}" for place, name in enumerate(who)]
    labels = (marks.random((num_clips, len(AUS))) < (0.5, 0.3, 0.1)).astype(float)
    mask = (marks.random((num_clips, len(AUS))) < 0.7).astype(float)
    keys = {"algorithm": "AU detector", "repeat": repeat, "fold": "all", "client": "all"}
    return schema.au_rows(keys, clips, who, labels, mask, draw.random((num_clips, len(AUS))), AUS)


@pytest.mark.slow
def test_every_draw_of_action_units_is_the_score_of_its_rows():
    table = pd.concat([au_rows(seed, repeat=seed) for seed in range(2)])
    subjects = np.unique(table["subject"])
    drawn = intervals.draw_subjects(len(subjects), seed=3, num_draws=20)
    scores = intervals.scores(measures.subject_detections(table, subjects), measures.ACTION_UNITS, AUS, drawn)
    for place in range(20):
        taken = pd.concat([table[table["subject"] == name] for name in np.repeat(subjects, drawn[place])])
        by_repeat = []
        for _, rows in taken.groupby("repeat"):
            known = [rows[rows[f"mask_{au}"] == 1] for au in AUS]
            found = [
                f1_score(one[f"label_{au}"], one[f"probability_{au}"] > 0.5, zero_division=np.nan)
                for au, one in zip(AUS, known, strict=True)
            ]
            by_repeat.append([np.nanmean(found), *found])
        expected = dict(zip(["au_f1", *AUS], np.nanmean(by_repeat, axis=0), strict=True))
        assert {metric: values[place] for metric, values in scores.items()} == pytest.approx(expected)


def test_the_estimate_of_action_units_is_that_of_the_tables():
    table = pd.concat([au_rows(seed, repeat=seed) for seed in range(3)])
    found = score_intervals(table, measures.ACTION_UNITS, seed=0, num_draws=200)
    for row in results.score_aus(table).itertuples():
        assert found[row.au].estimate == pytest.approx(row.f1)
    assert found["au_f1"].low < found["au_f1"].estimate < found["au_f1"].high


def test_action_units_are_paired_by_what_is_labelled():
    one, other = au_rows(0), au_rows(1)
    found = difference_intervals(one, other, measures.ACTION_UNITS, seed=0, num_draws=50)
    alone = [score_intervals(table, measures.ACTION_UNITS, seed=0, num_draws=50)["AU4"] for table in (one, other)]
    assert found["AU4"].estimate == pytest.approx(alone[0].estimate - alone[1].estimate)
    with pytest.raises(ValueError, match=r"the mask_AU4 of \d+ clips differs"):
        difference_intervals(one, other.assign(mask_AU4=1), measures.ACTION_UNITS, seed=0, num_draws=50)
    with pytest.raises(ValueError, match="the action units differ"):
        difference_intervals(
            one, other.rename(columns=lambda name: name.replace("AU12", "AU9")), measures.ACTION_UNITS, seed=0
        )


def test_the_estimate_is_the_score_of_the_summary():
    table = pd.concat([random_predictions(seed, repeat=seed) for seed in range(3)])
    summary = results.summarise(results.score_repeats(table, part="fold"))
    for metric, found in score_intervals(table, seed=0, num_draws=200).items():
        assert found.estimate == pytest.approx(summary[metric].item())
        assert found.low < found.estimate < found.high


def test_the_same_seed_gives_the_same_interval():
    table = random_predictions(0)
    once, again, other = (score_intervals(table, seed=seed, num_draws=300) for seed in (5, 5, 6))
    assert once == again != other


def test_rows_in_another_order_change_nothing():
    table = pd.concat([random_predictions(seed, repeat=seed) for seed in range(2)])
    shuffled = table.sample(frac=1, random_state=0)
    assert score_intervals(shuffled, seed=0, num_draws=100) == score_intervals(table, seed=0, num_draws=100)
    other = table.assign(predicted=table["label"])
    paired = difference_intervals(shuffled, other, seed=0, num_draws=100)
    assert paired == difference_intervals(table, other, seed=0, num_draws=100)


def people_of_one_population(generator, num_subjects=40, clips_each=6):
    """Everyone has a chance of their own to be recognised, 1/2 on average; so is then every score of the population."""
    chance = np.repeat(generator.beta(0.5, 0.5, num_subjects), clips_each)
    subjects = np.repeat(np.arange(num_subjects), clips_each)
    labels = generator.integers(0, 3, len(subjects))
    wrong = (labels + generator.integers(1, 3, len(subjects))) % 3
    return subjects, labels, np.where(generator.random(len(subjects)) < chance, labels, wrong)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say_and_without_subjects_they_do_not():
    generator, num_studies = np.random.default_rng(0), 150
    covered = {"by subject": dict.fromkeys(measures.SCORES, 0), "by clip": dict.fromkeys(measures.SCORES, 0)}
    for study in range(num_studies):
        subjects, labels, predicted = people_of_one_population(generator)
        for unit, names in (("by subject", subjects), ("by clip", np.arange(len(subjects)))):
            found = score_intervals(predictions(names, labels, predicted), seed=study, num_draws=400)
            for metric, (_, low, high) in found.items():
                covered[unit][metric] += low <= 0.5 <= high
    for metric in measures.SCORES:
        assert 0.89 <= covered["by subject"][metric] / num_studies <= 0.985
        assert covered["by clip"][metric] / num_studies < 0.83


@pytest.mark.slow
def test_differences_of_equal_models_cover_zero_as_often_as_they_say():
    generator, num_studies, covered = np.random.default_rng(1), 100, 0
    for study in range(num_studies):
        subjects, labels, first = people_of_one_population(generator)
        swap = generator.random(len(labels)) < 0.3
        second = np.where(swap, generator.permutation(first), first)
        third = np.where(generator.random(len(labels)) < 0.3, generator.permutation(first), first)
        one, other = (predictions(subjects, labels, guessed) for guessed in (second, third))
        _, low, high = difference_intervals(one, other, seed=study, num_draws=300)["uf1"]
        covered += low <= 0 <= high
    assert 0.88 <= covered / num_studies <= 0.99


def test_pairing_makes_a_small_consistent_gain_visible():
    generator = np.random.default_rng(2)
    subjects, labels, predicted = people_of_one_population(generator)
    wrong = np.flatnonzero(predicted != labels)
    better = predicted.copy()
    better[wrong[::6]] = labels[wrong[::6]]
    one, other = predictions(subjects, labels, better), predictions(subjects, labels, predicted)
    difference = difference_intervals(one, other, seed=0)["accuracy"]
    alone = [score_intervals(table, seed=0)["accuracy"] for table in (one, other)]
    assert difference.estimate == pytest.approx(alone[0].estimate - alone[1].estimate)
    assert difference.low > 0
    assert alone[0].low < alone[1].high
    backwards = difference_intervals(other, one, seed=0)["accuracy"]
    assert backwards == pytest.approx((-difference.estimate, -difference.high, -difference.low), abs=1e-9)


def test_a_model_does_not_differ_from_itself():
    table = random_predictions(0)
    assert set(difference_intervals(table, table, seed=0, num_draws=50).values()) == {(0.0, 0.0, 0.0)}


def test_a_class_or_a_repeat_may_miss_from_a_draw():
    table = pd.concat(
        [
            predictions([0, 1, 2, 3], [0, 0, 1, 2], [0, 0, 1, 2], repeat=0),
            predictions([0, 0], [0, 1], [0, 1], repeat=1),
        ]
    )
    assert set(score_intervals(table, seed=0, num_draws=200).values()) == {(1.0, 1.0, 1.0)}


def test_one_subject_has_no_interval():
    for estimate, low, high in score_intervals(predictions([0, 0], [0, 1], [0, 0]), seed=0).values():
        assert estimate > 0
        assert np.isnan([low, high]).all()


MISPAIRED = {
    "other clips": (lambda t: t.iloc[1:], "1 tested clips"),
    "another repeat": (lambda t: t.assign(repeat=1), "120 tested clips"),
    "other labels": (lambda t: t.assign(label=["fear", *t["label"].iloc[1:]]), "the label of 1 clips differs"),
    "other people": (lambda t: t.assign(subject="x"), "the subject of 60 clips differs"),
    "other classes": (lambda t: t.rename(columns={"p_fear": "p_joy"}), "the classes differ"),
}


@pytest.mark.parametrize(("change", "said"), MISPAIRED.values(), ids=MISPAIRED)
def test_tables_that_cannot_be_paired_are_refused(change, said):
    table = random_predictions(0).assign(label=lambda t: ["anger", *t["label"].iloc[1:]])
    with pytest.raises(ValueError, match=said):
        difference_intervals(table, change(table), seed=0)


def test_two_algorithms_at_once_are_refused():
    both = pd.concat([random_predictions(0), random_predictions(1, algorithm="FedProx")])
    with pytest.raises(ValueError, match="predicted twice in a repeat"):
        score_intervals(both, seed=0)


def test_an_unknown_class_and_an_impossible_level_are_refused():
    with pytest.raises(ValueError, match="'joy' in column 'predicted' is none of anger, fear, surprise"):
        score_intervals(random_predictions(0).assign(predicted="joy"), seed=0)
    with pytest.raises(ValueError, match="confidence level of 95"):
        interval(0.5, np.zeros(3), 95)
