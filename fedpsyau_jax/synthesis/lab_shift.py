"""How strongly labs differ, factor by factor: parsed from text, and written as the name of a configuration."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fedpsyau_jax.options import did_you_mean


class LabShift(NamedTuple):
    """The strength of each factor in which labs differ, from 0 (not at all) to 1 (about as real databases do).

    ``camera``: resolution, sensor noise, compression, colour; ``frame_rate``: frames a second; ``light``: lamps and
    flicker; ``elicitation``: shares of the emotions; ``population``: skin, hair and variety of the people;
    ``annotators``: AUs that they overlook, or do not look for; ``subjects``: number of people.
    """

    camera: float = 0.0
    frame_rate: float = 0.0
    light: float = 0.0
    elicitation: float = 0.0
    population: float = 0.0
    annotators: float = 0.0
    subjects: float = 0.0

    def __str__(self) -> str:
        """As in the name of a configuration: one number if all are equal, else the factors that are not 0.

        >>> str(LabShift(*[0.5] * 7)), str(LabShift(light=1.0, frame_rate=0.25)), str(LabShift())
        ('0.5', 'frame_rate0.25-light1', '0')
        """
        if len(set(self)) == 1:
            return _number(self[0])
        return "-".join(f"{name}{_number(value)}" for name, value in self._asdict().items() if value)


FACTORS = tuple(name.replace("_", "-") for name in LabShift._fields)
"""The factors as they are written on a command line."""


def parse_shift(text: str) -> LabShift:
    """One number for all factors, or ``factor=strength`` for some, separated by commas or +; the others are 0.

    Raises:
        ValueError: an unknown factor, or a strength that is no number from 0 to 1; in one sentence.

    >>> parse_shift("0.5") == LabShift(*[0.5] * 7), parse_shift("light=1,frame-rate=0.5")._asdict()["frame_rate"]
    (True, 0.5)
    >>> parse_shift("lihgt=1")
    Traceback (most recent call last):
    ValueError: unknown factor lihgt: did you mean light?
    """
    if "=" not in text:
        return LabShift(*[_strength(text, text)] * len(FACTORS))
    given: dict[str, float] = {}
    for part in re.split(r"[,+]", text):
        name, equals, value = part.partition("=")
        factor = name.strip().replace("_", "-")
        if not equals:
            raise ValueError(f"{part!r} is not factor=strength, such as light=1,annotators=0.5")
        if factor not in FACTORS:
            raise ValueError(f"unknown factor {factor}: {did_you_mean(factor, FACTORS).strip() or _known()}")
        if factor in given:
            raise ValueError(f"{factor} is named twice")
        given[factor] = _strength(value, part)
    return LabShift(**{name.replace("-", "_"): value for name, value in given.items()})


def shift_of_name(text: str) -> LabShift:
    """The shift that ``str`` writes so.

    Raises:
        ValueError: it is not written so.

    >>> shift_of_name(str(LabShift(light=1.0, frame_rate=0.25))) == LabShift(light=1, frame_rate=0.25)
    True
    """
    return parse_shift(",".join(_assignments(text)) or text)


def _assignments(text: str) -> Iterator[str]:
    for part in text.split("-"):
        if found := re.fullmatch(r"([a-z_]+)([\d.]+)", part):
            yield f"{found[1]}={found[2]}"


def _known() -> str:
    return f"choose from {', '.join(FACTORS)}"


def _strength(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(
            f"{whole.strip()!r} has no strength from 0 to 1: give a number, or factor=strength ({_known()})"
        ) from None
    if not 0 <= value <= 1:
        raise ValueError(f"{whole.strip()}: a strength is from 0 (as alike as one database) to 1 (as real databases)")
    return value


def _number(value: float) -> str:
    return np.format_float_positional(value, trim="-")
