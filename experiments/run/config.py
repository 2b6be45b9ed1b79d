"""Settings read back from the config.json of an earlier run."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from experiments.run.folder import RunFolder

Settings = TypeVar("Settings")


def read_settings(
    folder: RunFolder, experiment: str, kind: type[Settings], check: Callable[[Settings], None]
) -> Settings:
    """The settings of an earlier run.

    Args:
      folder: of the run.
      experiment: the command that it must be of.
      kind: frozen dataclass of its settings.
      check: raises a ValueError for settings that cannot be run.

    Raises:
      ValueError: the folder is not of this command, or of another version of it, or its settings were edited into some
        that cannot be run.
    """
    config = folder.read_json("config.json")
    wrote = config.get("experiment", experiment) if isinstance(config, dict) else experiment
    if wrote != experiment:
        raise ValueError(f"{folder.path} is a run of experiments.{wrote}, not of experiments.{experiment}")
    try:
        settings = rebuild(kind, config["settings"])
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


def rebuild(kind: type[Settings], values: Any) -> Settings:
    """A dataclass from what JSON says of it: lists become tuples, dictionaries nested dataclasses.

    Raises:
      TypeError: a value is missing, unknown, or of another type than its field.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"expected settings, not {values!r}")
    hints = get_type_hints(kind)
    if missing := [one.name for one in fields(kind) if one.name not in values]:  # type: ignore[arg-type]
        raise TypeError(f"{missing[0]} is missing")
    return kind(**{name: _value(name, hints.get(name, Any), value) for name, value in values.items()})


def _value(name: str, hint: Any, value: Any) -> Any:
    from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

    if is_dataclass(hint):
        return rebuild(hint, value)  # type: ignore[arg-type]
    value = tuple(value) if isinstance(value, list) else value
    try:
        return check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError:
        raise TypeError(f"{name} is {value!r}") from None
