"""Call the trackers of a run. One that fails is reported and dropped; the run goes on without it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pandas as pd

from experiments.inputs.plugins import error_line
from experiments.run.folder import RunFolder
from experiments.run.mistakes import warn
from experiments.trackers.protocol import End, Point, Start, Tracker

FILES, FIGURES = ("*.json", "*.csv", "*.html"), "figures/*.png"


class Tracking:
    """The trackers of a run that have not failed, and what their ``start`` returned."""

    def __init__(self, folder: RunFolder, trackers: Mapping[str, Tracker]) -> None:
        """No tracker is called yet."""
        self.folder, self.trackers = folder, dict(trackers)
        self.sessions: dict[str, Any] = {}

    def start(self) -> None:
        """Start all trackers, with the settings of the run."""
        if self.trackers:
            config = self.folder.read_facts("config.json", "experiment", "settings")
            start = Start(config["experiment"], self.folder.path.resolve(), dict(_flat(config["settings"])))
            self._call("start", lambda tracker, _: tracker.start(start))

    def log(self, points: Sequence[Point]) -> None:
        """Pass points to the trackers."""
        self._call("log", lambda tracker, session: tracker.log(session, points))

    def finish(self, status: Literal["finished", "interrupted", "failed"]) -> None:
        """Tell the trackers that have started how the run ended; further calls do nothing."""
        if self.sessions:
            end = _end(self.folder, status)
            self._call("finish", lambda tracker, session: tracker.finish(session, end))
        self.trackers, self.sessions = {}, {}

    def _call(self, name: str, call: Callable[[Tracker, Any], Any]) -> None:
        for option, tracker in list(self.trackers.items()):
            try:
                result = call(tracker, self.sessions.get(option))
            except Exception as error:
                del self.trackers[option]
                self.sessions.pop(option, None)
                warn(
                    f"--tracker={option}: its {name} failed ({error_line(error)}); the run goes on without it, and "
                    f"--resume {self.folder.path} tells it everything again"
                )
            else:
                if name == "start":
                    self.sessions[option] = result


@contextmanager
def tracking(folder: RunFolder, trackers: Mapping[str, Tracker]) -> Iterator[Tracking]:
    """Trackers that are told if the block fails."""
    of_run = Tracking(folder, trackers)
    try:
        yield of_run
    except BaseException:
        of_run.finish("failed")
        raise


def _end(folder: RunFolder, status: Literal["finished", "interrupted", "failed"]) -> End:
    files = sorted(path for pattern in FILES for path in folder.path.glob(pattern))
    return End(status, _scores(folder), sorted(folder.path.glob(FIGURES)), files)


def _scores(folder: RunFolder) -> dict[str, dict[str, float]]:
    if not folder.has("summary.csv"):
        return {}
    numbers = folder.read_table("summary.csv").set_index("algorithm").select_dtypes("number")
    return {str(row): _defined(values) for row, values in numbers.to_dict("index").items()}


def _defined(values: Mapping[Any, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items() if pd.notna(value)}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
