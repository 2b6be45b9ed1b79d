"""Several processes, on one machine or many, that train one run together: ``jax.distributed`` behind three options.

The processes meet at an address of process 0. JAX ends a process that misses another one with ``abort`` and a report of
its own; ``reports`` makes one sentence of that.
"""

import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from experiments.run.processes import ALONE, Processes
from experiments.run.reports import ENDED, sentences_for_aborts

SLURM = "slurm"
SLURM_VARIABLES = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
LOST = r"Gloo|NCCL|coordination service|Connection (closed|reset)|Socket closed|heartbeat"
"""In errors of JAX about another process."""


class Meeting(NamedTuple):
    """Where and how the processes of a run meet.

    ``coordinator``: HOST:PORT of process 0, or "slurm"; ``number``: of processes; ``process``: this one; ``seconds``:
    to wait for the others at the start.
    """

    coordinator: str
    number: int
    process: int
    seconds: int


def meeting(
    coordinator: str | None,
    number: int | None,
    index: int | None,
    seconds: int,
    environment: Mapping[str, str] = os.environ,
) -> Meeting | None:
    """The meeting that the options ask for; None for a run of a single process.

    Args:
      coordinator, number, index: as given to ``--coordinator``, ``--processes`` and ``--process-id``.
      seconds: as given to ``--join-seconds``.
      environment: variables of the process, with those of Slurm.

    Raises:
      ValueError: the options do not fit together.
    """
    given = {"--coordinator": coordinator, "--processes": number, "--process-id": index}
    if all(value is None for value in given.values()):
        return None
    if coordinator == SLURM:
        return _slurm(number, index, seconds, environment)
    if missing := [name for name, value in given.items() if value is None]:
        raise ValueError(
            f"{' and '.join(missing)} missing: several processes need --coordinator=HOST:PORT of process 0, "
            "--processes=N and --process-id=0 to N-1; under Slurm, --coordinator=slurm alone"
        )
    assert coordinator is not None
    assert number is not None
    assert index is not None
    if not re.fullmatch(r".+:\d+", coordinator):
        raise ValueError(f"--coordinator={coordinator}: give HOST:PORT, an address of process 0, or slurm")
    return _checked(Meeting(coordinator, number, index, seconds))


def _checked(place: Meeting) -> Meeting:
    if place.number < 1:
        raise ValueError(f"--processes={place.number}: it must be at least 1")
    if not 0 <= place.process < place.number:
        raise ValueError(f"--process-id={place.process}: with --processes={place.number} give 0 to {place.number - 1}")
    if place.seconds < 1:
        raise ValueError(f"--join-seconds={place.seconds}: it must be at least 1")
    return place


def _slurm(number: int | None, index: int | None, seconds: int, environment: Mapping[str, str]) -> Meeting:
    if number is not None or index is not None:
        raise ValueError(
            "--coordinator=slurm: Slurm says which process this is; leave out --processes and --process-id"
        )
    if missing := [name for name in SLURM_VARIABLES if name not in environment]:
        raise ValueError(f"--coordinator=slurm: {missing[0]} is not set; start the processes with srun")
    return _checked(Meeting(SLURM, int(environment["SLURM_NTASKS"]), int(environment["SLURM_PROCID"]), seconds))


@contextmanager
def joined(place: Meeting | None, folder: str) -> Iterator[Processes]:
    """Join the other processes for as long as the block runs. Call it before JAX's first computation.

    Args:
      place: where they meet; None if there are no others.
      folder: of the run, for messages.

    Raises:
      ValueError: the processes did not come together, or another one has ended.
    """
    if place is None or place.number == 1:
        yield ALONE
        return
    with sentences_for_aborts(place.number, place.process, place.coordinator, place.seconds, folder) as said:
        _connect(place)
        try:
            yield Processes(place.number, place.process)
        except Exception as error:
            said.by_python()
            if re.search(LOST, str(error)):
                raise ValueError(ENDED.format(folder=folder)) from None
            if not isinstance(error, ValueError | OSError):
                traceback.print_exc()
                leave(1)
            raise
        import jax

        jax.distributed.shutdown()


def _connect(place: Meeting) -> None:
    import jax

    by_slurm = place.coordinator == SLURM
    try:
        jax.distributed.initialize(
            None if by_slurm else place.coordinator,
            num_processes=place.number,
            process_id=place.process,
            cluster_detection_method=SLURM if by_slurm else "deactivate",
            initialization_timeout=place.seconds,
        )
    except Exception as error:  # of jaxlib, which raises many types
        first, *_ = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"--coordinator={place.coordinator}: the processes cannot meet there ({first})") from None


def leave(status: int) -> None:
    """End at once after a failure among several processes: they would wait for each other."""
    if "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
