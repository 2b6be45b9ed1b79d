"""What the program of many folds is made of: an accelerator has no more operations to start than for a few."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.folds import Options, random_store
from experiments.inputs.mer_settings import MerSettings
from experiments.training import cross_validation
from experiments.training.recognition import Context, on_frozen_features
from experiments.training.trials import Trial, trial_data
from fedpsyau_jax.federated import AxisMap, sequential, vectorised
from fedpsyau_jax.priors import published
from fedpsyau_jax.splits.folds import leave_one_subject_out

FEW, MANY = 3, 13


def epoch_of(num_folds: int, over: AxisMap) -> str:
    """An epoch of so many folds, as StableHLO."""
    options, settings = Options(subjects=MANY, samples=52), MerSettings(batch=8)
    store = random_store(options)
    found = leave_one_subject_out(np.arange(options.samples) % options.subjects)
    trials = [Trial("frozen", 0, number, fold, published()) for number, fold in enumerate(found)]
    data = trial_data(trials[:num_folds], np.arange(options.samples), settings.seed, like=trials)
    recognition = on_frozen_features(settings, 3, Context(store, published(), jnp.float32(0)))
    states = jax.eval_shape(partial(cross_validation._initial_states, settings, recognition), store, data)
    epoch = jax.jit(partial(cross_validation._epoch_of_all, settings, recognition, over))
    return epoch.lower(states, store, store.emotion, data, jnp.float32(0)).as_text()


def operations(program: str) -> int:
    return len(re.findall(r"= \"?stablehlo\.", program))


def loops_over(count: int, program: str) -> int:
    """Loops that end after so many turns."""
    return len(re.findall(rf"stablehlo\.while.*\n\s*cond {{\n.*constant dense<{count}> : tensor<i32>", program))


def test_many_folds_at_once_are_as_many_operations_as_few_and_no_loop():
    program = epoch_of(MANY, vectorised)
    assert operations(program) == operations(epoch_of(FEW, vectorised))
    assert loops_over(MANY, program) == 0


@pytest.mark.slow
def test_one_after_another_folds_are_a_single_loop():
    assert loops_over(MANY, epoch_of(MANY, sequential)) == 1
