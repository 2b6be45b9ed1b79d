"""Samples whose flow JAX measures: processes find the faces, this process measures the motion of many at once."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data.annotations import Dropped
from data.cache import Arrays, store, stored
from data.clips import Clip
from data.parallel import in_processes, num_cores
from data.pipeline import (
    ClipError,
    Found,
    Prepared,
    Recipe,
    find_faces,
    finished_arrays,
    no_sample,
    outcome,
    sample_key,
)
from fedpsyau_jax.vision.flow import JaxTVL1, Program, compiled, pairs_at_once

Outcome = Prepared | Dropped | ClipError


class Motionless(NamedTuple):
    """A clip whose faces are found, and whose motion is still to be measured."""

    clip: Clip
    found: Found
    key: str


def compiling(flow: JaxTVL1, face_size: int) -> Future[Program]:
    """Start to compile the flow of faces, beside whatever else there is to do."""
    thread = ThreadPoolExecutor(1)
    try:
        return thread.submit(_program, flow, face_size)
    finally:
        thread.shutdown(wait=False)


def _program(flow: JaxTVL1, face_size: int) -> Program:
    pairs = pairs_at_once()
    return compiled(flow.parameters, (*([] if pairs is None else [pairs]), face_size, face_size))


def prepared_by_jax(
    clips: Sequence[Clip],
    recipe: Recipe,
    program: Future[Program],
    num_workers: int | None = None,
    work_folder: Path | None = None,
) -> Iterator[Outcome]:
    """The clips' samples, in their order; see ``data.pipeline.prepare``.

    Args:
        clips: which files.
        recipe: what to do with them.
        program: measures flow.
        num_workers: processes that find faces, and on a CPU threads that measure; all cores by default.
        work_folder: finished samples are kept there, and taken from there.
    """
    find = partial(find_or_take, recipe=recipe, work_folder=work_folder)
    pairs = pairs_at_once()
    at_once, threads = (1, num_workers or num_cores()) if pairs is None else (pairs, 1)
    waiting: deque[Future[list[Outcome]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for group in _groups(in_processes(find, clips, num_workers), at_once):
            waiting.append(pool.submit(_finish, group, recipe, program, work_folder))
            while len(waiting) > 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def find_or_take(clip: Clip, recipe: Recipe, work_folder: Path | None) -> Motionless | Outcome:
    """A clip's faces; or its sample, if it was finished before; or why there is none."""
    key = sample_key(clip, recipe)
    if (arrays := stored(work_folder, key)) is not None:
        return outcome(clip, lambda: arrays)
    try:
        return Motionless(clip, find_faces(clip, recipe), key)
    except (ValueError, cv2.error) as error:
        return no_sample(clip, error)


def _groups(items: Iterable[Motionless | Outcome], size: int) -> Iterator[list[Motionless | Outcome]]:
    """Runs of items with ``size`` unmeasured motions in each but the last."""
    group: list[Motionless | Outcome] = []
    for item in items:
        group.append(item)
        if sum(isinstance(one, Motionless) for one in group) == size:
            yield group
            group = []
    if group:
        yield group


def _finish(
    group: Sequence[Motionless | Outcome], recipe: Recipe, program: Future[Program], work_folder: Path | None
) -> list[Outcome]:
    flows = iter(_measured([item.found for item in group if isinstance(item, Motionless)], program))
    return [
        _with_motion(item, next(flows), recipe, work_folder) if isinstance(item, Motionless) else item for item in group
    ]


def _measured(found: Sequence[Found], program: Future[Program]) -> Sequence[np.ndarray]:
    """Flows between aligned faces; a group that is not full is filled with its last pair."""
    if not found:
        return []
    pairs = pairs_at_once()
    if pairs is None:
        return [np.asarray(program.result()(one.faces.onset, one.faces.apex)) for one in found]
    full = [*found, *[found[-1]] * (pairs - len(found))]
    flows = program.result()(np.stack([one.faces.onset for one in full]), np.stack([one.faces.apex for one in full]))
    return list(np.asarray(flows)[: len(found)])


def _with_motion(item: Motionless, motion: np.ndarray, recipe: Recipe, work_folder: Path | None) -> Outcome:
    def compute() -> Arrays:
        arrays = finished_arrays(item.found, motion, recipe)
        store(work_folder, item.key, arrays)
        return arrays

    return outcome(item.clip, compute)
