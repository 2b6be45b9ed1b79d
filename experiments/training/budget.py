"""The cost of a run, known before it trains: trainings, programs, memory and disk space."""

from typing import NamedTuple

from experiments.run.folder import RunFolder, require_space
from experiments.training import chunks, memory
from experiments.training.prepare import Prepared
from experiments.training.shapes import store_like, task_of


class Budget(NamedTuple):
    """The cost of a run.

    ``rows``, ``trainings``, ``programs``: their numbers; ``training_bytes``: the largest state of one training;
    ``checkpoint_bytes``: the largest checkpoint, which holds all trainings of a chunk.
    """

    rows: int
    trainings: int
    programs: int
    training_bytes: int
    checkpoint_bytes: int

    def __str__(self) -> str:
        """One sentence."""
        what = f"{_number(self.trainings, 'training')} of {_number(self.rows, 'row')}"
        where = f"in {_number(self.programs, 'program')}"
        return f"{what}, {where}; a checkpoint takes {self.checkpoint_bytes / 1e6:.0f} MB."


def budget_of(prepared: Prepared, folder: RunFolder, processes: int = 1) -> Budget:
    """The cost of a run, shared by so many processes.

    Raises:
      ValueError: a single training does not fit into memory.
      OSError: the disk does not have room for two checkpoints.
    """
    table, settings = prepared.table, prepared.settings
    largest, checkpoint, needed = 0, 0, 0.0
    for group in table.groups:
        data = prepared.data_of(group)
        store = store_like(group, data.rows)
        task = task_of(group, len(data.class_names), store)
        one = memory.state_bytes(settings, group, task, store, data.rows.shown)
        size = chunks.size_of_chunks(settings, group, task, store, data.rows.shown, folder, processes)
        largest, checkpoint = max(largest, one), max(checkpoint, one * size)
        needed = max(needed, memory.least(one, group))
    refuse_too_large(needed, settings.max_memory)
    if not folder.checkpoints.exists():
        require_space(folder, 2 * checkpoint, "two checkpoints of the training")
    return Budget(len(table.rows), table.num_trained, len(table.groups), largest, checkpoint)


def refuse_too_large(needed: float, max_memory: float | None) -> None:
    """Raise a ValueError if a single training takes more memory than there is, or than it may."""
    what = f"one training takes at least {needed / 1e9:.1f} GB of memory"
    if max_memory is not None and needed > 1e9 * max_memory:
        raise ValueError(
            f"{what}, but --max-memory={max_memory:g} allows less: use fewer clients or a larger --max-memory"
        )
    if max_memory is None and needed > (room := memory.memory()):
        raise ValueError(f"{what}, but {room / 1e9:.1f} GB is free: use fewer clients or a machine with more memory")


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"
