"""How every command begins: the folder of a new run, or that of an interrupted one with its settings."""

import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
import pandas as pd
from rich.console import Console
from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from data.dataset import Dataset
from experiments.inputs.configs import NetworkSettings, PretrainingSettings
from experiments.results import schema as records
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder
from fedpsyau_jax.checkpoint import Checkpoints
from fedpsyau_jax.types import PyTree

Settings = TypeVar("Settings")


def started(
    experiment: str,
    arguments: Sequence[str],
    settings: Mapping[str, Any],
    output: Path | None,
    *,
    resumable: bool = True,
) -> RunFolder:
    """The folder of a new run with its config.json.

    Args:
      experiment: name of the command's module.
      arguments: as the user wrote them.
      settings: as config.json is to hold them.
      output: where; by default runs/EXPERIMENT-DATE-TIME.
      resumable: whether the command has ``--resume``.

    Raises:
      FileExistsError, PermissionError: the folder cannot be made.
    """
    path = output or Path("runs") / f"{experiment}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = runfolder.create(path, resumable=resumable)
    command = f"python -m experiments.{experiment} {shlex.join(arguments)}".strip()
    folder.write_json("config.json", {"experiment": experiment, "command": command, "settings": settings})
    return folder


def resumed(path: Path, *, with_settings: bool) -> RunFolder:
    """The folder of an interrupted run.

    Args:
      path: its place.
      with_settings: whether the user gave settings too, which are its own.

    Raises:
      ValueError: settings were given.
      FileNotFoundError: there is no such folder.
    """
    if with_settings:
        raise ValueError(
            "--resume goes on with the settings of its run: leave out all others, except the data's folders"
        )
    return runfolder.existing(path)


@contextmanager
def gone_unless_begun(folder: RunFolder, *, new: bool) -> Iterator[None]:
    """After a mistake before anything began, the same --output can be used once it is mended."""
    try:
        yield
    except (ValueError, OSError):
        if new and not folder.has("data.json"):
            shutil.rmtree(folder.path)
        raise


def restored(checkpoints: Checkpoints, like: PyTree, unit: str = "epoch") -> tuple[int, PyTree] | None:
    """The state to go on from, and after how many epochs or rounds it is; None where training starts anew.

    Args:
      checkpoints: of the interrupted training; a warning names each that is broken.
      like: structure, shapes and dtypes of the state.
      unit: "epoch" or "round".
    """
    if (found := checkpoints.restore(like)) is None:
        return None
    for sentence in found.passed_over:
        told = f"Warning: {sentence.replace('round', unit)}; going on from {unit} {found.step}."
        Console(stderr=True).print(told, style="yellow")
    return None if found.state is None else (found.step, found.state)


def write_facts(folder: RunFolder, dataset: Dataset, splits: Sequence[Mapping[str, Any]]) -> None:
    """Write what a run depends on; in a resumed run, see that it is still the same, and complete what is missing.

    data.json comes last: once it is there, everything is.

    Args:
      folder: of the run.
      dataset: that it is about.
      splits: rows of clients.csv.

    Raises:
      ValueError: the data or the splits are not those of the interrupted run, or a file is damaged.
    """
    if folder.has("data.json"):
        refuse_changed(folder, folder.read_facts("data.json", "fingerprint")["fingerprint"], dataset)
    write_unless_same(folder, "clients.csv", pd.DataFrame(splits))
    write_environment(folder)
    folder.write_json("data.json", facts_of(dataset))


def write_unless_same(folder: RunFolder, name: str, table: pd.DataFrame) -> None:
    """Write a table that follows from settings and data; in a resumed run, see that it still does.

    Raises:
      ValueError: another one is there.
    """
    if not folder.has(name):
        folder.write_table(name, table)
    elif (folder.path / name).read_bytes() != runfolder.as_csv(table).encode():
        raise ValueError(
            f"{folder.path / name} is not what the settings and the data of this run give now: if the file was damaged "
            "or edited, delete it; if the code has changed, go back to its earlier version, or start a new run"
        )


def write_environment(folder: RunFolder) -> None:
    """Write environment.json, unless a resumed run has it.

    Raises:
      ValueError: it is damaged.
    """
    if not folder.has("environment.json"):
        folder.write_json("environment.json", runfolder.environment())
    folder.read_facts("environment.json", *runfolder.ENVIRONMENT)


def facts_of(dataset: Dataset) -> dict[str, Any]:
    """What data.json says about a dataset."""
    return records.data_facts(
        dataset.name,
        dataset.subject.tolist(),
        np.asarray(dataset.examples.emotion),
        dataset.class_names,
        dataset.au_names,
        synthetic=dataset.synthetic,
        fingerprint=dataset.fingerprint,
        drops=dataset.metadata.get("dropped", []),
    )


def refuse_changed(
    folder: RunFolder,
    fingerprint: str,
    dataset: Dataset,
    so: str = "the run cannot go on; start a new one",
) -> None:
    """Let a run be used only with the data that it began with.

    Args:
      folder: of the run.
      fingerprint: of its data.
      dataset: as it is now.
      so: what follows if it is another, and what to do.

    Raises:
      ValueError: it is another.
    """
    if fingerprint != dataset.fingerprint:
        raise ValueError(
            f"{folder.path} was run on data with fingerprint {fingerprint[:12]}, but {dataset.name} has "
            f"{dataset.fingerprint[:12]} now: {so}"
        )


def read_settings(
    folder: RunFolder,
    experiment: str,
    build: Callable[[dict[str, Any]], Settings],
    check: Callable[[Settings], None],
) -> Settings:
    """The settings of an earlier run.

    Args:
      folder: of the run.
      experiment: that it must be of.
      build: from the values of config.json, where tuples, ``network`` and ``pretraining`` are what they were.
      check: raises a ValueError for settings that cannot be run.

    Raises:
      ValueError: the folder is not one of this experiment, or of another version of it, or somebody edited its
        settings into some that cannot be run.
    """
    config = folder.read_json("config.json")
    wrote = config.get("experiment", experiment) if isinstance(config, dict) else experiment
    if wrote != experiment:
        raise ValueError(f"{folder.path} is a run of experiments.{wrote}, not of experiments.{experiment}")
    try:
        values = _with_tuples(config["settings"])
        values["network"] = NetworkSettings(**_with_tuples(values["network"]))
        values["pretraining"] = PretrainingSettings(**values["pretraining"])
        settings = build(values)
        refuse_mistyped(settings)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder.path}/config.json is not that of a run of experiments.{experiment} ({error}); restore it, or "
            "start a new run"
        ) from None
    try:
        check(settings)
    except ValueError as error:
        raise ValueError(f"{folder.path}/config.json has {error}") from None
    return settings


def refuse_mistyped(settings: object) -> None:
    """See that each field holds what its type says, in nested settings too.

    Raises:
      TypeError: which one does not.
    """
    for name, hint in get_type_hints(type(settings)).items():
        value = getattr(settings, name)
        if is_dataclass(value):
            refuse_mistyped(value)
            continue
        try:
            check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        except TypeCheckError:
            raise TypeError(f"{name} is {value!r}") from None


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in dict(values).items()}
