"""Splits: assign the subjects of a database to clients or folds, and to training, validation and test."""

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import numpy as np

from data.dataset import Dataset, sites_of
from experiments.inputs.checks import check_num_mu
from experiments.inputs.corpus import Corpus
from experiments.inputs.corpus import split as corpus_split
from experiments.inputs.joining import database_of_site
from experiments.inputs.partitions import LABS, least_of, partition_named
from experiments.inputs.settings import (
    COMPOSITE,
    CrossValidationSettings,
    FedSettings,
    PretrainSettings,
    RecognitionSettings,
)
from experiments.inputs.shifts import shift_and_lab, split_name
from fedpsyau_jax.splits import (
    Client,
    Split,
    by_example,
    by_subject,
    generator,
    k_fold,
    leave_one_subject_out,
    split_clients,
    split_groups,
    with_validation,
    within,
)
from fedpsyau_jax.types import Int, PRNGKeyArray

DIVISIONS = {"subjects": by_subject, "examples": by_example}
EVERYBODY = "all"
"""Name of the only split of a repeat of a federation, and of the only client of a fold."""
SPLITS = 0
"""Folded into the key of a repeat for its splits."""


class Seeded(Protocol):
    """Settings with a seed."""

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""


def split_generator(settings: Seeded, repeat: int) -> np.random.Generator:
    """The random generator of a repeat's splits; no other seed, repeat or purpose shares it."""
    return generator(split_key(settings.seed, repeat))


def split_key(seed: int, repeat: int) -> PRNGKeyArray:
    """The key of a repeat's splits."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), repeat), SPLITS)


def splits_of(settings: RecognitionSettings, dataset: Dataset) -> list[list[Split]]:
    """[repeats][splits] of the examples with an emotion, with validation if the settings ask for it.

    Raises:
      ValueError: there are too few examples or subjects.
    """
    labelled = np.flatnonzero(dataset.examples.emotion >= 0)
    if not len(labelled):
        raise ValueError(f"{dataset.name} has no example with an emotion, so there is nothing to recognise")
    if not isinstance(settings, FedSettings) or settings.labs is None:
        return _repeats(settings, dataset, labelled)
    of_each, _ = shift_and_lab(sites_of(dataset)[labelled])
    shifts = dict.fromkeys(of_each.tolist())
    if len(shifts) == 1:
        return _repeats(settings, dataset, labelled)
    apart = [_repeats(settings, dataset, labelled[of_each == shift]) for shift in shifts]
    return [
        [split._replace(name=split_name(shift)) for shift, (split,) in zip(shifts, splits, strict=True)]
        for splits in zip(*apart, strict=True)
    ]


def _repeats(settings: RecognitionSettings, dataset: Dataset, labelled: Int[np.ndarray, "rows"]) -> list[list[Split]]:
    """[repeats][splits] of some rows of a dataset."""
    subjects, labels = dataset.subject[labelled], np.asarray(dataset.examples.emotion)[labelled]
    sites = sites_of(dataset)[labelled]
    repeats = []
    for repeat in range(settings.repeats):
        numbers = split_generator(settings, repeat)
        splits = _splits(settings, subjects, labels, sites, numbers)
        if settings.validation_share:
            splits = [with_validation(one, subjects, labels, settings.validation_share, numbers) for one in splits]
        repeats.append([within(one, labelled) for one in splits])
    return repeats


def _splits(
    settings: RecognitionSettings,
    subjects: np.ndarray,
    labels: np.ndarray,
    sites: np.ndarray,
    numbers: np.random.Generator,
) -> list[Split]:
    if isinstance(settings, FedSettings):
        clients = _clients(settings, subjects, labels, sites, numbers)
        check_num_mu(settings, len(clients))
        return [Split(EVERYBODY, tuple(clients))]
    assert isinstance(settings, CrossValidationSettings)
    if settings.protocol in ("loso", COMPOSITE):
        return leave_one_subject_out(subjects)
    return k_fold(subjects, labels, settings.folds, numbers)


def _clients(
    settings: FedSettings,
    subjects: np.ndarray,
    labels: np.ndarray,
    sites: np.ndarray,
    numbers: np.random.Generator,
) -> list[Client]:
    rule = settings.train_share, numbers, DIVISIONS[settings.split]
    how: dict[str, Any] = {
        "partition": partition_named(settings.partition),
        "labels": labels,
        "least": least_of(settings),
    }
    if settings.labs is not None:
        _, groups = shift_and_lab(sites)
        names = np.unique(groups).tolist()
    elif settings.partition == LABS:
        groups, names = sites, np.unique(sites).tolist()
        _check_places(settings, names)
    elif settings.client_by == "subject":
        assert settings.num_clients is not None
        return split_clients(subjects, settings.num_clients, *rule, **how)
    elif settings.client_by == "database":
        groups = database_of_site(sites)
        names = list(dict.fromkeys(groups.tolist()))
    else:
        groups, names = sites, np.unique(sites).tolist()
        _check_subsets(settings, names)
    each = (settings.num_clients or len(names)) // len(names)
    return split_groups(subjects, groups, names, each, *rule, **how)


def _check_places(settings: FedSettings, names: Sequence[str]) -> None:
    if len(names) == 1:
        raise ValueError(
            f"--partition=labs: all of {' and '.join(settings.database)} was recorded in one place; choose another "
            "partition, or make labs with --labs=3"
        )
    _check_multiple(settings, names)


def _check_subsets(settings: FedSettings, names: Sequence[str]) -> None:
    if len(names) <= len(settings.database):
        raise ValueError(
            f"--client-by=subset: there are no subsets of {' and '.join(settings.database)}, as there are of dfme; "
            "choose --client-by=subject, or database for several"
        )
    _check_multiple(settings, names)


def _check_multiple(settings: FedSettings, names: Sequence[str]) -> None:
    if settings.num_clients is not None and settings.num_clients % len(names):
        raise ValueError(
            f"--clients={settings.num_clients}: each of {', '.join(names)} is split among equally many clients, so "
            f"give a multiple of {len(names)}"
        )


def pretraining_splits(settings: PretrainSettings, corpus: Corpus) -> list[list[Split]]:
    """[repeats][1 split] of AU-labelled examples: in each database whole subjects are held out for validation.

    Raises:
      ValueError: a database has only one subject.
    """
    draws = (split_generator(settings, repeat) for repeat in range(settings.repeats))
    return [[corpus_split(corpus, settings.validation_share, numbers, "validation")] for numbers in draws]


def client_names(split: Split) -> list[str]:
    """Names of the clients of a split in tables: their own, else their numbers."""
    if len(split.clients) == 1 and split.name != EVERYBODY:
        return [EVERYBODY]
    return [client.name or str(number) for number, client in enumerate(split.clients)]


def cautions_of_clients(repeats: Sequence[Sequence[Split]], dataset: Dataset) -> list[str]:
    """Warnings about clients that lack a class or have few training examples."""
    emotion = np.asarray(dataset.examples.emotion)
    lacking, small = [], []
    everywhere = [(repeat, split) for repeat, splits in enumerate(repeats) for split in splits]
    for repeat, split in everywhere:
        shift = "" if split.name == EVERYBODY else f", {split.name}"
        for name_of_client, client in zip(client_names(split), split.clients, strict=True):
            where = f"(repeat {repeat}, client {name_of_client}{shift})"
            counts = np.bincount(emotion[client.train], minlength=len(dataset.class_names))
            if missing := [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]:
                lacking.append(f"{' and '.join(missing)} {where}")
            if len(client.train) < 2 * len(dataset.class_names):
                small.append(f"{len(client.train)} {where}")
    sentences = []
    if lacking:
        sentences.append(f"clients without a class in their training examples: {'; '.join(lacking)}.")
    if small:
        sentences.append(f"clients with few training examples: {'; '.join(small)}.")
    return sentences
