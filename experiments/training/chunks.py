"""Chunks: how many trainings a program holds at a time, and the stored results of finished chunks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from experiments.inputs.settings import RunSettings
from experiments.run import arrays as stored
from experiments.run.folder import RunFolder
from experiments.training.memory import trainings_that_fit
from experiments.training.parts import padded
from experiments.training.plan import Arrays, Group, Training
from experiments.training.plan import arrays as arrays_of
from experiments.training.store import Store
from experiments.training.task import Task
from fedpsyau_jax.types import Int

History = dict[str, np.ndarray]
"""Metrics of each round of a chunk, leaves [rounds, trainings, clients, ...]."""
OF_TESTED = ("confusion", "scored_loss_sum")
"""Those of tested models, leaves [rounds, trainings, clients, models, ...] where a client has several."""


class TrainingResult(NamedTuple):
    """A training and its results: ``history`` [rounds, clients, ...], and ``logits`` of each client's test examples."""

    training: Training
    history: History
    logits: list[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Chunk:
    """What a group trains together, by its places there (see ``Group.rows_of``)."""

    group: Group
    number: int
    places: range

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.group.name}-{self.number}"

    @property
    def identity(self) -> list[Any]:
        """Which trainings its arrays belong to, as JSON data."""
        trainings = [self.group.rows_of(place) for place in self.places]
        return [self.group.name, [[(one.row, one.repeat, one.split.name) for one in rows] for rows in trainings]]


def chunks_of(group: Group, size: int) -> list[Chunk]:
    """The trainings of a group in chunks, all of one size but the last."""
    starts = range(0, group.num_trained, size)
    return [
        Chunk(group, number, range(start, min(start + size, group.num_trained))) for number, start in enumerate(starts)
    ]


def size_of_chunks(
    settings: RunSettings,
    group: Group,
    task: Task,
    store: Store,
    shown: Int[np.ndarray, "rows"],
    folder: RunFolder | None,
    processes: int = 1,
) -> int:
    """Trainings per chunk: as chosen, or as many as fit into memory; chunks are of about equal size.

    A resumed run keeps its first size, because its files are numbered by chunk, and another machine may have more
    memory.
    """
    file = f"finished/{group.name}.json"
    if folder is None or not folder.has(file):
        size = _size(settings, group, task, store, shown, processes)
        if folder is None:
            return size
        folder.write_json(file, {"at_once": size})
    return _size_in(folder, file)


def _size(
    settings: RunSettings, group: Group, task: Task, store: Store, shown: Int[np.ndarray, "rows"], processes: int
) -> int:
    total = group.num_trained
    chosen = settings.at_once or trainings_that_fit(settings, group, task, store, shown)
    num_chunks = -(-total // min(chosen, total))
    return padded(-(-total // num_chunks), group.num_clients, settings.devices, processes)


def _size_in(folder: RunFolder, file: str) -> int:
    try:
        size = folder.read_facts(file, "at_once")["at_once"]
        if isinstance(size, int) and size > 0:
            return size
    except ValueError:
        pass
    raise ValueError(
        f"{folder.path / file} does not say how many trainings the program holds at once; delete it, and --resume "
        "chooses anew (what was trained in chunks of another size is trained again)"
    )


def write(folder: RunFolder, chunk: Chunk, history: History, logits: Mapping[str, np.ndarray]) -> None:
    """Store the results of a finished chunk."""
    arrays = {f"history_{name}": values for name, values in history.items()}
    arrays |= {f"logits_{name}": values for name, values in logits.items()}
    stored.write(folder, _file(chunk), chunk.identity, arrays)


def read(folder: RunFolder, chunk: Chunk) -> list[TrainingResult] | None:
    """The results of a finished chunk; None if it must be trained."""
    consequence = "it is trained again, with the same numbers"
    arrays = stored.read_or_discard(folder, _file(chunk), chunk.identity, consequence)
    if arrays is None:
        return None
    return split_by_training(chunk, _with_prefix(arrays, "history_"), _with_prefix(arrays, "logits_"))


def split_by_training(
    chunk: Chunk, history: Mapping[str, np.ndarray], logits: Mapping[str, np.ndarray]
) -> list[TrainingResult]:
    """The results of a chunk, separated by training: each has those of the model that its row tests."""
    return [
        _result(chunk.group, number, model, training, history, logits)
        for number, place in enumerate(chunk.places)
        for model, training in enumerate(chunk.group.rows_of(place))
    ]


def _result(
    group: Group,
    number: int,
    model: int,
    training: Training,
    history: Mapping[str, np.ndarray],
    logits: Mapping[str, np.ndarray],
) -> TrainingResult:
    def of_model(values: np.ndarray, axis: int) -> np.ndarray:
        return values if group.num_models == 1 else values.take(model, axis)

    rounds = {name: np.asarray(values)[:, number] for name, values in history.items()}
    tested = {name: of_model(np.asarray(values)[number], 1) for name, values in logits.items()}
    return TrainingResult(
        training,
        {name: of_model(values, 2) if name in OF_TESTED else values for name, values in rounds.items()},
        [
            {name: values[client, : len(owner.test)] for name, values in tested.items()}
            for client, owner in enumerate(training.split.clients)
        ],
    )


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def _file(chunk: Chunk) -> str:
    return f"finished/{chunk.name}.npz"


def chunk_arrays(chunk: Chunk, size: int, shown: Int[np.ndarray, "rows"], seed: int) -> Arrays:
    """The arrays of a chunk, padded to ``size``."""
    return arrays_of(chunk.group, chunk.places, size, shown, seed)


def empty_history(rounds: int, counts: Mapping[str, Any]) -> History:
    """A history of zeros for all rounds, with the metrics that are stored."""
    kept = ("loss_sum", "num_examples", "diverged", *OF_TESTED)
    return {name: np.zeros((rounds, *like.shape), like.dtype) for name, like in counts.items() if name in kept}


def record_round(history: History, counts: Mapping[str, Any], number: int) -> None:
    """Write the metrics of one round into a history, in place."""
    for name, values in history.items():
        values[number] = np.asarray(counts[name])
