"""What fits into memory: fewer trainings, then fewer clients at once; what cannot be split is refused."""

from typing import Any

import numpy as np
import pytest
from engine_on_random_data import random_store
from test_shadows import prepared
from toy_task import toy_task

from experiments.training import memory
from experiments.training.budget import refuse_too_large
from experiments.training.memory import clients_at_once, least, state_bytes, trainings_that_fit

GIGABYTES = 1e9


def limited(max_memory: float | None, **more: Any) -> tuple[Any, ...]:
    """A federation of five clients in a program that may take so much, and what its size depends on."""
    run = prepared(clients=5, repeats=3, max_memory=max_memory, **more)
    (group,) = run.table.groups
    return run.settings, group, toy_task(), random_store(group, run.data[0].rows, np.float32), run.data[0].rows.shown


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_on_cpu", lambda: False)


def test_a_program_holds_the_trainings_that_may_take_the_memory() -> None:
    one = state_bytes(*limited(None))
    assert trainings_that_fit(*limited(2 * one * 2.5 / GIGABYTES)) == 2
    assert trainings_that_fit(*limited(one / GIGABYTES)) == 1
    assert clients_at_once(*limited(one / GIGABYTES)) is None


@pytest.mark.usefixtures("accelerator")
def test_on_an_accelerator_clients_train_in_groups_that_fit() -> None:
    settings, group, *rest = limited(None)
    state, work = 4 * state_bytes(settings, group, *rest), group.recipe.batch * memory.ACTIVATION_BYTES["frozen"]

    def at_once(clients: float) -> int | None:
        return clients_at_once(*limited((state + clients * work) / GIGABYTES))

    assert [at_once(number) for number in (0.5, 1.5, 4.5, 5.5)] == [1, 1, 4, None]
    assert trainings_that_fit(*limited(2.5 * (state + 5 * work) / GIGABYTES)) == 2
    assert least(state // 4, group) == state + work


def test_half_of_what_is_free_is_taken_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    given = limited(None)
    monkeypatch.setattr(memory, "memory", lambda: 2 * 3.5 * 2 * state_bytes(*given))
    assert trainings_that_fit(*given) == 3


def test_what_cannot_be_split_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory", lambda: 2e9)
    refuse_too_large(2e9, None)
    with pytest.raises(ValueError, match=r"takes at least 3\.0 GB of memory, but 2\.0 GB is free: use fewer clients"):
        refuse_too_large(3e9, None)
    with pytest.raises(ValueError, match=r"takes at least 3\.0 GB of memory, but --max-memory=1\.5 allows less"):
        refuse_too_large(3e9, 1.5)
