"""The check before training: nothing of the test or validation examples may reach what is trained.

Each kind of leak has a function, which returns a phrase for each border that it crosses; ``refuse_leaks`` makes the
sentence. A border is crossed by an identity (of rows, subjects, clips, pictures) that is on both sides of it.
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
        subjects: [examples] who is seen.
        clips: [examples] names of the clips.
        flow: [examples, ...] pictures of the motion.
        statistics: by name ("the co-occurrence prior", "the scaling"), for each fold the rows that went into it.
        pretraining_subjects: who a pretrained detector has seen.
        split_by_subject: False where a subject may be on both sides on purpose, as published (--split=examples).
    """

    subjects: np.ndarray
    clips: np.ndarray
    flow: Float[np.ndarray, "examples ..."]
    statistics: Mapping[str, Sequence[Int[np.ndarray, "rows"]]] = field(default_factory=dict)
    pretraining_subjects: Sequence[str] = ()
    split_by_subject: bool = True


def refuse_leaks(folds: Sequence[Split], origins: Origins, part: str = "fold") -> None:
    """Let training begin only if nothing leaks.

    Args:
        folds: of a cross-validation, or the split of each repeat of a federation.
        origins: of examples and statistics.
        part: what a fold is called, "fold" or "repeat".

    Raises:
        ValueError: the first leak, and how many more there are.
    """
    if leaks := find_leaks(folds, origins):
        number, leak = leaks[0]
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise ValueError(f"a leak in {part} {folds[number].name}: {leak}{more}; nothing is trained: mend the split")


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
    """Rows that are on both sides of a border."""
    return [f"{_listed('example', rows)} in {border}" for border, rows in _crossings(fold, lambda rows: rows)]


def shared_subjects(fold: Split, subjects: np.ndarray) -> list[str]:
    """Subjects who are on both sides of a border."""
    crossings = _crossings(fold, lambda rows: subjects[rows])
    return [f"{_listed('subject', names)} in {border}" for border, names in crossings]


def shared_clips(fold: Split, clips: np.ndarray) -> list[str]:
    """Clips that are on both sides of a border, by their names."""
    return [f"{_listed('clip', names)} in {border}" for border, names in _crossings(fold, lambda rows: clips[rows])]


def shared_pictures(fold: Split, identity: Int[np.ndarray, "examples"], clips: np.ndarray) -> list[str]:
    """Pictures that are on both sides of a border, byte for byte, under different names.

    Args:
        fold: the parts.
        identity: [examples] as ``copies`` gives.
        clips: [examples] names, to say which.
    """
    crossings = _crossings(fold, lambda rows: identity[rows][identity[rows] != NO_COPY])
    return [
        f"{_listed('clip', clips[np.isin(identity, same)])} with identical flow in {border}"
        for border, same in crossings
    ]


def copies(flow: Float[np.ndarray, "examples ..."]) -> Int[np.ndarray, "examples"]:
    """Number the pictures so that equal ones have equal numbers.

    Returns:
        [examples] a number for each picture that occurs more than once; -1 for all others, and for constant pictures:
        where nothing moves (an apex that is the onset) all clips look the same, and none is another's copy.

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
    """Subjects whom a pretrained detector has seen, among those held out."""
    seen = [(side, np.intersect1d(subjects[getattr(fold, side)], pretraining)) for side in PARTS[1:]]
    return [f"{_listed('subject', names)} in the pretraining and the {side} data" for side, names in seen if len(names)]


def held_out_statistics(fold: Split, name: str, rows: Int[np.ndarray, "rows"]) -> list[str]:
    """Statistics (a prior, a normalisation) that were computed from examples held out.

    Args:
        fold: the parts.
        name: of the statistics.
        rows: that they were computed from.
    """
    used = [(side, np.intersect1d(getattr(fold, side), rows)) for side in PARTS[1:]]
    return [f"{name} was computed with {len(found)} {side} examples" for side, found in used if len(found)]


def _crossings(fold: Split, identity: Callable[[np.ndarray], np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Each border that something crosses, in words, and what it is."""
    for one, other in combinations(PARTS, 2):
        both = np.intersect1d(identity(getattr(fold, one)), identity(getattr(fold, other)))
        if len(both):
            yield f"both the {one} and the {other} data", both


def _listed(what: str, names: Sequence[Any] | np.ndarray) -> str:
    """``subjects a, b, c and 2 more``."""
    unique = [str(name) for name in np.unique(np.asarray(names))]
    more = f" and {len(unique) - NUM_NAMED} more" if len(unique) > NUM_NAMED else ""
    return f"{what}{'s' if len(unique) > 1 else ''} {', '.join(unique[:NUM_NAMED])}{more}"
