"""Folds of a cross-validation as values; the examples of a subject are never split."""

import warnings
from collections.abc import Sequence

import numpy as np

from fedpsyau_jax.splits.split import NOBODY, Client, Split, single_client
from fedpsyau_jax.types import Int

LARGEST_SEED = 2**32 - 1


def leave_one_subject_out(subjects: Sequence[str] | np.ndarray) -> list[Split]:
    """One fold per subject, named after its test subject.

    Args:
        subjects: [examples] subject of each example.

    Returns:
        Folds in the order of the names; every example is tested in exactly one.

    Raises:
        ValueError: there is only one subject.

    >>> [(fold.name, fold.train.tolist(), fold.test.tolist()) for fold in leave_one_subject_out(["b", "a", "b"])]
    [('a', [0, 2], [1]), ('b', [1], [0, 2])]
    """
    subjects = np.asarray(subjects)
    names = np.unique(subjects)
    _check_count(len(names), names)
    return [_fold(str(name), subjects == name, subjects) for name in names]


def k_fold(
    subjects: Sequence[str] | np.ndarray,
    labels: Int[np.ndarray, "examples"],
    num_folds: int,
    generator: np.random.Generator,
) -> list[Split]:
    """Folds of whole subjects, balanced in size and classes as far as possible.

    Args:
        subjects: [examples] subject of each example.
        labels: [examples] class indices.
        num_folds: number of folds.
        generator: draws the assignment of subjects to folds.

    Returns:
        Folds named "0", "1", ...; every example is tested in exactly one.

    Raises:
        ValueError: fewer than 2 folds, more folds than subjects, or a fold would be empty.

    Source: scikit-learn's StratifiedGroupKFold.

    >>> subjects, labels = np.array(["a", "a", "b", "c", "d", "d"]), np.array([0, 1, 1, 0, 0, 1])
    >>> folds = k_fold(subjects, labels, num_folds=2, generator=np.random.default_rng(0))
    >>> [fold.name for fold in folds], sorted(np.concatenate([fold.test for fold in folds]).tolist())
    (['0', '1'], [0, 1, 2, 3, 4, 5])
    """
    subjects = np.asarray(subjects)
    _check_count(num_folds, np.unique(subjects))
    return [
        _fold(str(number), tested, subjects)
        for number, tested in enumerate(_assigned_parts(subjects, labels, num_folds, generator))
    ]


def with_validation(
    split: Split,
    subjects: np.ndarray,
    labels: Int[np.ndarray, "examples"],
    share: float,
    generator: np.random.Generator,
) -> Split:
    """Move about a share of each client's training examples to validation: whole subjects, stratified by class.

    Args:
      split: without validation.
      subjects: [examples] subject of each example of the database.
      labels: [examples] class indices.
      share: of the training examples, in (0, 1/2]; it is rounded to 1/2, 1/3, 1/4, ..., and increased if there are
        too few subjects or examples of a class.
      generator: draws the subjects.

    Raises:
      ValueError: the share is out of range, or a client has only one training subject.

    >>> (split, *_) = leave_one_subject_out(["a", "b", "c", "d"])
    >>> split = with_validation(split, np.array(list("abcd")), np.zeros(4, int), 1 / 3, np.random.default_rng(0))
    >>> len(split.train), len(split.validation), split.test.tolist()
    (2, 1, [0])
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"a validation share of {share}: it must be above 0 and at most 0.5")
    clients = [
        _with_validation(client, _client_name(split, number), subjects, labels, share, generator)
        for number, client in enumerate(split.clients)
    ]
    return split._replace(clients=tuple(clients))


def _with_validation(
    client: Client, trainer: str, subjects: np.ndarray, labels: np.ndarray, share: float, generator: np.random.Generator
) -> Client:
    names = np.unique(subjects[client.train])
    if len(names) < 2:
        raise ValueError(
            f"{trainer} trains on the single subject {names[0]}, who cannot be on both sides of a validation "
            "split: use fewer folds or clients, or no validation"
        )
    num_parts = max(2, min(round(1 / share), len(names), np.bincount(labels[client.train]).max()))
    validated = _assigned_parts(subjects[client.train], labels[client.train], num_parts, generator)[0]
    return client._replace(train=client.train[~validated], validation=client.train[validated])


def _client_name(split: Split, number: int) -> str:
    return f"fold {split.name}" if len(split.clients) == 1 else f"client {number} of repeat {split.name}"


def cautions(
    folds: Sequence[Split], subjects: np.ndarray, labels: Int[np.ndarray, "examples"], class_names: Sequence[str]
) -> list[str]:
    """Warnings about classes that some fold cannot learn, as sentences.

    Args:
        folds: of one cross-validation.
        subjects: [examples] subject of each example.
        labels: [examples] class indices.
        class_names: [classes] in the order of the indices.
    """
    sentences = []
    for index, name in enumerate(class_names):
        people = np.unique(subjects[labels == index])
        if len(people) == 1:
            sentences.append(
                f"class {name} occurs only in subject {people[0]}: the fold that tests it trains without this class."
            )
        elif untrained := [fold.name for fold in folds if not np.any(labels[fold.train] == index)]:
            sentences.append(f"class {name} is not in the training examples of fold {', '.join(untrained)}.")
    return sentences


def _fold(name: str, tested: np.ndarray, subjects: np.ndarray) -> Split:
    people = tuple(np.unique(subjects[tested]).tolist())
    return single_client(name, np.flatnonzero(~tested), np.flatnonzero(tested), subjects=people)


def _assigned_parts(
    subjects: np.ndarray, labels: np.ndarray, num_parts: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Whether each example is in each part."""
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to import

    seed = int(generator.integers(LARGEST_SEED))
    splitter = StratifiedGroupKFold(num_parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about classes with few examples; `cautions` reports them
        try:
            parts = [held_out for _, held_out in splitter.split(labels, labels, subjects)]
        except ValueError:
            parts = [NOBODY]
    if not all(map(len, parts)):
        raise ValueError(
            f"{len(labels)} examples of {len(np.unique(subjects))} subjects are too few for {num_parts} folds of whole "
            "subjects: use fewer folds"
        )
    return [np.isin(np.arange(len(labels)), part) for part in parts]


def _check_count(num_folds: int, names: np.ndarray) -> None:
    if len(names) < 2:
        raise ValueError(f"the data has {len(names)} subject, so no subject can be left out: add subjects")
    if not 2 <= num_folds <= len(names):
        raise ValueError(
            f"{num_folds} folds were asked for, but the data has {len(names)} subjects, who are never split: "
            f"choose 2 to {len(names)} folds"
        )
