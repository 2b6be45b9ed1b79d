"""What the processes of a run do that the first one leads: the same plan, on the same data, without the run folder."""

import io
from collections.abc import Callable

from rich.console import Console

from experiments.run.processes import Processes
from experiments.run.progress import Stages, progress
from experiments.training.experiment import follow
from experiments.training.prepare import Prepared


def take_part(prepare: Callable[[Stages], Prepared], processes: Processes) -> int:
    """Train with the first process, in silence; returns an exit status, which is replaced by that of the first one."""
    with progress(Console(file=io.StringIO())) as stages:
        prepared = prepared_together(lambda: prepare(stages), processes)
        follow(prepared, stages, processes)
    return 0


def prepared_together(prepare: Callable[[], Prepared], processes: Processes) -> Prepared:
    """What is trained, as ``prepare`` makes it: first in the process that builds missing data, then in the others.

    Raises:
      ValueError: a process has other data than the first one.
    """
    prepared = processes.one_before_all(prepare)
    fingerprints = {one.name: one.fingerprint[:12] for one in prepared.datasets}
    processes.refuse_other("the data", fingerprints)
    return prepared
