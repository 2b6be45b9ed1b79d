"""Options of a command that trains: its settings, and where it reads and writes."""

from collections.abc import Mapping, Sequence
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro


def options_type(name: str, description: str, presets: Mapping[str, Any], preset_help: str) -> type[Any]:
    """A frozen dataclass of all options of a command, for the parser.

    Args:
      name: of the command.
      description: first line of its help.
      presets: settings by name; the first is the default.
      preset_help: what the presets are.

    Returns:
      A class with ``settings``, ``preset`` (if there are several), ``output``, ``resume``, ``data_dir``,
      ``manual_dir``, ``coordinator``, ``processes``, ``process_id``, ``join_seconds``, ``tensorboard`` and ``tracker``.
    """
    first, settings = next(iter(presets.items()))
    fields = [
        ("settings", Annotated[type(settings), tyro.conf.arg(name="")], field(default_factory=lambda: settings)),
        *([_option("preset", Literal[tuple(presets)], preset_help, first)] if len(presets) > 1 else []),
        _option(
            "output",
            Path | None,
            f"Folder for the results; it must not exist. By default runs/{name}-DATE-TIME.",
        ),
        _option("resume", Path | None, "Continue an interrupted run in this folder, with its settings."),
        _option("data_dir", Path | None, "Folder of the databases; by default TFDS_DATA_DIR, else tfds's own."),
        _option(
            "manual_dir",
            tuple[str, ...],
            "Your copy of a real database, or of several, each as name=FOLDER; needed the first time only.",
            (),
        ),
        _option(
            "coordinator",
            str | None,
            "Train with other processes, which meet at this HOST:PORT of process 0; slurm takes everything from Slurm.",
        ),
        _option("processes", int | None, "Number of processes that train together."),
        _option("process_id", int | None, "Which of them this one is, from 0; process 0 writes and shows the results."),
        _option("join_seconds", int, "How long processes wait for each other at the start.", 300),
        _option("tensorboard", bool, "Write event files for TensorBoard into the run folder.", False),
        _option(
            "tracker",
            tuple[str, ...],
            "Report metrics, scores and figures to tensorboard, mlflow, or your own three functions as module:name.",
            (),
        ),
    ]
    return make_dataclass("Options", fields, frozen=True, namespace={"__doc__": description})


def chosen_preset(arguments: Sequence[str], presets: Sequence[str]) -> str:
    """The preset that the arguments name, or the first one; it decides the defaults of the other options.

    Raises:
      ValueError: there is no such preset.
    """
    for index, argument in enumerate(arguments if len(presets) > 1 else []):
        name, _, value = argument.partition("=")
        if name == "--preset":
            value = value or (arguments[index + 1] if index + 1 < len(arguments) else "")
            if value not in presets:
                raise ValueError(f"--preset={value}: choose one of {', '.join(presets)}")
            return value
    return presets[0]


def _option(name: str, kind: Any, text: str, default: Any = None) -> tuple[str, Any, Any]:
    return name, Annotated[kind, tyro.conf.arg(help=text)], field(default=default)
