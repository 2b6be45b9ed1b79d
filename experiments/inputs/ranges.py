"""Ranges of settings, declared as ``Annotated[int, COUNT]`` and checked by ``check_ranges``."""

from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from math import inf
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

SEEDS = 2**31
"""All random generators accept seeds from 0 to below this."""


class Range(NamedTuple):
    """A range of numbers: the words after "it must be", and a predicate."""

    words: str
    holds: Callable[[Any], bool]


COUNT = Range("at least 1", lambda value: value >= 1)
FOLDS = SEVERAL = Range("at least 2", lambda value: value >= 2)
SEED = Range(f"at least 0, and below {SEEDS}", lambda value: 0 <= value < SEEDS)
SHARE = Range("between 0 and 1", lambda value: 0 <= value <= 1)
POSITIVE_SHARE = Range("greater than 0, and at most 1", lambda value: 0 < value <= 1)
PROPER_SHARE = Range("between 0 and 1, both excluded", lambda value: 0 < value < 1)
UP_TO_HALF = Range("between 0 and 0.5", lambda value: 0 <= value <= 0.5)
RATE = Range("greater than 0, and finite", lambda value: 0 < value < inf)
AMOUNT = Range("at least 0, and finite", lambda value: 0 <= value < inf)


def check_ranges(settings: Any, prefix: str = "") -> None:
    """Check every setting that declares a range, in nested settings too.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    for name, hint in get_type_hints(type(settings), include_extras=True).items():
        value = getattr(settings, name)
        if is_dataclass(value):
            check_ranges(value, f"{prefix}{name}.")
            continue
        for declared in _ranges(hint):
            wrong = [one for one in (value if isinstance(value, tuple) else [value]) if not _holds(declared, one)]
            if wrong:
                option = f"{prefix}{name}".replace("_", "-")
                raise ValueError(f"--{option}={wrong[0]}: it must be {declared.words}")


def _holds(declared: Range, value: Any) -> bool:
    return value is None or declared.holds(value)


def _ranges(hint: Any) -> list[Range]:
    """The ranges that a type declares, also inside ``tuple[...]`` and ``... | None``."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        return [note for note in notes if isinstance(note, Range)] + _ranges(inner)
    return [found for argument in get_args(hint) for found in _ranges(argument)]


def check_once(option: str, names: Sequence[str], kind: str) -> None:
    """Refuse names of which one occurs twice, and no names at all.

    Raises:
      ValueError: which option.
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{option} {' '.join(names)}: name each {kind} once, and at least one")
