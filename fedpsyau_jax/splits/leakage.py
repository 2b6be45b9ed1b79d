"""Leak checks: no test or validation example may influence training.

Each kind of leak has a function that returns a phrase for each pair of parts (training, validation, test) that share
something (rows, subjects, clips or pictures); ``refuse_leaks`` makes a sentence of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from fedpsyau_jax.splits.split import PARTS, Split
from fedpsyau_jax.types import Float, Int

NUM_NAMED = 3
NO_COPY = -1


@dataclass(frozen=True)
class Origins:
    """Where examples and statistics come from.

    Attributes:
        subjects: [examples] subject of each example.
        clips: [examples] names of the clips.
        flow: [examples, ...] flow images.
        statistics: by name ("the co-occurrence prior", "the scaling"), the rows used for it in each fold.
        pretraining_subjects: subjects on whom a detector was pretrained.
        split_by_subject: False if a subject may be on both sides, as published (--split=examples).

    >>> Origins(np.array(["a", "b"]), np.array(["a1", "b1"]), np.zeros((2, 28, 28, 3))).split_by_subject
    True
    """

    subjects: np.ndarray
    clips: np.ndarray
    flow: Float[np.ndarray, "examples ..."]
    statistics: Mapping[str, Sequence[Int[np.ndarray, "rows"]]] = field(default_factory=dict)
    pretraining_subjects: Sequence[str] = ()
    split_by_subject: bool = True


def refuse_leaks(folds: Sequence[Split], origins: Origins, part: str = "fold") -> None:
    """Raise an error if anything leaks between the parts of a fold.

    Args:
        folds: of a cross-validation, or the split of each repeat of a federation.
        origins: of examples and statistics.
        part: what to call a fold in the message, "fold" or "repeat".

    Raises:
        ValueError: describes the first leak, and how many more there are.

    >>> from fedpsyau_jax.splits import single_client
    >>> origins = Origins(np.array(["a", "a", "b"]), np.array(["1", "2", "3"]), np.zeros((3, 28, 28, 3)))
    >>> refuse_leaks([single_client("b", np.array([0, 1]), np.array([2]))], origins)
    >>> refuse_leaks([single_client("0", np.array([0, 2]), np.array([1]))], origins)
    Traceback (most recent call last):
    ValueError: a leak in fold 0: subject a in both the train and the test data; nothing is trained: fix the split
    """
    if leaks := find_leaks(folds, origins):
        number, leak = leaks[0]
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise ValueError(f"a leak in {part} {folds[number].name}: {leak}{more}; nothing is trained: fix the split")


def find_leaks(folds: Sequence[Split], origins: Origins) -> list[tuple[int, str]]:
    """All leaks, each with the number of its fold."""
    identity = copies(origins.flow)
    checks: list[Callable[[Split], list[str]]] = [
        shared_examples,
        partial(shared_clips, clips=origins.clips),
        partial(shared_pictures, identity=identity, clips=origins.clips),
        partial(pretrained_subjects, subjects=origins.subjects, pretraining=origins.pretraining_subjects),
    ]
    if origins.split_by_subject:
        checks.insert(1, partial(shared_subjects, subjects=origins.subjects))
    return [
        (number, leak)
        for number, fold in enumerate(folds)
        for leaks in [
            *(check(fold) for check in checks),
            *(held_out_statistics(fold, name, rows[number]) for name, rows in origins.statistics.items()),
        ]
        for leak in leaks
    ]


def shared_examples(fold: Split) -> list[str]:
    """Rows that two parts share."""
    return [f"{_joined('example', rows)} in {border}" for border, rows in _shared(fold, lambda rows: rows)]


def shared_subjects(fold: Split, subjects: np.ndarray) -> list[str]:
    """Subjects that two parts share."""
    crossings = _shared(fold, lambda rows: subjects[rows])
    return [f"{_joined('subject', names)} in {border}" for border, names in crossings]


def shared_clips(fold: Split, clips: np.ndarray) -> list[str]:
    """Clips that two parts share, by name."""
    return [f"{_joined('clip', names)} in {border}" for border, names in _shared(fold, lambda rows: clips[rows])]


def shared_pictures(fold: Split, identity: Int[np.ndarray, "examples"], clips: np.ndarray) -> list[str]:
    """Pictures that two parts share, byte for byte, under different names.

    Args:
        fold: the parts.
        identity: [examples] from ``copies``.
        clips: [examples] names, for the message.
    """
    crossings = _shared(fold, lambda rows: identity[rows][identity[rows] != NO_COPY])
    return [
        f"{_joined('clip', clips[np.isin(identity, same)])} with identical flow in {border}"
        for border, same in crossings
    ]


def copies(flow: Float[np.ndarray, "examples ..."]) -> Int[np.ndarray, "examples"]:
    """Number the pictures so that identical ones have the same number.

    Returns:
        [examples] a number for each picture that occurs more than once; -1 for all others, and for constant pictures:
        clips without motion (the apex is the onset) look alike without being copies.

    >>> moving = np.eye(2)
    >>> copies(np.stack([moving, np.zeros((2, 2)), moving, np.zeros((2, 2)), 2 * moving])).tolist()
    [0, -1, 0, -1, -1]
    """
    flat = np.ascontiguousarray(flow).reshape(len(flow), -1, *flow.shape[3:])
    moving = np.ptp(flat, axis=1).reshape(len(flow), -1).any(axis=1)
    first: dict[bytes, int] = {}
    numbers = np.array([first.setdefault(row.tobytes(), place) for place, row in enumerate(flat)], dtype=int)
    repeated = np.bincount(numbers, minlength=len(flow))[numbers] > 1
    return np.where(moving & repeated, numbers, NO_COPY)


def pretrained_subjects(fold: Split, subjects: np.ndarray, pretraining: Sequence[str]) -> list[str]:
    """Held-out subjects on whom a detector was pretrained."""
    seen = [(side, np.intersect1d(subjects[getattr(fold, side)], pretraining)) for side in PARTS[1:]]
    return [f"{_joined('subject', names)} in the pretraining and the {side} data" for side, names in seen if len(names)]


def held_out_statistics(fold: Split, name: str, rows: Int[np.ndarray, "rows"]) -> list[str]:
    """Statistics (a prior, a normalisation) that were computed from held-out examples.

    Args:
        fold: the parts.
        name: of the statistics.
        rows: examples that they were computed from.
    """
    used = [(side, np.intersect1d(getattr(fold, side), rows)) for side in PARTS[1:]]
    return [f"{name} was computed with {len(found)} {side} examples" for side, found in used if len(found)]


def _shared(fold: Split, identity: Callable[[np.ndarray], np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Each pair of parts that share something, in words, and what they share."""
    for one, other in combinations(PARTS, 2):
        both = np.intersect1d(identity(getattr(fold, one)), identity(getattr(fold, other)))
        if len(both):
            yield f"both the {one} and the {other} data", both


def _joined(what: str, names: Sequence[Any] | np.ndarray) -> str:
    """``subjects a, b, c and 2 more``."""
    unique = [str(name) for name in np.unique(np.asarray(names))]
    more = f" and {len(unique) - NUM_NAMED} more" if len(unique) > NUM_NAMED else ""
    return f"{what}{'s' if len(unique) > 1 else ''} {', '.join(unique[:NUM_NAMED])}{more}"
