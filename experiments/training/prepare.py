"""From settings to trainings: the same for the command that trains and for those that read its run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from data.dataset import Dataset
from experiments.inputs.corpus import Corpus, join
from experiments.inputs.databases import load_databases
from experiments.inputs.detectors import PretrainedDetectors
from experiments.inputs.joining import joined
from experiments.inputs.prior_files import keep_priors
from experiments.inputs.priors import annotations_of
from experiments.inputs.settings import FedSettings, PretrainSettings, RecognitionSettings, RunSettings
from experiments.inputs.shifts import shifted
from experiments.inputs.splits import client_names, splits_of
from experiments.inputs.sweep import data_points
from experiments.results import schema
from experiments.results.privacy import FILE
from experiments.run.facts import write_facts
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training.data import RunData, once
from experiments.training.detectors import DetectorSource, detector_source
from experiments.training.plan import Group, Training
from experiments.training.privacy import detector_in_words, privacy_table
from experiments.training.rows import Table, joined_tables, table_of
from experiments.training.store import Rows, rows_of, with_rotated_copies
from fedpsyau_jax.splits import NOBODY, Origins, Split, refuse_leaks

ROTATED_COPIES = 2**31 - 1
"""Folded into the key of the seed for the angles of rotated copies, which are data of the whole run; no repeat has this
number."""


@dataclass(frozen=True)
class Prepared:
    """Everything that a run trains, and on what.

    Attributes:
      settings: of the run.
      data: what its rows are trained and tested on: one for each value of a sweep over classes or clients.
      table: rows of the table and their trainings.
      source: where the pretrained detectors come from.
    """

    settings: RunSettings
    data: tuple[RunData, ...]
    table: Table
    source: DetectorSource

    def data_of(self, own: Group | Training) -> RunData:
        """What a training, or all of a group, is trained and tested on."""
        return self.data[own.data]

    @property
    def datasets(self) -> list[Dataset]:
        """The databases, once for each set of classes."""
        return once([data.datasets for data in self.data])

    @property
    def class_names(self) -> list[str]:
        """Names of the emotion classes of all rows; empty in a pretraining."""
        return schema.merged([data.class_names for data in self.data])

    @property
    def au_names(self) -> tuple[str, ...]:
        """Names of the action units."""
        return self.datasets[0].au_names

    @property
    def part(self) -> str:
        """What the scores of a repeat are pooled over: "client" or "fold"."""
        return "client" if isinstance(self.settings, FedSettings) else "fold"

    @property
    def unit(self) -> str:
        """What a step of training is called: "round" or "epoch"."""
        return "round" if isinstance(self.settings, FedSettings) else "epoch"


def prepare(
    settings: RecognitionSettings,
    au_init: PretrainedDetectors | None,
    data_dir: Path | None,
    copies: Sequence[str],
    stages: Stages,
) -> Prepared:
    """Load and split the data, compute the priors, and check for leaks.

    Raises:
      ValueError, OSError: the data cannot be loaded, or information on held-out examples would leak into training.
    """
    return prepare_on(load_databases(settings, data_dir, copies, stages), settings, au_init, data_dir, stages)


def prepare_on(
    loaded: Sequence[Sequence[Dataset]],
    settings: RecognitionSettings,
    au_init: PretrainedDetectors | None,
    data_dir: Path | None,
    stages: Stages,
    *,
    only_read: bool = False,
) -> Prepared:
    """As ``prepare``, with databases that are already loaded: those of each of ``data_points``.

    ``only_read``: see ``load_databases``.
    """
    examples = {id(datasets): _examples(settings, datasets) for datasets in loaded}
    data = tuple(
        RunData(own, values, datasets, corpus, splits_of(own, corpus), rows)
        for (values, own), datasets in zip(data_points(settings), loaded, strict=True)
        for corpus, rows in [examples[id(datasets)]]
    )
    tables = [table_of(one.settings, one.repeats, annotations_of(one.dataset), one.rows.shown) for one in data]
    names = list(dict.fromkeys(one.database for one in loaded[0]))
    source = detector_source(settings, names, au_init, data_dir, stages, only_read=only_read)
    by_subject = not isinstance(settings, FedSettings) or settings.split == "subjects"
    for one, table in zip(data, tables, strict=True):
        _refuse_leaks(one, table, source.subjects, by_subject=by_subject)
    return Prepared(settings, data, joined_tables(tables), source)


def _examples(settings: RecognitionSettings, datasets: Sequence[Dataset]) -> tuple[Dataset, Rows]:
    """Several databases, or shifts of labs, as one, and the rows of the store."""
    of_labs = isinstance(settings, FedSettings) and settings.labs is not None
    dataset = shifted(datasets) if of_labs and len(datasets) > 1 else joined(datasets)
    rows = rows_of(dataset.examples)
    if settings.augment:
        rows = with_rotated_copies(
            rows, dataset.class_names, jax.random.fold_in(jax.random.key(settings.seed), ROTATED_COPIES)
        )
    return dataset, rows


def prepare_pretraining(
    settings: PretrainSettings, datasets: Sequence[Dataset], divide: Callable[[Corpus], list[list[Split]]]
) -> Prepared:
    """As ``prepare``, for a pretraining of AU detectors."""
    corpus = join(list(datasets))
    data = RunData(settings, {}, datasets, corpus, divide(corpus), rows_of(corpus.examples))
    table = table_of(settings, data.repeats, annotations_of(corpus), data.rows.shown)
    _refuse_leaks(data, table, ())
    return Prepared(settings, (data,), table, DetectorSource((), lambda *_: {}))


def record_inputs(folder: RunFolder, prepared: Prepared, extra: dict[str, pd.DataFrame] | None = None) -> None:
    """Record everything that the run depends on; in a resumed run, check that it has not changed.

    Raises:
      ValueError: data, splits, rows or priors are not those of the interrupted run.
    """
    trainings = prepared.table.trainings
    keep_priors(folder, [(f"{one.row}, repeat {one.repeat}", one.priors) for one in trainings])
    facts: dict[str, Any] = {
        "databases": [facts_of(one) for one in prepared.datasets],
        "part": prepared.part,
        "unit": prepared.unit,
        "scored": prepared.table.groups[0].recipe.scored,
    }
    tables = {"rows.csv": rows_table(prepared.table), "splits.csv": splits_table(prepared)}
    if isinstance(prepared.settings, FedSettings) and prepared.settings.dp:
        tables[FILE] = _privacy(prepared)
    write_facts(folder, facts, tables | (extra or {}))


def _privacy(prepared: Prepared) -> pd.DataFrame:
    """Content of privacy.csv."""
    source, rows = prepared.source, {row.title: row for row in prepared.table.rows}
    inside = {str(name) for data in prepared.data for name in data.corpus.subject} & set(source.subjects)
    detector = detector_in_words(source.num_pretrained, source.databases, len(inside))
    trainings = (
        (row.settings, row.name, one)
        for one in prepared.table.trainings
        for row in [rows[one.row]]
        if isinstance(row.settings, FedSettings)
    )
    return privacy_table(trainings, detector)


def facts_of(dataset: Dataset) -> dict[str, Any]:
    """The facts about a dataset in data.json."""
    return schema.data_facts(
        dataset.name,
        dataset.subject.tolist(),
        np.asarray(dataset.examples.emotion),
        dataset.class_names,
        dataset.au_names,
        synthetic=dataset.synthetic,
        fingerprint=dataset.fingerprint,
        drops=dataset.metadata.get("dropped", []),
    )


def rows_table(table: Table) -> pd.DataFrame:
    """Content of rows.csv."""
    options = list(dict.fromkeys(option for row in table.rows for option in row.values))
    return pd.DataFrame(
        [
            {
                "algorithm": row.title,
                "name": row.name,
                "prior": row.settings.network.prior[0],
                "variant": row.settings.network.variant,
                **{option: row.values.get(option, "") for option in options},
            }
            for row in table.rows
        ]
    )


def splits_table(prepared: Prepared) -> pd.DataFrame:
    """Content of splits.csv."""
    return pd.DataFrame(
        [
            schema.split_row(
                {**data.values, "repeat": repeat, "fold": split.name, "client": name},
                list(client.subjects),
                labels[client.train],
                labels[client.validation],
                labels[client.test],
                data.class_names,
            )
            for data in prepared.data
            for labels in [np.asarray(data.corpus.examples.emotion)]
            for repeat, splits in enumerate(data.repeats)
            for split in splits
            for name, client in zip(client_names(split), split.clients, strict=True)
        ]
    )


def _refuse_leaks(
    data: RunData,
    table: Table,
    pretraining_subjects: Sequence[str],
    *,
    by_subject: bool = True,
) -> None:
    corpus, splits = data.corpus, [split for splits in data.repeats for split in splits]
    places = {
        id(split): (repeat, number) for repeat, own in enumerate(data.repeats) for number, split in enumerate(own)
    }
    statistics = {}
    for row in table.rows:
        seen = {(one.repeat, one.number): one.prior_rows for one in table.trainings if one.row == row.title}
        statistics[f"the prior of {row.title}"] = [seen.get(places[id(split)], NOBODY) for split in splits]
    origins = Origins(
        corpus.subject,
        corpus.clip,
        np.asarray(corpus.examples.flow),
        statistics=statistics,
        pretraining_subjects=pretraining_subjects,
        split_by_subject=by_subject,
    )
    if len(splits) > len(data.repeats):
        refuse_leaks(splits, origins, part="fold")
    else:
        named = [split._replace(name=str(repeat)) for repeat, split in enumerate(splits)]
        refuse_leaks(named, origins, part="repeat")
