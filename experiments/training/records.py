"""The results of trainings as rows of the tables of a run."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit as sigmoid
from scipy.special import softmax

from data.dataset import Dataset, sites_of
from experiments.inputs.joining import database_of_site
from experiments.inputs.shifts import shift_and_lab
from experiments.inputs.splits import client_names
from experiments.results import schema
from experiments.run.folder import RunFolder
from experiments.training.chunks import TrainingResult
from experiments.training.plan import Training
from experiments.training.prepare import Prepared
from fedpsyau_jax.types import Int


class MetricsFile:
    """metrics.csv, rewritten after each round."""

    def __init__(self, folder: RunFolder, prepared: Prepared) -> None:
        """Start without any results; no file is written yet."""
        self.folder, self.prepared = folder, prepared
        self.finished: list[TrainingResult] = []
        self.known: dict[tuple[int, int], pd.DataFrame] = {}

    def write(self, current: Sequence[TrainingResult]) -> None:
        """Write the rounds of the finished trainings and of the current ones so far."""
        first = id(current[0].training)
        tables = []
        for number in range(len(current[0].history["loss_sum"])):
            if (first, number) not in self.known:
                self.known[first, number] = round_table(self.prepared, current, number)
            tables.append(self.known[first, number])
        before = [metrics_table(self.prepared, self.finished)] if self.finished else []
        self.folder.write_table("metrics.csv", pd.concat([*before, *tables], ignore_index=True))

    def add(self, trained: Sequence[TrainingResult]) -> None:
        """Add trainings that ended or were interrupted, and write the table."""
        self.finished += trained
        self.known.clear()
        if self.finished:
            self.folder.write_table("metrics.csv", metrics_table(self.prepared, self.finished))


def metrics_table(prepared: Prepared, trained: Sequence[TrainingResult]) -> pd.DataFrame:
    """Content of metrics.csv: a row for each round, training and client, and for each repeat the pooled ones."""
    order = {id(training): place for place, training in enumerate(prepared.table.trainings)}
    ordered = sorted(trained, key=lambda one: order[id(one.training)])
    last = max(len(one.history["loss_sum"]) for one in ordered)
    return pd.concat([round_table(prepared, ordered, number) for number in range(last)], ignore_index=True)


def round_table(prepared: Prepared, trained: Sequence[TrainingResult], number: int) -> pd.DataFrame:
    """Rows of metrics.csv of one round, from 0."""
    current = [one for one in trained if len(one.history["loss_sum"]) > number]
    keys = [keys_of(one.training, client) for one in current for client in range(len(one.training.split.clients))]
    num_classes = len(prepared.class_names)

    def values(name: str, shape: tuple[int, ...] = ()) -> np.ndarray:
        nothing = np.zeros((1, *shape))
        return np.concatenate(
            [
                one.history[name][number]
                if name in one.history
                else np.repeat(nothing, len(one.training.split.clients), axis=0)
                for one in current
            ]
        )

    return schema.round_rows(
        number + 1,
        keys,
        train_loss_sum=values("loss_sum"),
        num_train=values("num_examples"),
        loss_sum=values("scored_loss_sum"),
        confusion=values("confusion", (num_classes, num_classes)),
        scored=prepared.table.groups[0].recipe.scored,
    )


def keys_of(training: Training, client: int) -> dict[str, Any]:
    """The key columns of a client of a training."""
    keys = {"algorithm": training.row, "repeat": training.repeat, "fold": training.split.name}
    return keys | {"client": client_names(training.split)[client]}


def prediction_tables(
    prepared: Prepared, trained: Sequence[TrainingResult], au_probabilities: Mapping[str, np.ndarray]
) -> tuple[pd.DataFrame | None, pd.DataFrame]:
    """Content of predictions.csv (None in a pretraining) and of au_predictions.csv.

    Args:
      prepared: of the run.
      trained: trainings with their results, in the order of the table.
      au_probabilities: by name of the group, the outputs of its frozen detectors [detectors, rows, aus].
    """
    detected = _FrozenDetections(prepared, au_probabilities)
    emotions, aus = [], []
    for one in trained:
        tests = (tests_of(prepared, one.training, client, logits) for client, logits in enumerate(one.logits))
        for keys, test, logits in chain.from_iterable(tests):
            if "emotion" in logits:
                emotions.append(emotion_rows(prepared, keys, test, logits["emotion"]))
            probabilities = sigmoid(logits["au"]) if "au" in logits else detected.of(one.training)[test]
            aus.append(au_rows(prepared, keys, test, probabilities))
    together = pd.concat(emotions, ignore_index=True) if emotions else None
    return together, pd.concat(aus, ignore_index=True)


class _FrozenDetections:
    """AU probabilities of all examples from the frozen detector of each training."""

    def __init__(self, prepared: Prepared, probabilities: Mapping[str, np.ndarray]) -> None:
        self.places = {
            id(training): (group, place)
            for group in prepared.table.groups
            for place, training in enumerate(group.trainings)
        }
        self.probabilities = probabilities

    def of(self, training: Training) -> np.ndarray:
        """[rows, aus] the probabilities from a training's detector."""
        group, place = self.places[id(training)]
        probabilities: np.ndarray = self.probabilities[group.name][group.detector[place]]
        return probabilities


def tests_of(
    prepared: Prepared, training: Training, client_number: int, logits: dict[str, np.ndarray]
) -> Iterator[tuple[dict[str, Any], Int[np.ndarray, "examples"], dict[str, np.ndarray]]]:
    """A client's keys, test examples and their logits; if all clients train as one, separately for each owner.

    Args:
      prepared: of the run.
      training: the training.
      client_number: index of the client in the training.
      logits: of its test examples.
    """
    original = prepared.repeats[training.repeat][training.number]
    everybody = training.split.clients[client_number]
    if len(original.clients) == len(training.split.clients):
        yield keys_of(training, client_number), everybody.test, logits
        return
    for name, client in zip(client_names(original), original.clients, strict=True):
        owned = np.flatnonzero(np.isin(everybody.test, client.test))
        picked = {key: values[owned] for key, values in logits.items()}
        yield keys_of(training, 0) | {"client": name}, everybody.test[owned], picked


def emotion_rows(prepared: Prepared, keys: dict[str, Any], test: np.ndarray, logits: np.ndarray) -> pd.DataFrame:
    """Rows of predictions.csv of some test examples."""
    data = prepared.corpus
    labels = np.asarray(data.examples.emotion)[test]
    probabilities = softmax(logits.astype(np.float64), axis=-1)
    keys = keys | _origin(prepared, test)
    return schema.emotion_rows(keys, data.clip[test], data.subject[test], labels, probabilities, prepared.class_names)


def au_rows(prepared: Prepared, keys: dict[str, Any], test: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Rows of au_predictions.csv of some test examples."""
    data = prepared.corpus
    labels, mask = (np.asarray(table)[test] for table in (data.examples.au, data.examples.au_mask))
    who = (keys | _origin(prepared, test), data.clip[test], data.subject[test])
    return schema.au_rows(*who, labels, mask, probabilities, prepared.au_names)


def _origin(prepared: Prepared, test: np.ndarray) -> dict[str, np.ndarray]:
    """The column of predictions that says where an example is from, if there are several databases, or sites of one."""
    data = prepared.corpus
    if not isinstance(data, Dataset):
        return {}
    if len({one.database for one in prepared.datasets}) > 1:
        return {"database": database_of_site(sites_of(data)[test])}
    _, sites = shift_and_lab(sites_of(data))
    return {"site": sites[test]} if len(np.unique(sites)) > 1 else {}
