"""MLflow: one of its runs for each run, in the store that MLflow's own settings name (by default in this folder).

The number of MLflow's run is kept in the run folder, so that ``--resume`` goes on with it. Points that the store has
already are not sent again.
"""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from experiments.trackers.protocol import POOLED, End, Point, Start, Tracker

FILE = "mlflow.json"
MOST_METRICS, MOST_PARAMS = 1000, 100
"""Most metrics and parameters that the client takes at a time."""
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class Session(NamedTuple):
    """The client, its run, and the steps that it has already, by metric."""

    client: MlflowClient
    run: str
    known: dict[str, set[int]]


def start(run: Start) -> Session:
    """Start a run with the settings as parameters, or go on with the one of an interrupted run."""
    client = MlflowClient()
    session = _earlier(client, run.folder / FILE) or _new(client, run)
    params = [Param(name, str(value)) for name, value in run.settings.items()]
    for few in _portions(params, MOST_PARAMS):
        client.log_batch(session.run, params=few)
    return session


def log(session: Session, points: Sequence[Point]) -> None:
    """Log the points of whole repeats, as METRIC/ROW/repeat NUMBER."""
    _log(
        session,
        (
            (f"{name}/{point.row}/repeat {point.repeat}", point.round, value)
            for point in points
            if point.client == POOLED
            for name, value in point.values.items()
        ),
    )


def finish(session: Session, end: End) -> None:
    """Log the scores, and the files of the run as artifacts."""
    _log(
        session,
        ((f"score/{name}/{row}", 0, value) for row, scores in end.scores.items() for name, value in scores.items()),
    )
    for path in end.files:
        session.client.log_artifact(session.run, str(path))
    for path in end.figures:
        session.client.log_artifact(session.run, str(path), "figures")
    session.client.set_terminated(session.run, STATUS[end.status])


TRACKER = Tracker(start, log, finish)


def _new(client: MlflowClient, run: Start) -> Session:
    name = f"fedpsyau {run.command}"
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment else client.create_experiment(name)
    created = client.create_run(number, run_name=run.folder.name, tags={"folder": str(run.folder)})
    (run.folder / FILE).write_text(json.dumps({"run": created.info.run_id}) + "\n")
    return Session(client, created.info.run_id, {})


def _earlier(client: MlflowClient, file: Path) -> Session | None:
    """The run of an interrupted run; None if there is none, or if this store does not have it."""
    try:
        number = json.loads(file.read_text())["run"]
        client.update_run(number, status="RUNNING")
        metrics = client.get_run(number).data.metrics
    except (FileNotFoundError, MlflowException, ValueError, KeyError, TypeError):
        return None
    known = {key: {one.step for one in client.get_metric_history(number, key)} for key in metrics}
    return Session(client, number, known)


def _log(session: Session, values: Iterable[tuple[str, int, float]]) -> None:
    now = int(1000 * time.time())
    new = []
    for name, step, value in values:
        key = re.sub(r"[^\w\-. :/]", "_", name)
        if step not in session.known.setdefault(key, set()):
            new.append(Metric(key, value, now, step))
    for few in _portions(new, MOST_METRICS):
        session.client.log_batch(session.run, metrics=few)
        for metric in few:
            session.known[metric.key].add(metric.step)


def _portions(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while few := list(islice(rest, size)):
        yield few
