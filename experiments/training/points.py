"""The rounds of trainings as points for trackers: each once, those of a whole repeat when all its parts have them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from experiments.results.schema import KEYS, POOLED
from experiments.trackers.protocol import Point
from experiments.training.chunks import TrainingResult
from experiments.training.prepare import Prepared
from experiments.training.records import round_table

SCORES = ("loss", "accuracy", "uf1", "uar")


class RoundPoints:
    """The points that have not been taken yet. The folds of a repeat may be trained in several chunks."""

    def __init__(self, prepared: Prepared) -> None:
        """No point has been taken."""
        self.prepared = prepared
        self.planned = Counter((one.row, one.repeat) for one in prepared.table.trainings)
        self.place = {id(training): place for place, training in enumerate(prepared.table.trainings)}
        self.taken: set[tuple[Any, ...]] = set()
        self.num_parts: dict[tuple[str, int, int], int] = {}

    def new(self, trained: Sequence[TrainingResult]) -> list[Point]:
        """The points of some trainings, by round, without those that an earlier call returned."""
        points = []
        ordered = sorted(trained, key=lambda one: self.place[id(one.training)])
        for repeat, parts in groupby(ordered, key=lambda one: (one.training.row, one.training.repeat)):
            for line in self._lines(repeat, list(parts)):
                if (key := tuple(line[name] for name in (*KEYS, "round"))) not in self.taken:
                    self.taken.add(key)
                    points.append(point_of(line))
        return sorted(points, key=lambda one: one.round)

    def _lines(self, repeat: tuple[str, int], parts: Sequence[TrainingResult]) -> Iterator[Any]:
        """Lines of metrics.csv of the rounds that more parts of a repeat have than before."""
        for number in range(max(len(one.history["loss_sum"]) for one in parts)):
            present = [one for one in parts if len(one.history["loss_sum"]) > number]
            if self.num_parts.get((*repeat, number)) == len(present):
                continue
            self.num_parts[*repeat, number] = len(present)
            table = round_table(self.prepared, present, number)
            whole = len(present) == self.planned[repeat]
            yield from (table if whole else table[table["client"] != POOLED]).to_dict("records")


def point_of(line: Any) -> Point:
    """The point of a line of metrics.csv."""
    values = {"train/loss": line["train_loss"]} | {f"{line['scored']}/{name}": line[name] for name in SCORES}
    defined = {name: float(value) for name, value in values.items() if pd.notna(value)}
    return Point(line["algorithm"], int(line["repeat"]), line["fold"], line["client"], int(line["round"]), defined)
