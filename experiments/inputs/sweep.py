"""Expand ``--sweep mu=0.001,0.01 batch=16,32`` into settings, one for each combination of values."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import product
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from experiments.inputs.algorithm_numbers import AlgorithmNumbers
from experiments.inputs.privacy import PrivacySettings
from experiments.inputs.ranges import check_ranges
from experiments.inputs.settings import AblateSettings, FedSettings, PretrainSettings, RunSettings
from fedpsyau_jax.options import did_you_mean, one_of, unquoted

Settings = TypeVar("Settings", bound=RunSettings)
SWEPT = ("mu", "self_weight", "learning_rate", "weight_decay", "gamma", "head_scale", "prior_ratio", "prior_schedule")
SWEPT_SHIFTS = ("lab_shift",)
SWEPT_SPLITS = ("classes", "clients")
SWEPT_OF_ALGORITHMS = ("participation", *(field.name for field in fields(AlgorithmNumbers)))
SWEPT_OF_PRIVACY = tuple(field.name for field in fields(PrivacySettings))
SWEPT_SHAPES = (
    "batch",
    "rounds",
    "epochs",
    "local_epochs",
    "warmup_epochs",
    "optimizer_state",
    "proximal",
    "statistics",
)
SWEPT_NETWORKS = ("variant", "attention", "masking")
"""Settings that a sweep can vary: numbers and shifts share a program; others need a program for each value."""
NOT_SWEPT = {"seed": "--repeats=N trains with other splits and initial weights, and tells how much scores vary"}
"""Settings that somebody may want to vary, and what to do instead."""


class Swept(NamedTuple):
    """A setting to vary: its option, the path of its field, and its values as text and as typed values."""

    option: str
    path: tuple[str, ...]
    texts: tuple[str, ...]
    values: tuple[Any, ...]


def points(settings: Settings) -> list[tuple[dict[str, str], Settings]]:
    """Each combination of swept values: their texts by option, and the settings with these values and no sweep.

    The first option varies slowest.

    Raises:
      ValueError: a name or value of ``--sweep`` cannot be used, in one sentence.

    >>> from experiments.inputs.settings import FedSettings
    >>> [(text, one.mu, one.batch) for text, one in points(FedSettings(sweep=("mu=0.1,1", "batch=8")))]
    [({'mu': '0.1', 'batch': '8'}, (0.1,), 8), ({'mu': '1', 'batch': '8'}, (1.0,), 8)]
    """
    axes = _axes(settings)
    return [_point(settings, axes, places) for places in product(*(range(len(axis.values)) for axis in axes))]


def data_points(settings: Settings) -> list[tuple[dict[str, str], Settings]]:
    """Each combination of the swept values that need splits of their own: their texts by option, and the settings.

    The settings have these values, and a sweep with these values only; other settings are varied as before.

    Raises:
      ValueError: as ``points``.

    >>> from experiments.inputs.settings import FedSettings
    >>> [(text, one.classes, one.sweep) for text, one in data_points(FedSettings(sweep=("mu=0,1", "classes=3,7")))]
    [({'classes': '3'}, 3, ('mu=0,1', 'classes=3')), ({'classes': '7'}, 7, ('mu=0,1', 'classes=7'))]
    """
    axes = _axes(settings)
    own = [axis for axis in axes if axis.path[-1] in SWEPT_SPLITS]
    found = []
    for places in product(*(range(len(axis.values)) for axis in own)):
        texts, point = _point(settings, own, places)
        sweep = tuple(
            f"{axis.option}={texts[axis.option]}" if axis in own else text
            for axis, text in zip(axes, settings.sweep, strict=True)
        )
        found.append((texts, replace(point, sweep=sweep)))
    return found


def sweepable(settings: RunSettings) -> dict[str, tuple[str, ...]]:
    """The path of each field that a sweep can vary, by option: ``{"prior-ratio": ("network", "prior_ratio")}``."""
    data = (*SWEPT_SHIFTS, *SWEPT_SPLITS)
    names: tuple[str, ...] = (*SWEPT, *SWEPT_OF_ALGORITHMS, *SWEPT_OF_PRIVACY, *data, *SWEPT_SHAPES, *SWEPT_NETWORKS)
    if isinstance(settings, AblateSettings):
        names = tuple(name for name in names if name != "variant")  # has an option of its own
    if isinstance(settings, PretrainSettings):
        nested: Sequence[str] = ("network", "pretraining")
    elif isinstance(settings, FedSettings):
        nested = ("network", "numbers", "privacy")
    else:
        nested = ("network",)
    paths: list[tuple[str, ...]] = [(name,) for name in get_type_hints(type(settings))]
    paths += [(outer, name) for outer in nested for name in get_type_hints(type(getattr(settings, outer)))]
    known = {path[-1]: path for path in paths if path[-1] in names}
    return {name.replace("_", "-"): known[name] for name in names if name in known}


def _axes(settings: RunSettings) -> list[Swept]:
    axes = [_parse(settings, text) for text in settings.sweep]
    options = [axis.option for axis in axes]
    if twice := [option for option in options if options.count(option) > 1]:
        raise ValueError(f"--sweep: {twice[0]} is named twice; give all of its values at once")
    return axes


def _point(settings: Settings, axes: Sequence[Swept], places: Sequence[int]) -> tuple[dict[str, str], Settings]:
    texts = {axis.option: axis.texts[place] for axis, place in zip(axes, places, strict=True)}
    point = replace(settings, sweep=())
    for axis, place in zip(axes, places, strict=True):
        point = _with_value(point, axis.path, axis.values[place])
    return texts, point


def _parse(settings: RunSettings, text: str) -> Swept:
    name, equals, listed = text.partition("=")
    option = name.removeprefix("--").replace("_", "-").rpartition(".")[2]
    texts = tuple(part.strip() for part in listed.split(",")) if listed else ()
    if not equals or not all(texts) or not texts:
        raise ValueError(f"--sweep {text}: write name=value,value,... for example learning-rate=0.001,0.01")
    known = sweepable(settings)
    if option in NOT_SWEPT:
        raise ValueError(f"--sweep {text}: {option} cannot be varied; {NOT_SWEPT[option]}")
    if option not in known:
        raise ValueError(f"--sweep {text}: {did_you_mean(option, known)}what can be varied is {', '.join(known)}")
    path = known[option]
    values = tuple(_value(settings, path, part, text) for part in texts)
    if len(set(values)) < len(values):
        raise ValueError(f"--sweep {text}: name each value once")
    return Swept(option, path, texts, values)


def _value(settings: RunSettings, path: Sequence[str], part: str, text: str) -> Any:
    """Parse and check a value of a setting."""
    owner: Any = settings
    for name in path[:-1]:
        owner = getattr(owner, name)
    hint = get_type_hints(type(owner), include_extras=True)[path[-1]]
    try:
        value = _converted(hint, part)
        check_ranges(_with_value(replace(settings, sweep=()), path, value))
    except ValueError as error:
        raise ValueError(f"--sweep {text}: {unquoted(str(error)).removeprefix('--')}") from None
    return value


def _converted(hint: Any, part: str) -> Any:
    if get_origin(hint) is Annotated:
        return _converted(get_args(hint)[0], part)
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (one for one in get_args(hint) if one is not NoneType)
        return _converted(inner, part)
    if get_origin(hint) is tuple:
        return (_converted(get_args(hint)[0], part),)
    if get_origin(hint) is Literal:
        choices = {str(choice): choice for choice in get_args(hint)}
        if part not in choices:
            raise ValueError(f"{part}: choose {one_of(list(choices))}")
        return choices[part]
    return hint(part)


def _with_value(owner: Any, path: Sequence[str], value: Any) -> Any:
    """Replace the value of a nested field of a dataclass."""
    name, *rest = path
    if rest and is_dataclass(inner := getattr(owner, name)):
        value = _with_value(inner, rest, value)
    return replace(owner, **{name: value})
