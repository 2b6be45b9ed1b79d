"""Partitions by name: ``even``, ``dirichlet:0.3``, ``quantity:1.5``, ``shards:2``, ``labs``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from experiments.inputs.ranges import AMOUNT, COUNT, RATE, Range
from experiments.inputs.settings import FedSettings
from fedpsyau_jax.options import did_you_mean

if TYPE_CHECKING:
    from fedpsyau_jax.splits import Least, Partition

EVEN, LABS = "even", "labs"
"""Subjects at random; each place where data were recorded is a client, or equally many with subjects at random."""
_MOST_SUBJECTS = 1_000


class Kind(NamedTuple):
    """The number of a partition: what it is called, its type and range."""

    number: str
    type: Callable[[str], float]
    range: Range


KINDS: Mapping[str, Kind] = {
    "dirichlet": Kind("ALPHA", float, RATE),
    "quantity": Kind("SIGMA", float, AMOUNT),
    "shards": Kind("CLASSES", int, COUNT),
}
"""By the name of the function of ``fedpsyau_jax.splits`` that takes the number."""


def parse_partition(text: str) -> tuple[str, float | None]:
    """Name and number of ``--partition``; parsed without importing anything heavy.

    Raises:
        ValueError: there is no such partition, or its number is missing or out of range.

    >>> parse_partition("dirichlet:0.3"), parse_partition("even")
    (('dirichlet', 0.3), ('even', None))
    >>> parse_partition("dirichlet:0")
    Traceback (most recent call last):
    ValueError: --partition=dirichlet:0: ALPHA must be greater than 0, and finite
    """
    if text in (EVEN, LABS):
        return text, None
    name, _, number = text.partition(":")
    if name not in KINDS:
        choices = [EVEN, *(f"{one}:{kind.number}" for one, kind in KINDS.items()), LABS]
        guess = did_you_mean(name, [EVEN, *KINDS, LABS])
        raise ValueError(f"--partition={text}: {guess}there are {', '.join(choices)}")
    kind = KINDS[name]
    try:
        value = kind.type(number)
    except ValueError:
        what = "a whole number" if kind.type is int else "a number"
        raise ValueError(f"--partition={text}: {kind.number} must be {what}, as in {name}:1") from None
    if not kind.range.holds(value):
        raise ValueError(f"--partition={text}: {kind.number} must be {kind.range.words}")
    return name, value


def partition_named(text: str) -> "Partition":
    """The partition of ``--partition``; of ``labs``, that within a place."""
    from fedpsyau_jax import splits

    name, number = parse_partition(text)
    partition: Partition = splits.even if number is None else getattr(splits, name)(number)
    return partition


def least_of(settings: FedSettings) -> "Least":
    """What a client must have, so that there are subjects or examples for training, validation and test.

    >>> least_of(FedSettings()), least_of(FedSettings(validation_share=0.2)), least_of(FedSettings(split="examples"))
    (Least(subjects=2, examples=2), Least(subjects=3, examples=3), Least(subjects=1, examples=2))
    """
    from fedpsyau_jax.splits import Least
    from fedpsyau_jax.splits.clients import num_tested

    if settings.split == "examples":
        return Least(1, 2)
    trained = 2 if settings.validation_share else 1

    enough = (n for n in range(2, _MOST_SUBJECTS) if n - num_tested(n, settings.train_share) >= trained)
    number = next(enough, _MOST_SUBJECTS)
    return Least(number, number)
