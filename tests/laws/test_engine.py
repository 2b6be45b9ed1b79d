"""Laws of the engine: what is one thing in the code gives the same numbers whichever command asks for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from engine_on_random_data import (
    SPLIT,
    cross_validation,
    federation,
    in_double,
    noise,
    random_store,
    table,
    task_in,
    train_one,
)

from experiments.training import task
from fedpsyau_jax.splits import Split

EVERYBODY = Split("all", SPLIT.clients)


@pytest.fixture
def in_float64(monkeypatch):
    jax.config.update("jax_enable_x64", True)
    for name in ("network", "emotion_classifier"):
        monkeypatch.setattr(task, name, in_double(getattr(task, name)))
    yield jnp.float64
    jax.config.update("jax_enable_x64", False)


def trained(settings, split, dtype):
    rows = noise()
    (group,) = table(settings, [[split]], rows).groups
    store = random_store(group, rows, dtype)
    state, logits = train_one(group, store, task_in(group, store))
    return jax.device_get((state.federation.clients, state.federation.memory, logits))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train_au", "au"), [(False, "frozen"), pytest.param(True, "finetuned", marks=pytest.mark.slow)]
)
def test_a_federation_of_one_client_is_a_fold(in_float64, train_au, au):
    federated = trained(federation(train_au, epochs=2), EVERYBODY, in_float64)
    fold = trained(cross_validation(au, epochs=2), SPLIT, in_float64)
    assert jax.tree.leaves(fold)[0].dtype == np.float64
    jax.tree.map(np.testing.assert_array_equal, federated, fold)
