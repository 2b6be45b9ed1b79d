"""What the program of many trainings is made of: an accelerator has no more operations to start than for a few."""

import re
from functools import partial

import jax
import numpy as np
import pytest

from benchmarks.random_trainings import group_of, random_dataset, random_store
from experiments.inputs.settings import FedSettings, MerSettings
from experiments.training import program
from experiments.training.plan import arrays
from experiments.training.shapes import task_of
from experiments.training.store import rows_of
from fedpsyau_jax.federated import AxisMap, sequential, vectorised
from fedpsyau_jax.splits import Split, leave_one_subject_out, split_clients

FEW, MANY = 3, 13
DATA = random_dataset(52, 3, MANY)


def epoch_of(num_folds: int, over: AxisMap) -> str:
    """An epoch of so many folds, as StableHLO."""
    group = group_of(MerSettings(batch=8, epochs=1), leave_one_subject_out(DATA.subject), DATA)
    rows = rows_of(DATA.examples)
    store = random_store(group, rows)
    task = task_of(group, 3, store)
    folds = arrays(group, range(num_folds), num_folds, rows.shown, 0)
    states = jax.eval_shape(partial(program._initial_states, group.recipe, task), store, folds)
    epoch = jax.jit(partial(program._round_of_all, group.recipe, task, over, over))
    return epoch.lower(states, store, folds).as_text()


def operations(text: str) -> int:
    return len(re.findall(r"= \"?stablehlo\.", text))


def loops_over(count: int, text: str) -> int:
    """Loops that end after so many turns."""
    return len(re.findall(rf"stablehlo\.while.*\n\s*cond {{\n.*constant dense<{count}> : tensor<i32>", text))


@pytest.mark.slow
def test_many_folds_at_once_are_as_many_operations_as_few_and_no_loop():
    text = epoch_of(MANY, vectorised)
    assert operations(text) == operations(epoch_of(FEW, vectorised))
    assert loops_over(MANY, text) == 0


@pytest.mark.slow
def test_one_after_another_folds_are_a_single_loop():
    assert loops_over(MANY, epoch_of(MANY, sequential)) == 1


@pytest.mark.slow
def test_a_training_sees_its_own_priors_and_ratio():
    group = group_of(MerSettings(batch=8, epochs=1), leave_one_subject_out(DATA.subject), DATA)
    rows = rows_of(DATA.examples)
    own = jax.tree.map(lambda leaf: leaf[1], arrays(group, range(3), 3, rows.shown, 0))
    context = program.context_of(random_store(group, rows), own, 5)
    np.testing.assert_allclose(context.priors.upper.statistics, group.trainings[1].priors.upper.statistics)
    assert context.ratio == own.numbers.ratio[0]


@pytest.mark.slow
def test_federated_rounds_compile_once_and_without_convolutions():
    """XLA runs a convolution inside a loop, or with a kernel for each client, many times slower than a product."""
    settings = FedSettings(clients=2, rounds=3, local_epochs=1, algorithms=("local", "fedavg"), repeats=1)
    split = Split("all", tuple(split_clients(DATA.subject, 2, 0.7, np.random.default_rng(0))))
    group = group_of(settings, [split], DATA)
    rows = rows_of(DATA.examples)
    store = random_store(group, rows)
    task = task_of(group, 3, store)
    own = arrays(group, range(2), 2, rows.shown, 0)
    state = jax.jit(partial(program._initial_states, group.recipe, task))(store, own)
    step = jax.jit(partial(program._round_of_all, group.recipe, task, sequential, sequential))
    text = step.lower(state, store, own).compile().as_text()
    operations = set(re.findall(r" ([a-z-]+)\(", text))
    assert {"while", "dot"} <= operations
    assert not {"convolution", "custom-call"} & operations
    for _ in range(3):
        state, metrics = step(state, store, own)
        assert np.isfinite(metrics["loss_sum"]).all()
    assert step._cache_size() == 1
    assert state.federation.round.tolist() == [3, 3]
