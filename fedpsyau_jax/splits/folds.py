"""Cross-validation as values: who is trained, validated and tested on in each fold; subjects are never split."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from fedpsyau_jax.splits.clients import ClientSplit
from fedpsyau_jax.types import Int

NOBODY: Int[np.ndarray, "examples=0"] = np.zeros(0, np.int64)


class Fold(NamedTuple):
    """Indices of the examples of one fold's parts (disjoint, sorted)."""

    name: str
    train: Int[np.ndarray, "train_examples"]
    validation: Int[np.ndarray, "validation_examples"]
    test: Int[np.ndarray, "test_examples"]


def leave_one_subject_out(subjects: Sequence[str] | np.ndarray) -> list[Fold]:
    """One fold a subject, named after whom it tests.

    Args:
        subjects: [examples] who is seen in each example.

    Returns:
        Folds in the order of the names; every example is tested in exactly one.

    Raises:
        ValueError: there is one subject only.

    >>> [(fold.name, fold.train.tolist(), fold.test.tolist()) for fold in leave_one_subject_out(["b", "a", "b"])]
    [('a', [0, 2], [1]), ('b', [1], [0, 2])]
    """
    subjects = np.asarray(subjects)
    names = np.unique(subjects)
    _check_count(len(names), names)
    return [_fold(str(name), subjects == name) for name in names]


def k_fold(
    subjects: Sequence[str] | np.ndarray, labels: Int[np.ndarray, "examples"], num_folds: int, seed: int
) -> list[Fold]:
    """Folds of whole subjects, as equal in size and in shares of the classes as these allow.

    Args:
        subjects: [examples] who is seen in each example.
        labels: [examples] class indices.
        num_folds: number of folds.
        seed: of the order in which subjects are dealt.

    Returns:
        Folds named "0", "1", ...; every example is tested in exactly one.

    Raises:
        ValueError: fewer than 2 folds, more than subjects, or so many that one stays empty.

    Source: scikit-learn's StratifiedGroupKFold.
    """
    subjects = np.asarray(subjects)
    _check_count(num_folds, np.unique(subjects))
    return [_fold(str(number), tested) for number, tested in enumerate(_dealt(subjects, labels, num_folds, seed))]


def with_validation(
    fold: Fold, subjects: np.ndarray, labels: Int[np.ndarray, "examples"], share: float, seed: int
) -> Fold:
    """Take about a share of the training examples for validation: whole subjects, the classes in proportion.

    Args:
        fold: without validation.
        subjects: [examples] who is seen in each example of the database.
        labels: [examples] class indices.
        share: of the training examples, in (0, 1/2]; it is rounded to 1/2, 1/3, 1/4, ..., and made larger where
            there are too few subjects or examples of a class for it.
        seed: of the order in which subjects are dealt.

    Raises:
        ValueError: the share is out of range, or there is one training subject only.
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"a validation share of {share}: it must be above 0 and at most 0.5")
    names = np.unique(subjects[fold.train])
    if len(names) < 2:
        raise ValueError(
            f"fold {fold.name} trains on the single subject {names[0]}, who cannot be on both sides of a validation "
            "split: use fewer folds, or no validation"
        )
    num_parts = max(2, min(round(1 / share), len(names), np.bincount(labels[fold.train]).max()))
    validated = _dealt(subjects[fold.train], labels[fold.train], num_parts, seed)[0]
    return fold._replace(train=fold.train[~validated], validation=fold.train[validated])


def within(fold: Fold, rows: Int[np.ndarray, "examples"]) -> Fold:
    """A fold over some rows of a database (those with a label, say) as a fold of the database."""
    return fold._replace(train=rows[fold.train], validation=rows[fold.validation], test=rows[fold.test])


def as_clients(folds: Sequence[Fold], subjects: np.ndarray) -> list[list[ClientSplit]]:
    """[folds][1 client], as federations and ``batching.pad_indices`` take them; its subjects are the tested ones."""
    return [[ClientSplit(tuple(np.unique(subjects[fold.test]).tolist()), fold.train, fold.test)] for fold in folds]


def cautions(
    folds: Sequence[Fold], subjects: np.ndarray, labels: Int[np.ndarray, "examples"], class_names: Sequence[str]
) -> list[str]:
    """Sentences about classes that some fold cannot learn, for the user.

    Args:
        folds: of one cross-validation.
        subjects: [examples] who is seen.
        labels: [examples] class indices.
        class_names: [classes] in the order of the indices.
    """
    sentences = []
    for index, name in enumerate(class_names):
        people = np.unique(subjects[labels == index])
        if len(people) == 1:
            sentences.append(
                f"class {name} occurs in the single subject {people[0]}: when they are tested, nobody trains on it."
            )
        elif untrained := [fold.name for fold in folds if not np.any(labels[fold.train] == index)]:
            sentences.append(f"class {name} is not in the training examples of fold {', '.join(untrained)}.")
    return sentences


def _fold(name: str, tested: np.ndarray) -> Fold:
    return Fold(name, np.flatnonzero(~tested), NOBODY, np.flatnonzero(tested))


def _dealt(subjects: np.ndarray, labels: np.ndarray, num_parts: int, seed: int) -> list[np.ndarray]:
    """Whether each example is in each part."""
    splitter = StratifiedGroupKFold(num_parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with few examples: `cautions` says what matters of it
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
        raise ValueError(f"the data has {len(names)} subject, so nobody can be left out: add subjects")
    if not 2 <= num_folds <= len(names):
        raise ValueError(
            f"{num_folds} folds were asked for, but the data has {len(names)} subjects, who are never split: "
            f"choose 2 to {len(names)} folds"
        )
