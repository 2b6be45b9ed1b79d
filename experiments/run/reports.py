"""One sentence for what JAX reports when it ends a process itself.

JAX's coordination service ends a process whose partner is gone: it writes a report with a stack from C++ and calls
``abort``. No option of ``jax.distributed`` prevents that (the client's callback for it cannot be called from Python in
jaxlib 0.10, and ``jax_enable_recoverability`` does not cover process 0). So C++ writes to a file here, Python goes on
to write to the streams of the process, and a handler of SIGABRT writes the sentence.
"""

import ctypes
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.run.mistakes import MISTAKE

ENDED = "another process of this run has ended; start all of them again, with --resume={folder}, to go on"
MISSING = (
    "not all {number} processes met at {coordinator} within {seconds} s: start each, with the same --coordinator and "
    "--processes, and with its own --process-id from 0 to {last}"
)
TWICE = "two processes came to {coordinator} with --process-id={index}: give each its own, from 0 to {last}"
UNKNOWN = "JAX has ended this process; its report is in {log}"
HANDLERS: list[object] = []
"""Kept until the process ends, because C refers to them."""


class Said:
    """Who writes the sentence: the handler, or Python, whoever is first."""

    def __init__(self) -> None:
        """Nobody has."""
        self.lock = threading.Lock()

    def by_python(self) -> None:
        """Python will write it: from now on the handler only waits for the process to end."""
        self.lock.acquire(blocking=False)


def sentence_for(report: str, **facts: object) -> str:
    """The sentence for a report.

    >>> sentence_for("RPC: RegisterTask", number=2, coordinator="a:1", seconds=9, last=1)[:40]
    'not all 2 processes met at a:1 within 9 '
    """
    if "newer incarnation" in report or "ALREADY_EXISTS" in report:
        return TWICE.format(**facts)
    if "RegisterTask" in report:
        return MISSING.format(**facts)
    return (ENDED if "distributed service detected fatal errors" in report else UNKNOWN).format(**facts)


@contextmanager
def sentences_for_aborts(number: int, index: int, coordinator: str, seconds: int, folder: str) -> Iterator[Said]:
    """From here on C++ writes to a file, and an abort becomes one sentence and the exit status of a mistake."""
    said, streams = Said(), (sys.stdout, sys.stderr)
    with tempfile.NamedTemporaryFile(prefix="fedpsyau-", suffix=".log", delete=False) as file:
        log = Path(file.name)
        copies = [os.dup(1), os.dup(2)]
        for stream in streams:
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    facts = {"number": number, "last": number - 1, "index": index, "coordinator": coordinator, "seconds": seconds}

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def aborted(_: int) -> None:
        if not said.lock.acquire(blocking=False):
            time.sleep(60)
        sentence = sentence_for(log.read_text(errors="replace"), **facts, folder=folder, log=log)
        os.write(copies[1], f"Error: {sentence}\n".encode())
        if str(log) not in sentence:
            log.unlink(missing_ok=True)
        os._exit(MISTAKE)

    HANDLERS.append(aborted)
    ctypes.CDLL(None).signal(signal.SIGABRT, aborted)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(copy), "w", buffering=1) for copy in copies)
    try:
        yield said
    finally:
        log.unlink(missing_ok=True)
