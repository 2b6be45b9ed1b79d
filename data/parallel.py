"""Run one function over many tasks on all cores, with results in the order of the tasks."""

import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from types import ModuleType
from typing import TypeVar

import cv2

Task = TypeVar("Task")
Result = TypeVar("Result")
_TASKS_AHEAD = 8


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], num_workers: int | None = None
) -> Iterator[Result]:
    """``map(function, tasks)`` in fresh worker processes, one OpenCV thread in each.

    Few tasks are in flight at a time, so memory does not grow with their number. One worker means this process.

    Args:
        function: a module-level function, or a partial of one.
        tasks: picklable arguments.
        num_workers: processes; all cores by default.

    Raises:
        ValueError: ``function`` cannot be sent to other processes.
        Exception: whatever ``function`` raises, at its task's place in the order.
        OSError: a worker died.
    """
    workers = num_workers or num_cores()
    if workers == 1:
        yield from map(function, tasks)
        return
    pending: deque[Future[Result]] = deque()
    upcoming = iter(tasks)
    needs_program = b"__main__" in _pickled(function)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker)

    def submit(count: int) -> None:
        with _started_program(hidden=not needs_program):
            pending.extend(pool.submit(function, task) for task in islice(upcoming, count))

    try:
        submit(workers * _TASKS_AHEAD)
        while pending:
            yield pending.popleft().result()
            submit(1)
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process died, perhaps for want of memory; what is finished is kept: run again with fewer workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pickled(function: Callable[..., object]) -> bytes:
    try:
        return pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"a function cannot be sent to other processes ({error}): define it at the top of a module, or work with "
            "one process (num_workers=1)"
        ) from error


@contextmanager
def _started_program(hidden: bool) -> Iterator[None]:
    """Spare new workers the import of the program that was started (and all that it imports)."""
    program = sys.modules["__main__"]
    if hidden:
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _start_worker() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()  # returns if the parent is killed, too: no orphan goes on
        os._exit(1)
