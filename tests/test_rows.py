"""Rows of a table and their trainings: what pairs up, what is merged, what a prior sees, what may leak."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from fed_on_random_data import random_dataset

from experiments.inputs.algorithms import TITLES
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.priors import annotations_of
from experiments.inputs.settings import AblateSettings, FedSettings, MerSettings
from experiments.inputs.splits import splits_of
from experiments.training.plan import arrays, training_key
from experiments.training.recipe import ratios
from experiments.training.rows import table_of
from experiments.training.store import rows_of, with_rotated_copies
from fedpsyau_jax.priors import AnnotationTable, Prior, identity

DATA = random_dataset("synthetic", "federated")
PRIORS = ("published", "co-occurrence", "uniform")
MER = MerSettings(protocol="loso", epochs=3, batch=8, au="finetuned", network=NetworkSettings(prior=PRIORS))
FED = FedSettings(clients=2, rounds=2, repeats=2, algorithms=("local", "fedavg", "fedprox", "p-fedprox"))
seen_tables: list[AnnotationTable] = []


def witness(table: AnnotationTable) -> Prior:
    seen_tables.append(table)
    return identity(12)


def table(settings, dataset=DATA):
    return table_of(settings, splits_of(settings, dataset), annotations_of(dataset), np.arange(len(dataset.clip)))


def titles(settings):
    return [row.title for row in table(settings).rows]


def test_rows_are_named_by_algorithm_and_prior():
    two = replace(FED, algorithms=("local", "fedavg"), network=NetworkSettings(prior=("published", "uniform")))
    assert titles(two) == [
        f"{name}, {prior} prior" for name in ("Local only", "FedAvg") for prior in ("published", "uniform")
    ]
    assert titles(replace(FED, algorithms=("local", "centralised"))) == ["Local only", "Centralised"]
    assert titles(MER) == [f"fine-tuned AU module, {prior} prior" for prior in PRIORS]


def test_an_ablation_trains_networks_without_graph_attention_once():
    settings = AblateSettings(variants=("full", "no-gat"), network=NetworkSettings(prior=("published", "uniform")))
    whole = table(settings)
    assert [row.title for row in whole.rows] == ["full, published", "full, uniform", "no-gat"]
    assert [len(group.trainings) for group in whole.groups] == [8, 4]  # 2 rows or 1, 2 repeats, 2 folds


def test_a_row_that_does_not_depend_on_a_swept_value_is_there_once():
    swept = replace(FED, sweep=("mu=0.1,1", "self-weight=0.5,0.9"))
    whole = table(swept)
    assert [row.title for row in whole.rows] == [
        "Local only",
        "FedAvg",
        "FedProx, mu 0.1",
        "FedProx, mu 1",
        *(f"P-FedProx, mu {mu}, self-weight {share}" for mu in ("0.1", "1") for share in ("0.5", "0.9")),
    ]
    assert len(whole.groups) == 1
    assert whole.rows[2].values == {"mu": "0.1"}


def test_what_changes_shapes_is_a_program_of_its_own():
    whole = table(replace(FED, algorithms=("fedavg", "centralised"), sweep=("batch=8,16", "learning-rate=0.1,0.01")))
    assert len(whole.groups) == 4  # two sizes of batches, two numbers of clients
    assert sorted(len(group.trainings) for group in whole.groups) == [4, 4, 4, 4]


@pytest.mark.slow
def test_a_swept_number_reaches_the_program_as_an_array():
    whole = table(replace(MER, sweep=("weight-decay=0,0.5", "gamma=0.1,0.9"), network=NetworkSettings()))
    (group,) = whole.groups
    data = arrays(group, range(len(group.trainings)), len(group.trainings), np.arange(32), 0)
    pairs = {(float(decay), round(float(gamma), 3)) for decay, gamma in zip(*data.numbers[1:3], strict=True)}
    assert pairs == {(0.0, 0.1), (0.0, 0.9), (0.5, 0.1), (0.5, 0.9)}


def test_rows_share_the_random_numbers_of_a_split_and_nothing_else():
    whole = table(replace(MER, repeats=2))
    (group,) = whole.groups
    data = arrays(group, range(len(group.trainings)), len(group.trainings), np.arange(32), 0)
    keys = np.asarray(jax.random.key_data(data.key)).reshape(3, -1, 2)
    np.testing.assert_array_equal(keys[0], keys[1])
    assert len(np.unique(keys[0], axis=0)) == 2 * 8


def test_no_two_seeds_and_repeats_share_a_key():
    keys = [training_key(seed, repeat, number) for seed in range(4) for repeat in range(4) for number in range(4)]
    assert len({tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys}) == 64


def test_splits_of_another_seed_or_repeat_are_others():
    splits = {
        (seed, repeat): tuple(split.test.tolist() for split in own)
        for seed in (0, 1)
        for repeat, own in enumerate(splits_of(replace(MER, protocol="kfold", folds=4, repeats=2, seed=seed), DATA))
    }
    assert len({str(value) for value in splits.values()}) == 4


def test_a_prior_function_is_given_the_training_rows_of_its_split_and_no_others():
    seen_tables.clear()
    whole = table(replace(FED, algorithms=("fedavg",), network=NetworkSettings(prior=("test_rows:witness",))))
    for seen, training in zip(seen_tables, whole.groups[0].trainings, strict=True):
        np.testing.assert_array_equal(seen.aus, np.asarray(DATA.examples.au)[training.split.train])
        assert not set(seen.subject) & set(DATA.subject[training.split.test])


def test_a_prior_from_annotations_sees_the_training_rows_alone():
    settings = replace(MER, network=NetworkSettings(prior=("co-occurrence",)))
    first = table(settings).groups[0].trainings[0]
    changed = np.array(DATA.examples.au)
    changed[first.split.test] = 1 - changed[first.split.test]
    other = replace(DATA, examples=DATA.examples._replace(au=changed))
    same, differs, *_ = table(settings, other).groups[0].trainings
    np.testing.assert_array_equal(first.priors.global_.statistics, same.priors.global_.statistics)
    assert not np.array_equal(first.priors.global_.statistics, differs.priors.global_.statistics)


def test_examples_are_seen_once_through_each_detector_that_differs():
    (group,) = table(replace(MER, au="frozen")).groups
    assert len(group.views) == 1 + 8 + 1  # statistics of annotations differ from fold to fold
    assert group.detector[:8] == (0,) * 8
    assert sorted(group.detector[8:16]) == list(range(1, 9))
    for place, training in enumerate(group.trainings):
        view = group.views[group.detector[place]]
        assert view.network.prior == training.network.prior
        jax.tree.map(np.testing.assert_array_equal, view.priors, training.priors)


def test_whole_networks_start_from_the_detector_of_their_prior():
    (group,) = table(MER).groups
    assert [view.network.prior for view in group.views] == [(prior,) for prior in PRIORS]
    assert group.detector == (0,) * 8 + (1,) * 8 + (2,) * 8


@pytest.mark.slow
def test_copies_are_trained_on_with_their_example_and_never_tested():
    rows = with_rotated_copies(rows_of(DATA.examples), DATA.class_names, jax.random.key(0))
    count = len(DATA.clip)
    assert len(rows.shown) > count
    np.testing.assert_array_equal(rows.examples.flow[:count], DATA.examples.flow)
    assert not np.array_equal(rows.examples.flow[count], DATA.examples.flow[rows.shown[count]])
    settings = replace(MER, network=NetworkSettings())
    (group,) = table_of(settings, splits_of(settings, DATA), annotations_of(DATA), rows.shown).groups
    data = arrays(group, range(8), 8, rows.shown, 0)
    for place, training in enumerate(group.trainings):
        own = np.asarray(data.train.examples[place, 0])[np.asarray(data.train.mask[place, 0]) > 0]
        assert set(rows.shown[own]) == set(training.split.train)
        assert (own >= count).sum() == np.isin(rows.shown[count:], training.split.train).sum()
    assert np.asarray(data.test.examples).max() < count


def test_the_ratio_decays_from_one():
    decayed = ratios(replace(MER, prior_schedule="decay"), 4)
    assert [round(float(ratio), 4) for ratio in decayed] == [1.0, 0.75, 0.375, 0.0938]
    assert ratios(MER, 3).tolist() == pytest.approx([0.3] * 3)


def test_a_database_without_emotions_is_refused():
    unlabelled = replace(DATA, examples=DATA.examples._replace(emotion=np.full(32, -1)))
    with pytest.raises(ValueError, match=r"synthetic/federated/0.0.0 has no example with an emotion"):
        splits_of(MER, unlabelled)


def test_algorithms_of_one_structure_share_a_program():
    """Matrices alone are one program, the optimisers of the server another; a row for each model of a client."""
    settings = FedSettings(clients=2, repeats=2, algorithms=tuple(name for name in TITLES if name != "centralised"))
    groups = table(settings).groups
    programs = [list(dict.fromkeys(one.row for one in group.trainings)) for group in groups]
    assert programs[0] == ["Local only", "FedAvg", "FedProx", "P-FedProx", "FedBN", "FedPer"]
    assert ["FedAvgM", "FedAdam", "FedYogi"] in programs
    assert ["Ditto (personal)", "Ditto (global)"] in programs
    assert len(programs) == 13
    assert {len(group.trainings) // len(rows) for group, rows in zip(groups, programs, strict=True)} == {2}


def test_functions_that_differ_between_splits_are_refused(tmp_path, monkeypatch):
    source = "from fedpsyau_jax.federated import fedavg\n"
    source += (
        "def own(weights, settings):\n    return fedavg(weights)._replace(client=lambda update, problem: update)\n"
    )
    (tmp_path / "closures.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    settings = FedSettings(clients=2, repeats=2, algorithms=("closures:own",))
    with pytest.raises(ValueError, match=r"differ from split to split; define them outside of yours, and give them"):
        table(settings)
