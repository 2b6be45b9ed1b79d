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
from experiments.training.data import RunData
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
    sizes = [len(prepared.data_of(one.training).class_names) for one in current]

    def values(name: str, dimensions: int = 0) -> list[np.ndarray]:
        return [
            value
            for one, size in zip(current, sizes, strict=True)
            for nothing in [np.zeros((len(one.training.split.clients), *[size] * dimensions))]
            for value in (one.history[name][number] if name in one.history else nothing)
        ]

    return schema.round_rows(
        number + 1,
        keys,
        train_loss_sum=np.array(values("loss_sum")),
        num_train=np.array(values("num_examples")),
        loss_sum=np.array(values("scored_loss_sum")),
        confusion=values("confusion", 2),
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
        data = prepared.data_of(one.training)
        tests = (tests_of(prepared, one.training, client, logits) for client, logits in enumerate(one.logits))
        for keys, test, logits in chain.from_iterable(tests):
            if "emotion" in logits:
                emotions.append(emotion_rows(data, keys, test, logits["emotion"]))
            probabilities = sigmoid(logits["au"]) if "au" in logits else detected.of(one.training)[test]
            aus.append(au_rows(data, keys, test, probabilities))
    together = emotion_table(prepared, emotions) if emotions else None
    return together, pd.concat(aus, ignore_index=True)


def emotion_table(prepared: Prepared, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of predictions.csv together; the probability of a class that a row of the run does not have is empty."""
    together = pd.concat(tables, ignore_index=True)
    probabilities = [name for name in (f"p_{name}" for name in prepared.class_names) if name in together]
    return together[[*together.columns.difference(probabilities, sort=False), *probabilities]]


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
    original = prepared.data_of(training).repeats[training.repeat][training.number]
    everybody = training.split.clients[client_number]
    if len(original.clients) == len(training.split.clients):
        yield keys_of(training, client_number), everybody.test, logits
        return
    for name, client in zip(client_names(original), original.clients, strict=True):
        owned = np.flatnonzero(np.isin(everybody.test, client.test))
        picked = {key: values[owned] for key, values in logits.items()}
        yield keys_of(training, 0) | {"client": name}, everybody.test[owned], picked


def emotion_rows(data: RunData, keys: dict[str, Any], test: np.ndarray, logits: np.ndarray) -> pd.DataFrame:
    """Rows of predictions.csv of some test examples."""
    corpus = data.corpus
    labels = np.asarray(corpus.examples.emotion)[test]
    probabilities = softmax(logits.astype(np.float64), axis=-1)
    who = (keys | _origin(data, test), corpus.clip[test], corpus.subject[test])
    return schema.emotion_rows(*who, labels, probabilities, data.class_names)


def au_rows(data: RunData, keys: dict[str, Any], test: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Rows of au_predictions.csv of some test examples."""
    corpus = data.corpus
    labels, mask = (np.asarray(table)[test] for table in (corpus.examples.au, corpus.examples.au_mask))
    who = (keys | _origin(data, test), corpus.clip[test], corpus.subject[test])
    return schema.au_rows(*who, labels, mask, probabilities, data.datasets[0].au_names)


def _origin(data: RunData, test: np.ndarray) -> dict[str, np.ndarray]:
    """The column of predictions that says where an example is from, if there are several databases, or sites of one."""
    if not isinstance(data.corpus, Dataset):
        return {}
    sites = sites_of(data.corpus)
    if len({one.database for one in data.datasets}) > 1:
        return {"database": database_of_site(sites[test])}
    _, sites = shift_and_lab(sites)
    return {"site": sites[test]} if len(np.unique(sites)) > 1 else {}
