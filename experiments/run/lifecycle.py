"""The life of a command: options, a new run folder or an interrupted one, devices, and the exit status.

FED = Command("fed", PRESETS, check_fed, "Compare federated algorithms.")

def run(settings: FedSettings, run: Run) -> int: ...

if __name__ == "__main__":
    exit_with(lambda arguments: main(FED, arguments, run))
"""

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

from rich.console import Console

from data.programs import cache_compilations
from experiments.run import folder as folders
from experiments.run.checkpoints import restore_newest
from experiments.run.cluster import joined, leave, meeting
from experiments.run.config import read_settings, rebuild
from experiments.run.devices import use_devices, use_precision
from experiments.run.folder import RunFolder
from experiments.run.mistakes import INTERRUPTED, MISTAKE, exit_status
from experiments.run.options import chosen_preset, options_type
from experiments.run.processes import ALONE, Processes
from experiments.run.stopping import StopRequest, stop_after_current_step
from fedpsyau_jax.options import parsed

__all__ = [
    "INTERRUPTED",
    "MISTAKE",
    "Command",
    "Run",
    "StopRequest",
    "cache_compilations",
    "exit_status",
    "exit_with",
    "main",
    "options_of",
    "remove_if_not_started",
    "restore_newest",
    "resume",
    "settings_of",
    "start",
    "stop_after_current_step",
    "use_devices",
    "use_precision",
]
Settings = TypeVar("Settings")


def unchanged(settings: Settings) -> Settings:
    """The settings as they are (the default for ``complete``)."""
    return settings


class Command(NamedTuple, Generic[Settings]):
    """A command that trains, can be interrupted and resumed.

    Attributes:
      name: Name of its module in ``experiments``.
      presets: Settings by name; the first is the default, and if it is the only one there is no ``--preset``.
      check: Raises a ValueError for settings that cannot be run.
      description: First line of its help.
      preset_help: What the presets are.
      complete: Fills in defaults that depend on other settings, before they are checked and saved.
    """

    name: str
    presets: Mapping[str, Settings]
    check: Callable[[Settings], None]
    description: str = ""
    preset_help: str = "Defaults of the options."
    complete: Callable[[Settings], Settings] = unchanged


class Run(NamedTuple):
    """Where a run reads and writes.

    Attributes:
      folder: Of the run, with its config.json.
      data_dir: Folder of the databases; None for the usual one.
      manual_dir: The user's copies of real databases: a folder, or each as name=FOLDER.
      console: For the results, on standard output.
      new: False if an interrupted run goes on.
      trackers: Names of its trackers, besides those that an interrupted run started with.
      processes: Those that train together; all but the first one leave folder and console alone.
    """

    folder: RunFolder
    data_dir: Path | None
    manual_dir: tuple[str, ...]
    console: Console
    new: bool
    trackers: tuple[str, ...] = ()
    processes: Processes = ALONE


def main(command: Command[Settings], arguments: Sequence[str], run: Callable[[Settings, Run], int]) -> int:
    """Start a run, or resume one.

    Args:
      command: which.
      arguments: as the user wrote them.
      run: trains and writes the results; returns the exit status.

    Returns:
      Exit status: 0, or 130 after Ctrl-C.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    preset = chosen_preset(arguments, list(command.presets))
    kind = options_of(command)
    prog = f"python -m experiments.{command.name}"
    options = parsed(kind, arguments, default=kind(command.presets[preset]), prog=prog)
    new = options.resume is None
    settings: Any = options.settings
    if new:
        settings = command.complete(settings)
        command.check(settings)
    else:
        default = next(iter(command.presets))
        changed = preset != default or options.settings != command.presets[preset] or options.output is not None
        refuse_settings(with_settings=changed)
    place = meeting(options.coordinator, options.processes, options.process_id, options.join_seconds)
    with joined(place, str(options.resume or options.output or "FOLDER")) as processes:
        if not new:
            values = processes.agreed(lambda: asdict(cast(Any, settings_of(folders.existing(options.resume), command))))
            settings = rebuild(type(settings), values)
        processes.refuse_other("the settings", asdict(settings) | {"--resume": str(options.resume)})
        use_devices(getattr(settings, "devices", 1))
        use_precision(getattr(settings, "precision", "tf32"))
        cache_compilations()
        path = options.resume or Path(
            processes.agreed(lambda: str(start(command.name, arguments, asdict(settings), options.output).path))
        )
        told = options.data_dir, options.manual_dir, Console(quiet=not processes.leads), new
        with remove_if_not_started(RunFolder(path), new=new and processes.leads):
            status = run(settings, Run(RunFolder(path), *told, trackers_in(options), processes))
        return processes.agreed(lambda: status)


def trackers_in(options: Any) -> tuple[str, ...]:
    """The names of the trackers that the options ask for."""
    return (*(["tensorboard"] if options.tensorboard else []), *options.tracker)


def options_of(command: Command[Any]) -> type[Any]:
    """The class of all options of a command; see ``options_type``."""
    return options_type(command.name, command.description, command.presets, command.preset_help)


def settings_of(folder: RunFolder, command: Command[Settings]) -> Settings:
    """The settings of an earlier run of a command.

    Raises:
      ValueError: the folder is not of this command or of this version, or its settings cannot be run.
    """
    kind = type(next(iter(command.presets.values())))
    return read_settings(folder, command.name, kind, command.check)


def start(
    name: str, arguments: Sequence[str], settings: Mapping[str, Any], output: Path | None, *, resumable: bool = True
) -> RunFolder:
    """Make the folder of a new run, with its config.json.

    Args:
      name: of the command's module.
      arguments: as the user wrote them.
      settings: as config.json is to hold them.
      output: where; by default runs/NAME-DATE-TIME.
      resumable: whether the command has ``--resume``.

    Raises:
      FileExistsError, PermissionError: the folder cannot be made.
    """
    path = output or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = folders.create(path, resumable=resumable)
    command = f"python -m experiments.{name} {shlex.join(arguments)}".strip()
    folder.write_json("config.json", {"experiment": name, "command": command, "settings": settings})
    return folder


def resume(path: Path, *, with_settings: bool) -> RunFolder:
    """Open the folder of an interrupted run.

    Args:
      path: its place.
      with_settings: whether the user gave settings too; the run has its own.

    Raises:
      ValueError: settings were given.
      FileNotFoundError: there is no such folder.
    """
    refuse_settings(with_settings=with_settings)
    return folders.existing(path)


def refuse_settings(*, with_settings: bool) -> None:
    """Raise a ValueError if the user gave settings beside ``--resume``."""
    if with_settings:
        raise ValueError(
            "--resume goes on with the settings of its run: leave out all others, except the data's folders"
        )


@contextmanager
def whole_or_nothing(
    name: str, arguments: Sequence[str], settings: Mapping[str, Any], output: Path
) -> Iterator[RunFolder]:
    """Make the folder of a command without ``--resume``, as ``start`` does; it is deleted if the command fails."""
    folder = start(name, arguments, settings, output, resumable=False)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder.path)
        raise


@contextmanager
def remove_if_not_started(folder: RunFolder, *, new: bool) -> Iterator[None]:
    """Delete the folder of a new run if the command fails before training starts (before data.json is written)."""
    try:
        yield
    except (ValueError, OSError):
        if new and not folder.has("data.json"):
            shutil.rmtree(folder.path)
        raise


def exit_with(main: Callable[[Sequence[str]], int]) -> None:
    """Run ``main`` on the arguments of the process and exit with its status.

    Orbax logs every failed read or write with its stack, and its destructors fail after that: both are silenced, as
    the sentence of the error says what matters.
    """
    if not os.environ.get("FEDPSYAU_TRACEBACK"):
        for name in ("absl", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        sys.unraisablehook = lambda _: None
    status = exit_status(lambda: main(sys.argv[1:]))
    leave(status)
    sys.exit(status)
