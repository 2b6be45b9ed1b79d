"""What fits into memory: how many trainings a program holds at a time, and how many of their clients train at once."""

import jax
import numpy as np
import psutil

from experiments.inputs.settings import RunSettings
from experiments.training.plan import Group
from experiments.training.plan import arrays as arrays_of
from experiments.training.program import initial_state, num_bytes
from experiments.training.store import Store
from experiments.training.task import Task
from fedpsyau_jax.types import Int

SHARE = 0.5
"""Of the free memory, for training, unless ``--max-memory`` says how much."""
ACTIVATION_BYTES = {"frozen": 1.5e6, "finetuned": 1.2e7, "scratch": 1.2e7, "detection": 1.2e7}
"""Approximate working memory of training, in bytes per example of a batch."""


def trainings_that_fit(
    settings: RunSettings, group: Group, task: Task, store: Store, shown: Int[np.ndarray, "rows"]
) -> int:
    """Trainings of a group that a program can hold; at least 1."""
    state = _bytes_of_states(state_bytes(settings, group, task, store, shown))
    return max(int(allowed(settings) / (state + _clients_training(group) * _bytes_of_client(group))), 1)


def clients_at_once(
    settings: RunSettings, group: Group, task: Task, store: Store, shown: Int[np.ndarray, "rows"]
) -> int | None:
    """How many clients of a training to train at once, at least 1; None for the usual way.

    A CPU trains one after another, and an accelerator all at once, or as many as fit beside the states.
    """
    if _on_cpu():
        return None
    room = allowed(settings) - _bytes_of_states(state_bytes(settings, group, task, store, shown))
    size = max(int(room / _bytes_of_client(group)), 1)
    return size if size < group.num_clients else None


def least(one_state: int, group: Group) -> float:
    """Bytes that a training needs at least: its states, and the work of one client."""
    return _bytes_of_states(one_state) + _bytes_of_client(group)


def allowed(settings: RunSettings) -> float:
    """Bytes that training may take: as chosen, or half of what is free."""
    return SHARE * memory() if settings.max_memory is None else 1e9 * settings.max_memory


def state_bytes(settings: RunSettings, group: Group, task: Task, store: Store, shown: Int[np.ndarray, "rows"]) -> int:
    """Bytes of the state of one training."""
    one = jax.tree.map(lambda leaf: leaf[0], arrays_of(group, [0], 1, shown, settings.seed))
    state = jax.eval_shape(lambda *given: initial_state(group.recipe, task, *given), store, one)
    return num_bytes(state)


def memory() -> float:
    """Bytes of memory of the device, or what no process of the machine uses if the device does not report it."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit") or psutil.virtual_memory().available


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _bytes_of_states(one: int) -> float:
    """Before and after a round; on an accelerator also what they are mixed and vectorised into."""
    return (2.0 if _on_cpu() else 4.0) * one


def _bytes_of_client(group: Group) -> float:
    """Of the examples of a batch, while a client trains on it; little beside the states on a CPU."""
    return 0.0 if _on_cpu() else group.recipe.batch * ACTIVATION_BYTES[group.au]


def _clients_training(group: Group) -> int:
    return 1 if _on_cpu() else group.num_clients
