"""What trainings came to, as tables: who predicts what, with which detector, and who owns it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset

from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.priors import annotations_of
from experiments.inputs.settings import FedSettings, MerSettings, PretrainSettings, RunSettings
from experiments.inputs.splits import pretraining_splits, splits_of
from experiments.run.folder import RunFolder
from experiments.training.chunks import TrainingResult
from experiments.training.data import RunData
from experiments.training.detectors import DetectorSource
from experiments.training.experiment import Results, network_bytes, networks_to_keep
from experiments.training.prepare import Prepared, prepare_pretraining, record_inputs, splits_table
from experiments.training.records import MetricsFile, metrics_table, prediction_tables
from experiments.training.rows import table_of
from experiments.training.store import rows_of

DATA = random_dataset("synthetic", "federated")
PRIORS = ("published", "co-occurrence")
FED = FedSettings(clients=2, rounds=2, repeats=2, algorithms=("local", "fedavg"))
SEVERAL = replace(FED, network=NetworkSettings(prior=PRIORS))


def prepared(settings: RunSettings) -> Prepared:
    data = RunData(settings, {}, [DATA], DATA, splits_of(settings, DATA), rows_of(DATA.examples))
    table = table_of(settings, data.repeats, annotations_of(DATA), data.rows.shown)
    return Prepared(settings, (data,), table, DetectorSource((), lambda *_: {}))


def trained(one: Prepared, rounds: int = 2) -> list[TrainingResult]:
    """Networks that are always right, after a loss that falls."""
    found = []
    for training in one.table.trainings:
        shape = (rounds, len(training.split.clients))
        loss = np.arange(rounds, 0, -1.0)[:, None] * np.ones(shape)
        counts = np.zeros((*shape, 7, 7), int)
        counts[..., 0, 0] = 3
        history = {"loss_sum": loss, "num_examples": np.ones(shape), "confusion": counts, "scored_loss_sum": loss}
        logits = [{"emotion": 50.0 * np.eye(7)[DATA.examples.emotion[own.test]]} for own in training.split.clients]
        found.append(TrainingResult(training, history, logits))
    return found


@pytest.mark.slow
def test_predictions_of_a_frozen_detector_are_those_of_the_rows_prior():
    one = prepared(SEVERAL)
    (group,) = one.table.groups
    probabilities = np.ones((len(group.views), len(DATA.clip), 12)) * np.arange(len(group.views))[:, None, None] / 4
    emotions, aus = prediction_tables(one, trained(one), {group.name: probabilities})
    assert (emotions["label"] == emotions["predicted"]).all()
    means = aus.groupby(["algorithm", "repeat"])["probability_AU1"].agg(["min", "max"])
    for title in ("Local only", "FedAvg"):
        assert means.loc[f"{title}, published prior"].to_numpy().tolist() == [[0, 0], [0, 0]]
        assert means.loc[f"{title}, co-occurrence prior"].to_numpy().tolist() == [[0.25, 0.25], [0.5, 0.5]]


def test_what_one_client_holds_of_everybody_is_shown_by_its_owner():
    one = prepared(replace(FED, algorithms=("fedavg", "centralised")))
    probabilities = {group.name: np.zeros((1, len(DATA.clip), 12)) for group in one.table.groups}
    emotions, _ = prediction_tables(one, trained(one), probabilities)
    keys = ["repeat", "client", "clip"]
    federated, central = (rows[keys].sort_values(keys).to_numpy() for _, rows in emotions.groupby("algorithm"))
    np.testing.assert_array_equal(federated, central)


def test_a_fold_is_named_after_whom_it_tests():
    one = prepared(replace(MerSettings(), protocol="loso", epochs=2))
    probabilities = {"0": np.zeros((1, len(DATA.clip), 12))}
    emotions, _ = prediction_tables(one, trained(one), probabilities)
    assert (emotions["fold"] == emotions["subject"]).all()
    assert set(emotions["client"]) == {"all"}


def test_metrics_of_chunks_that_end_one_after_another_are_those_of_all_together(tmp_path: Path):
    one = prepared(FED)
    everything = trained(one)
    whole = metrics_table(one, everything)
    file = MetricsFile(RunFolder(tmp_path), one)
    for start in (2, 0):  # in any order
        part = everything[start : start + 2]
        for rounds in (1, 2):
            file.write([own._replace(history={n: v[:rounds] for n, v in own.history.items()}) for own in part])
        file.add(part)
    pd.testing.assert_frame_equal(RunFolder(tmp_path).read_table("metrics.csv"), whole, check_dtype=False)
    pooled = whole[whole["client"] == "pooled"]
    assert len(pooled) == 2 * 2 * 2
    assert pooled["num_scored"].tolist() == [6] * 8


def test_rows_and_repeats_that_are_not_whole_are_left_out():
    one = prepared(replace(MerSettings(), folds=4, repeats=2, epochs=2))
    everything = trained(one)
    assert Results(trained=everything).complete(one) == everything
    assert [t.training.repeat for t in Results(trained=everything[:6]).complete(one)] == [0] * 4
    assert Results(trained=everything[:3]).complete(one) == []


@pytest.mark.slow
def test_as_many_networks_are_kept_as_fit_some_of_each_row():
    one = prepared(replace(FED, repeats=5))
    (group,) = one.table.groups
    kept = networks_to_keep(one)[group.name]
    assert len(kept) * network_bytes(one, group) < 60e6 < (len(kept) + 1) * network_bytes(one, group)
    assert {group.trainings[place].row for place, _ in kept} == {"Local only", "FedAvg"}
    assert {group.trainings[place].repeat for place, _ in kept} == {0}
    everything = networks_to_keep(prepared(replace(FED, repeats=5, keep_networks=True)))
    assert len(everything[group.name]) == 2 * 5 * 2


def test_a_run_goes_on_with_the_same_data_only(tmp_path: Path):
    folder, one = RunFolder(tmp_path), prepared(FED)
    record_inputs(folder, one)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    record_inputs(folder, one)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (data,) = one.data
    other = replace(one, data=(replace(data, datasets=[replace(DATA, fingerprint="f" * 64)]),))
    with pytest.raises(ValueError, match=r"has ffffffffffff now: the run cannot go on"):
        record_inputs(folder, other)
    (tmp_path / "splits.csv").write_text("repeat,fold\n0,all\n")
    with pytest.raises(ValueError, match=r"splits.csv is not what .* give now.* delete it"):
        record_inputs(folder, one)


def test_a_pretraining_is_tested_on_subjects_kept_apart():
    data = [random_dataset(name, "pretraining") for name in ("disfa", "ckplus")]
    data[1] = replace(data[1], examples=data[1].examples._replace(flow=1 - np.asarray(data[1].examples.flow)))
    settings = PretrainSettings(databases=("disfa", "ckplus"), validation_share=0.25, repeats=2)
    one = prepare_pretraining(settings, data, lambda corpus: pretraining_splits(settings, corpus))
    (own,) = one.data
    for repeat in own.repeats:
        (split,) = repeat
        held_out = set(own.corpus.subject[split.test])
        assert not held_out & set(own.corpus.subject[split.train])
        assert {name.partition("/")[0] for name in held_out} == {"disfa", "ckplus"}
    table = splits_table(one)
    assert table["num_train"].tolist() == [48, 48]
    assert own.repeats[0][0].test.tolist() != own.repeats[1][0].test.tolist()
    alone = replace(data[0], subject=np.full(len(data[0].subject), "S1"))
    with pytest.raises(ValueError, match=r"disfa has labelled action units of the single subject S1"):
        prepare_pretraining(settings, [alone], lambda corpus: pretraining_splits(settings, corpus))


def test_a_picture_on_both_sides_of_a_pretraining_is_a_leak():
    data = random_dataset("synthetic", "pretraining")
    settings = PretrainSettings(validation_share=0.25)
    flow = np.array(data.examples.flow)
    flow[:] = flow[0]
    same = replace(data, examples=data.examples._replace(flow=flow))
    with pytest.raises(ValueError, match=r"with identical flow in both the train and the test data"):
        prepare_pretraining(settings, [same], lambda corpus: pretraining_splits(settings, corpus))
