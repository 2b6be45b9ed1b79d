"""The trackers that a run has: by name, or the user's own as ``module:name``."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from experiments.inputs.plugins import attribute, call, is_plugin, refuse_unknown
from experiments.run.folder import RunFolder
from experiments.trackers.protocol import Tracker

FILE = "trackers.json"
NAMED: Mapping[str, str] = MappingProxyType({"tensorboard": "tensorboard", "mlflow": "mlflow"})
"""Modules of this folder, by name: the library that each needs, which is also the name of its extra."""


def trackers_of(folder: RunFolder, names: Sequence[str]) -> dict[str, Tracker]:
    """The trackers of a run: those that it started with, and those named now. They are remembered for ``--resume``.

    Raises:
      ValueError: there is no such tracker, its library is missing, or it is not three functions.
    """
    remembered = folder.read_json(FILE) if folder.has(FILE) else []
    if not isinstance(remembered, list) or not all(isinstance(name, str) for name in remembered):
        raise ValueError(f"{folder.path / FILE} is not a list of trackers; delete it, and name them with --tracker")
    everyone = list(dict.fromkeys([*remembered, *names]))
    trackers = {name: tracker_named(name) for name in everyone}
    if everyone != remembered:
        folder.write_json(FILE, everyone)
    return trackers


def tracker_named(name: str) -> Tracker:
    """One tracker.

    Raises:
      ValueError: there is none of this name, its library is missing, or it is not three functions.
    """
    refuse_unknown("--tracker", name, NAMED)
    if is_plugin(name):
        return _own(name, attribute("--tracker", name))
    if find_spec(NAMED[name]) is None:
        raise ValueError(f"--tracker={name}: {NAMED[name]} is not installed; pip install 'fedpsyau-jax[{name}]'")
    tracker: Tracker = import_module(f"experiments.trackers.{name}").TRACKER
    return tracker


def _own(name: str, value: Any) -> Tracker:
    """A tracker from three functions, from an object that has them by name, or from a function that returns one."""
    if callable(value) and not _has_functions(value):
        value = call("--tracker", name, value)
    if _has_functions(value):
        return Tracker(value.start, value.log, value.finish)
    if isinstance(value, Sequence) and len(value) == len(Tracker._fields) and all(map(callable, value)):
        return Tracker(*value)
    raise ValueError(f"--tracker={name}: {name.partition(':')[2]} is not three functions start, log and finish")


def _has_functions(value: Any) -> bool:
    return all(callable(getattr(value, field, None)) for field in Tracker._fields)
