"""What a tracker is: three functions, and what they are given."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from experiments.results.schema import POOLED

__all__ = ["POOLED", "End", "Point", "Start", "Tracker"]


class Start(NamedTuple):
    """A run that starts, or is resumed.

    Attributes:
      command: "fed", "mer", "ablate" or "pretrain".
      folder: of the run, which a tracker may write to.
      settings: by their dotted names, as ``network.variant``.
    """

    command: str
    folder: Path
    settings: Mapping[str, Any]


class Point(NamedTuple):
    """The metrics of one round: a line of metrics.csv.

    Attributes:
      row: title of the row of the table.
      repeat: from 0.
      fold, client: names; both are ``POOLED`` in the points of a whole repeat.
      round: round or epoch, from 1.
      values: by name: train/loss, and test/ or validation/ with loss, accuracy, uf1, uar; without those that are NaN.
    """

    row: str
    repeat: int
    fold: str
    client: str
    round: int
    values: Mapping[str, float]


class End(NamedTuple):
    """A run that ends.

    Attributes:
      status: "finished"; "interrupted" by Ctrl-C; or "failed".
      scores: of each row and baseline, by name, as in summary.csv; without those that are NaN; empty if nothing was
        scored.
      figures: PNG files.
      files: the tables, JSON files and pages of the run, without its networks.
    """

    status: Literal["finished", "interrupted", "failed"]
    scores: Mapping[str, Mapping[str, float]]
    figures: Sequence[Path]
    files: Sequence[Path]


class Tracker(NamedTuple):
    """Three functions. What ``start`` returns, the others get first.

    ``start`` is called once by each process: at first and after every ``--resume``. ``log`` then gets each point once,
    after a ``--resume`` beginning with round 1. So a store that outlives the process is started anew, or keeps one
    value for each point. ``finish`` is called once, unless the process is killed.
    """

    start: Callable[[Start], Any]
    log: Callable[[Any, Sequence[Point]], object]
    finish: Callable[[Any, End], object]
