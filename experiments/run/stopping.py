"""Ctrl-C: the first one stops a training after its current step, the second one at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    """Whether the user has asked to stop."""

    asked: bool = False


@contextmanager
def stop_after_current_step(note: Callable[[], None]) -> Iterator[StopRequest]:
    """Inside, the first Ctrl-C only sets the request and calls ``note``, briefly; the second one interrupts at once."""
    request = StopRequest()

    def ask(signal_number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        request.asked = True
        note()

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, previous)
