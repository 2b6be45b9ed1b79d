"""Laws of the training loop: how trainings are cut into chunks, interrupted or selected changes no number."""

import re
from dataclasses import replace

import engine_on_random_data
import jax
import numpy as np
import pytest
from engine_on_random_data import DATA, cross_validation, federation, noise, random_store, table
from toy_task import toy_task

from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training import chunks
from experiments.training.loop import Job, train
from experiments.training.program import compile_program
from experiments.training.shapes import job_arrays_like
from fedpsyau_jax.federated import in_groups, vectorised
from fedpsyau_jax.metrics import uf1
from fedpsyau_jax.splits import Split, k_fold, single_client, split_clients, with_validation

pytestmark = pytest.mark.slow

ROUNDING = 1e-6
PROGRAMS = {}
PROGRAMS = {}


class Silent:
    def start(self, stage): ...
    def update(self, stage): ...
    def stop(self, stage, *, finished): ...


STAGES = Stages(Silent(), clock=lambda: 0.0)


def folds(repeats, validated=False):
    labels = np.asarray(DATA.examples.emotion)
    found = [k_fold(DATA.subject, labels, 4, np.random.default_rng(repeat)) for repeat in range(repeats)]
    if not validated:
        return found
    return [[with_validation(f, DATA.subject, labels, 0.3, np.random.default_rng(0)) for f in own] for own in found]


def clients(repeats, number=2):
    return [
        [Split("all", tuple(split_clients(DATA.subject, number, 0.7, np.random.default_rng(repeat))))]
        for repeat in range(repeats)
    ]


def folder_at(path, settings):
    path.mkdir()
    folder = RunFolder(path)
    folder.write_json("config.json", {"settings": repr(settings)})
    return folder


def job_of(settings, repeats, path=None, title=None):
    rows = noise()
    (group,) = table(settings, repeats, rows).groups
    store = random_store(group, rows, np.float32)

    def program(size):
        like = job_arrays_like(group, size, rows.shown, settings.seed)
        key = (group.recipe, str(jax.tree.structure(like)), str(jax.tree.leaves(like)))
        if key not in PROGRAMS:
            PROGRAMS[key] = compile_program(group.recipe, toy_task(), store, like, settings.devices)
        return PROGRAMS[key]

    kept = {}
    wanted = frozenset((place, client) for place in range(len(group.trainings)) for client in range(group.num_clients))
    job = Job(
        settings, group, toy_task(), store, rows.shown, program, "round", "training",
        folder_at(path, settings) if path else None, lambda *own: kept.update({own[:2]: own[2]}), wanted,
    )  # fmt: skip
    return job, kept


def outcome_of(settings, repeats, path=None):
    job, kept = job_of(settings, repeats, path)
    outcome = train(job, STAGES)
    assert outcome.ended
    return {(one.training.row, one.training.repeat, one.training.number): one for one in outcome.trained}, kept


def assert_same(one, other, rounding=0.0):
    """The same predictions bit for bit; sums of losses may be rounded otherwise where the program is another one."""
    for key in one:
        for name in one[key].history:
            np.testing.assert_allclose(
                one[key].history[name], other[key].history[name], rounding, err_msg=f"{key} {name}"
            )
        jax.tree.map(np.testing.assert_array_equal, one[key].logits, other[key].logits)


SETTINGS = {
    "fed": (federation(True, epochs=3, algorithms=("local", "fedavg", "p-fedprox")), clients(2)),
    "mer": (cross_validation("scratch", epochs=3), folds(2)),
    "selected": (cross_validation("scratch", epochs=4, validation_share=0.3, select=True), folds(1, validated=True)),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_one_chunk_is_as_many_chunks(tmp_path, name):
    settings, repeats = SETTINGS[name]
    whole, networks = outcome_of(settings, repeats, tmp_path / "whole")
    for at_once in (2, 3):
        parts, own = outcome_of(replace(settings, at_once=at_once), repeats, tmp_path / str(at_once))
        assert_same(whole, parts, ROUNDING)
        jax.tree.map(np.testing.assert_array_equal, networks, own)


def test_rows_alone_are_as_rows_together():
    settings, repeats = SETTINGS["fed"]
    together, _ = outcome_of(settings, repeats)
    for name in settings.algorithms:
        alone, _ = outcome_of(replace(settings, algorithms=(name,)), repeats)
        assert_same(alone, together, ROUNDING)


def test_swept_values_are_rows_of_one_program():
    settings, repeats = SETTINGS["fed"]
    swept = replace(settings, algorithms=("fedavg", "fedprox"), sweep=("mu=0.1,1", "learning-rate=0.001,0.01"))
    together, _ = outcome_of(swept, repeats)
    titles = dict.fromkeys(row for row, _, _ in together)
    assert len(titles) == 2 + 4  # FedAvg does not depend on mu
    one, _ = outcome_of(replace(settings, algorithms=("fedprox",), mu=(1.0,), learning_rate=0.01), repeats)
    found = {
        ("FedProx", *key[1:]): own for key, own in together.items() if key[0] == "FedProx, mu 1, learning-rate 0.01"
    }
    assert found.keys() == one.keys()
    assert_same(one, found, ROUNDING)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("at_once", [None, 3])
def test_resumed_is_as_not_resumed(tmp_path, name, at_once):
    settings, repeats = SETTINGS[name]
    settings = replace(settings, at_once=at_once, checkpoint_seconds=0.0)
    whole, networks = outcome_of(settings, repeats, tmp_path / "whole")
    job, kept = job_of(settings, repeats, tmp_path / "killed")
    clock = iter(range(10**6))
    stages = Stages(Silent(), clock=lambda: float(next(clock)))
    for after in (2, 1, 2):
        reports = iter(range(after))

        def report(trained, reports=reports):
            if next(reports, None) is None:
                raise Stopped

        try:
            outcome = train(job, stages, report)
        except Stopped:
            continue
    outcome = train(job, stages)
    again = {(one.training.row, one.training.repeat, one.training.number): one for one in outcome.trained}
    assert outcome.ended
    assert_same(whole, again)
    jax.tree.map(np.testing.assert_array_equal, networks, kept)


def test_a_training_follows_its_seed_repeat_and_split_alone():
    settings, repeats = SETTINGS["mer"]
    some, _ = outcome_of(settings, repeats)
    other, _ = outcome_of(replace(settings, seed=settings.seed + 1), [repeats[1], repeats[0]])
    first = next(iter(some))
    same_split = (first[0], 1, first[2])
    assert not np.array_equal(some[first].history["loss_sum"], other[same_split].history["loss_sum"])


def test_a_selected_round_is_tested_instead_of_the_last():
    settings, repeats = SETTINGS["selected"]
    selected, _ = outcome_of(settings, repeats)
    last, _ = outcome_of(replace(settings, select=False), repeats)
    for key, one in selected.items():
        best = np.argmax(np.nan_to_num(uf1(one.history["confusion"].sum(axis=1))))
        same = np.allclose(one.logits[0]["emotion"], last[key].logits[0]["emotion"], atol=1e-5)
        assert same == (best == settings.epochs - 1)


def test_a_selected_round_never_sees_the_test_examples(monkeypatch):
    settings, repeats = SETTINGS["selected"]
    selected, _ = outcome_of(settings, repeats)
    hidden = repeats[0][0].test
    garbled = np.array(DATA.examples.emotion)
    garbled[hidden] = (garbled[hidden] + 1) % 7
    monkeypatch.setattr(engine_on_random_data, "DATA", replace(DATA, examples=DATA.examples._replace(emotion=garbled)))
    again, _ = outcome_of(settings, repeats)
    first = next(iter(selected))
    np.testing.assert_array_equal(selected[first].logits[0]["emotion"], again[first].logits[0]["emotion"])


@pytest.mark.parametrize("on_one_device", [vectorised, in_groups(2)])
def test_all_at_once_agree_with_one_after_another(on_one_device):
    settings, repeats = SETTINGS["fed"]
    _, kept = outcome_of(settings, repeats)
    job, at_once = job_of(settings, repeats)

    def program(size):
        like = job_arrays_like(job.group, size, job.shown, settings.seed)
        return compile_program(job.group.recipe, toy_task(), job.store, like, on_one_device=on_one_device)

    assert train(replace(job, program=program), STAGES).ended
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), kept, at_once)


def test_chunks_are_equal_and_a_resumed_run_keeps_their_size(tmp_path):
    settings, repeats = SETTINGS["mer"]
    job, _ = job_of(replace(settings, at_once=5), repeats, tmp_path / "run")
    sizes = [
        chunks.size_of_chunks(own, job.group, job.task, job.store, job.shown, None) for own in (job.settings, settings)
    ]
    assert sizes == [4, 8]  # 8 trainings: two chunks, or all
    train(job, STAGES)
    (tmp_path / "run" / "finished" / "0-1.npz").unlink()
    again = train(replace(job, settings=settings), STAGES)
    assert again.ended
    assert len(list((tmp_path / "run" / "finished").glob("*.npz"))) == 2


def test_a_loss_that_is_not_finite_names_row_fold_and_epoch(tmp_path):
    settings, repeats = SETTINGS["mer"]
    job, _ = job_of(replace(settings, learning_rate=float("inf")), repeats, tmp_path / "run")
    outcome = train(job, STAGES)
    assert not outcome.ended
    assert re.match(
        r"a loss, weight or prediction of AU module from scratch, repeat 0, fold 0, was not finite in round 1;",
        outcome.problem,
    )


def test_idle_trainings_change_nothing():
    settings, _ = SETTINGS["mer"]
    small = [[single_client("0", np.arange(0, 20), np.arange(20, 32))]]
    one, _ = outcome_of(settings, small)
    padded, _ = outcome_of(replace(settings, at_once=1), small)
    assert_same(one, padded, ROUNDING)
