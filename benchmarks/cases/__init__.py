"""The cases of ``python -m benchmarks``: each yields records as soon as it has measured them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.records import Record
from benchmarks.sizes import Sizes


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
      sizes: How much.
      turns: Turns of each comparison.
      budget: Seconds of a comparison after which no further turn starts.
      peers: Interpreters of other libraries' environments, by name.
    """

    sizes: Sizes = field(default_factory=Sizes)
    turns: int = 5
    budget: float = 120.0
    peers: Mapping[str, Path] = field(default_factory=dict)


class Case(NamedTuple):
    """``title``, and what measures it, named as ``module:function`` and imported in the process that runs it."""

    title: str
    measure: str


Measure = Callable[[Plan], Iterator[Record]]

CASES: Mapping[str, Case] = {
    "round": Case("A round of the network, 5 clients x 100 examples", "benchmarks.cases.network:rounds"),
    "profile": Case("What one core does in such a round", "benchmarks.cases.profile:profile"),
    "rows": Case("Rows of a table in one program", "benchmarks.cases.network:rows"),
    "repeats": Case("Repeats in one program", "benchmarks.cases.network:repeats"),
    "folds": Case("An epoch of leave-one-subject-out folds in one program", "benchmarks.cases.network:folds"),
    "clients": Case("Many clients with a small network", "benchmarks.cases.clients:clients"),
    "loops": Case("The same rounds as a plain Python loop", "benchmarks.cases.loops:loops"),
    "peers": Case("The same federation in other libraries, on digits", "benchmarks.cases.peers:peers"),
    "flow": Case("Optical flow of faces of 128 x 128 pixels", "benchmarks.cases.flow:flow"),
    "command": Case("The default command, whole", "benchmarks.cases.command:command"),
}
