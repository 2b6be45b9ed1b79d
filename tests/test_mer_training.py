"""Trials, programs and chunks, with a linear model in place of the network: laws that do not depend on it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fed_on_random_data import random_dataset
from rich.console import Console

from data.dataset import Dataset
from experiments.inputs.detectors import detector_like
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import named_rows
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training import chunks, trials
from experiments.training.cross_validation import compiled
from experiments.training.example_store import with_copies
from experiments.training.recognition import Context, Recognition, whole_network
from fedpsyau_jax.federated import masked_mean, vectorised
from fedpsyau_jax.priors import published
from fedpsyau_jax.splits.folds import leave_one_subject_out
from fedpsyau_jax.types import ClientState

SETTINGS = MerSettings(au="scratch", protocol="loso", epochs=3, batch=8, learning_rate=0.05)


pytestmark = pytest.mark.usefixtures("quick_compilation")


def linear() -> Recognition:
    """Seven classes from six numbers of the flow; the prior ratio leaves a trace in the loss."""

    def logits(params, context, batch):
        return context.store.flow[batch.examples].reshape(len(batch.examples), -1)[:, :6] @ params

    def loss(context):
        def of_indices(params, state, batch, key):
            scores = jax.nn.log_softmax(logits(params, context, batch))
            label = context.store.emotion[batch.examples]
            value = -masked_mean(jnp.take_along_axis(scores, label[:, None], 1)[:, 0], batch.mask)
            count = batch.mask.sum()
            return value + 0 * context.ratio, (state, {"loss_sum": value * count, "num_examples": count})

        return of_indices

    return Recognition(
        init=lambda key, context: ClientState(jax.random.normal(key, (6, 7)), ()),
        unpacked=lambda client: client,
        loss=loss,
        predict=lambda context: lambda client, batch: {"emotion": logits(client.params, context, batch)},
        rates=lambda: jnp.ones((6, 7)),
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset("synthetic", "federated")


def training(
    dataset: Dataset, folder: Path, settings: MerSettings = SETTINGS, priors: Sequence[str] = ("published",)
) -> chunks.Training:
    folder.mkdir(exist_ok=True)
    named = list(zip(named_rows(["linear"], priors), priors, strict=True))
    chosen = trials.trials(trials.folds(settings, dataset), dataset, named)
    examples = with_copies(settings, dataset)
    return chunks.Training("folds", settings, linear(), examples, chosen, RunFolder(folder))


def trained(dataset: Dataset, folder: Path, settings: MerSettings = SETTINGS) -> list[chunks.Finished]:
    with progress(Console(quiet=True)) as stages:
        return chunks.train(training(dataset, folder, settings), stages)


@pytest.fixture(scope="module")
def at_once(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[chunks.Finished]:
    """All folds in one chunk."""
    return trained(dataset, tmp_path_factory.mktemp("at_once"))


def logits_of(finished: list[chunks.Finished]) -> np.ndarray:
    return np.concatenate([one.logits["emotion"] for one in finished])


def test_every_example_is_predicted_by_the_fold_that_did_not_train_on_it(
    dataset: Dataset, at_once: list[chunks.Finished]
):
    tested = np.concatenate([one.trial.fold.test for one in at_once])
    assert sorted(tested) == list(range(len(dataset.clip)))
    for one in at_once:
        assert one.history["num_examples"].tolist() == [len(one.trial.fold.train)] * 3
        assert one.logits["emotion"].shape == (len(one.trial.fold.test), 7)
        assert one.history["loss_sum"][-1] < one.history["loss_sum"][0]


def test_the_size_of_a_chunk_changes_no_bit(dataset: Dataset, tmp_path: Path, at_once: list[chunks.Finished]):
    in_chunks = trained(dataset, tmp_path, replace(SETTINGS, folds_at_once=3))
    np.testing.assert_array_equal(logits_of(in_chunks), logits_of(at_once))


def test_all_folds_at_once_agree_with_one_after_another(dataset: Dataset, tmp_path: Path):
    one = training(dataset, tmp_path)
    data = one.data(one.trials, len(one.trials))
    programs = [
        compiled(SETTINGS, one.recognition, one.examples.store, one.examples.label, data, over)
        for over in (None, vectorised)
    ]
    after = [program.epoch(program.init(data), data, jnp.float32(0))[0] for program in programs]
    np.testing.assert_allclose(after[0].training.clients.params, after[1].training.clients.params, atol=1e-5)


class Killed(Exception):
    """Stands for a kill: nothing runs after it."""


def test_killed_and_resumed_is_bit_identical_and_repeats_no_epoch(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: list[chunks.Finished]
):
    settings = replace(SETTINGS, folds_at_once=4, checkpoint_seconds=0)
    epochs: list[int] = []
    refuse = chunks._refuse_diverged

    def counting(diverged: np.ndarray, chunk: list[trials.Trial], epoch: int) -> None:
        if len(epochs) == 4:  # in the second of two chunks, after one epoch
            epochs.append(-1)
            raise Killed
        epochs.append(epoch)
        refuse(diverged, chunk, epoch)

    monkeypatch.setattr(chunks, "_refuse_diverged", counting)
    with pytest.raises(Killed):
        trained(dataset, tmp_path / "killed", settings)
    resumed = trained(dataset, tmp_path / "killed", settings)
    assert epochs == [0, 1, 2, 0, -1, 1, 2]
    np.testing.assert_array_equal(logits_of(resumed), logits_of(at_once))
    for one, other in zip(resumed, at_once, strict=True):
        np.testing.assert_array_equal(one.history["loss_sum"], other.history["loss_sum"])


def test_resumed_where_more_fits_at_once_keeps_its_chunks(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: list[chunks.Finished]
):
    trained(dataset, tmp_path, replace(SETTINGS, folds_at_once=3))
    (tmp_path / "finished" / "folds-2.npz").unlink()
    monkeypatch.setattr(chunks, "trials_at_once", lambda *_: 8)
    np.testing.assert_array_equal(logits_of(trained(dataset, tmp_path)), logits_of(at_once))


def test_selection_takes_the_best_validated_epoch_and_never_sees_the_test_examples(dataset: Dataset, tmp_path: Path):
    choices = replace(SETTINGS, validation_share=0.25, epochs=6, learning_rate=0.3)
    selected = trained(dataset, tmp_path / "selected", replace(choices, select=True))
    examples = dataset.examples
    hidden = selected[0].trial.fold.test
    garbled = np.array(examples.emotion)
    garbled[hidden] = (garbled[hidden] + 1) % 7
    again = trained(
        replace(dataset, examples=examples._replace(emotion=garbled)),
        tmp_path / "garbled",
        replace(choices, select=True),
    )
    np.testing.assert_array_equal(selected[0].logits["emotion"], again[0].logits["emotion"])
    last = trained(dataset, tmp_path / "last", choices)
    best = np.array([np.argmax(_uf1(one.history["validation"])) for one in selected])
    assert (best < 5).any()
    for one, other, epoch in zip(selected, last, best, strict=True):
        same = np.allclose(one.logits["emotion"], other.logits["emotion"], atol=1e-5)  # compiled apart
        assert same == (epoch == 5)


def _uf1(confusion: np.ndarray) -> np.ndarray:
    hits = np.einsum("ecc->ec", confusion)
    with np.errstate(invalid="ignore"):
        f1 = 2 * hits / (confusion.sum(1) + confusion.sum(2))
    return np.nanmean(f1, axis=1)


def test_a_loss_that_is_not_finite_names_fold_and_epoch(dataset: Dataset, tmp_path: Path):
    with pytest.raises(chunks.Diverged, match=r"linear, repeat 0, fold federated00, was not finite in epoch 1"):
        trained(dataset, tmp_path, replace(SETTINGS, learning_rate=float("inf")))


def test_a_database_without_emotions_is_refused(dataset: Dataset):
    unlabelled = replace(dataset, examples=dataset.examples._replace(emotion=np.full(32, -1)))
    with pytest.raises(ValueError, match=r"synthetic/federated/0.0.0 has no example with an emotion"):
        trials.folds(SETTINGS, unlabelled)


def test_a_prior_from_annotations_sees_the_training_rows_alone(dataset: Dataset):
    (found,) = trials.folds(SETTINGS, dataset)
    first, *_ = trials.trials([found], dataset, [("a", "co-occurrence")])
    changed = np.array(dataset.examples.au)
    changed[first.fold.test] = 1 - changed[first.fold.test]
    other = replace(dataset, examples=dataset.examples._replace(au=changed))
    same, differs, *_ = trials.trials([found], other, [("a", "co-occurrence")])
    np.testing.assert_array_equal(first.priors.global_.statistics, same.priors.global_.statistics)
    assert not np.array_equal(first.priors.global_.statistics, differs.priors.global_.statistics)


def test_a_prior_that_saw_a_test_example_is_a_leak(dataset: Dataset):
    chosen = trials.trials(trials.folds(SETTINGS, dataset), dataset, [("a", "co-occurrence"), ("b", "uniform")])
    trials.refuse_leaking(chosen, dataset, ())
    leaking = chosen[9]._replace(prior_rows=np.append(chosen[9].prior_rows, chosen[9].fold.test[0]))
    with pytest.raises(ValueError, match=r"a leak in fold federated01: the prior was computed with 1 test examples"):
        trials.refuse_leaking([*chosen[:9], leaking], dataset, ())


def test_trials_that_differ_in_their_prior_share_their_random_numbers(dataset: Dataset):
    (found,) = trials.folds(SETTINGS, dataset)
    chosen = trials.trials([found, found], dataset, [("a", "published"), ("b", "uniform")])
    keys = jax.random.key_data(trials.trial_data(chosen, np.arange(32), 0).key)
    per_prior = keys.reshape(2, -1, keys.shape[-1])
    np.testing.assert_array_equal(per_prior[0], per_prior[1])
    assert len(np.unique(per_prior[0], axis=0)) == 2 * len(found)


PRIORS = ("published", "co-occurrence", "uniform")
DETECTORS = [ClientState({"weight": jnp.full(3, float(number))}, {}) for number in range(3)]


def test_examples_are_seen_once_through_each_prior_that_differs(dataset: Dataset, tmp_path: Path):
    chosen, detectors = trials.seen_through(training(dataset, tmp_path, priors=PRIORS).trials, DETECTORS)
    assert len(detectors) == 1 + 8 + 1  # statistics of annotations differ from fold to fold
    assert [trial.detector for trial in chosen] == [0] * 8 + [trial.detector for trial in chosen[8:16]] + [9] * 8
    assert sorted(trial.detector for trial in chosen[8:16]) == list(range(1, 9))
    for number, trial in enumerate(chosen):
        own = detectors[trial.detector]
        assert float(own.client.params["weight"][0]) == number // 8
        jax.tree.map(np.testing.assert_array_equal, own.priors, trial.priors)
    data = trials.trial_data(chosen, np.arange(32), 0)
    for place, trial in enumerate(chosen):
        rows = np.asarray(data.train.examples[place, 0])[np.asarray(data.train.mask[place, 0]) > 0]
        np.testing.assert_array_equal(rows, trial.fold.train + 32 * trial.detector)
        rows = np.asarray(data.test.examples[place])[np.asarray(data.test.mask[place]) > 0]
        np.testing.assert_array_equal(rows, trial.fold.test + 32 * trial.detector)


def test_whole_networks_start_from_the_detector_of_their_prior(dataset: Dataset, tmp_path: Path):
    one = training(dataset, tmp_path, priors=PRIORS)
    chosen = trials.starting_from_own(one.trials, 3)
    data = trials.trial_data(chosen, np.arange(32), 0)
    assert data.detector.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    settings, like = replace(SETTINGS, au="finetuned"), Context(one.examples.store, published(), jnp.float32(0))
    shapes = detector_like(settings.network)
    detectors = [jax.tree.map(lambda leaf, value=10.0 + n: jnp.full(leaf.shape, value), shapes) for n in range(3)]
    init = jax.jit(whole_network(settings, 7, detectors, like).init)
    size = sum(leaf.size for leaf in jax.tree.leaves(shapes.params))
    for number in (0, 2):
        state = init(jax.random.key(0), like._replace(detector=number))
        weights = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.params)])
        counts = [(weights == 10.0 + other).sum() for other in range(3)]
        assert counts == [size * (other == number) for other in range(3)]


def test_several_priors_compile_one_epoch_and_change_nothing_of_each_other(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture, at_once: list[chunks.Finished]
):
    settings = replace(SETTINGS, folds_at_once=5)
    with jax.log_compiles(), progress(Console(quiet=True)) as stages:
        found = chunks.train(training(dataset, tmp_path, settings, PRIORS), stages)
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if line.startswith("Finished XLA compilation of jit(_epoch_of_all)")]) == 1
    assert [one.trial.algorithm for one in found[::8]] == [f"linear, {prior} prior" for prior in PRIORS]
    for own in (found[:8], found[8:16], found[16:]):  # the linear model looks at no prior
        np.testing.assert_array_equal(logits_of(own), logits_of(at_once))


def test_copies_are_trained_on_with_their_example_and_never_tested(dataset: Dataset):
    settings = replace(SETTINGS, augment=True)
    examples = with_copies(settings, dataset)
    assert len(examples.shown) > len(dataset.clip)
    np.testing.assert_array_equal(examples.store.flow[: len(dataset.clip)], dataset.examples.flow)
    np.testing.assert_array_equal(examples.store.emotion, np.asarray(dataset.examples.emotion)[examples.shown])
    copy = len(dataset.clip)
    assert not np.array_equal(examples.store.flow[copy], dataset.examples.flow[examples.shown[copy]])
    folds = leave_one_subject_out(dataset.subject)
    for fold in folds:
        trial = trials.Trial("a", 0, 0, fold, published())
        data = trials.trial_data([trial], examples.shown, 0)
        rows = np.asarray(data.train.examples[0, 0])[np.asarray(data.train.mask[0, 0]) > 0]
        assert set(examples.shown[rows]) == set(fold.train)
        assert (rows >= copy).sum() == np.isin(examples.shown[copy:], fold.train).sum()
        assert np.asarray(data.test.examples).max() < copy


def test_idle_trials_that_fill_a_chunk_up_train_nothing(dataset: Dataset, tmp_path: Path):
    one = training(dataset, tmp_path)
    data = one.data(one.trials[:2], 3)
    program = compiled(SETTINGS, one.recognition, one.examples.store, one.examples.label, data)
    start = program.init(data)
    before = np.array(start.training.clients.params)
    after, counts = program.epoch(start, data, jnp.float32(0))
    assert counts["num_examples"].tolist() == [28.0, 28.0, 0.0]
    np.testing.assert_array_equal(after.training.clients.params[2], before[2])
    assert not np.array_equal(after.training.clients.params[1], before[1])


def test_the_ratio_decays_from_one_and_starts_again_with_each_chunk():
    decay = chunks.ratio_of(replace(SETTINGS, prior_schedule="decay", au="finetuned", epochs=4))
    assert [round(float(decay(epoch)), 4) for epoch in range(4)] == [1.0, 0.75, 0.375, 0.0938]
    constant = chunks.ratio_of(SETTINGS)
    assert float(constant(0)) == float(constant(2)) == pytest.approx(0.3)


def test_memory_for_one_fold_is_enough_and_chunks_are_equal(dataset: Dataset, tmp_path: Path):
    one = training(dataset, tmp_path, replace(SETTINGS, folds_at_once=5))
    assert [len(chunk) for chunk in one.chunks()] == [4, 4]
    context = Context(one.examples.store, published(), jnp.float32(0))
    assert chunks.trials_at_once(SETTINGS, one.recognition, context, 8) == 8
