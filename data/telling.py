"""Summarise what happened to which rows, briefly even if there are many."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from data.annotations import Annotation

Lines = list[tuple[str, str]]
_FEW_CLIPS = 5
_FEW_MESSAGES = 4


def told_once(problems: Iterable[tuple[Path, Annotation, str]]) -> list[str]:
    """A line for each problem; one that several rows share, as those of one video do, names them together.

    So does a line for more than four of a table that differ in numbers only: it tells the first of them.

    Args:
        problems: table, row and what is wrong with it.
    """
    kinds: dict[tuple[Path, str], dict[str, list[Annotation]]] = defaultdict(lambda: defaultdict(list))
    for path, row, problem in problems:
        kinds[path, re.sub(r"\d+", "0", problem)][problem].append(row)
    lines = []
    for (path, _), alike in kinds.items():
        if len(alike) > _FEW_MESSAGES:
            alike = {f"{next(iter(alike))} (or like it)": list(chain.from_iterable(alike.values()))}
        lines += [f"{path}, {_rows(same)}, {_named(same)}: {problem}" for problem, same in alike.items()]
    return lines


def _rows(rows: Sequence[Annotation]) -> str:
    return f"row{'s' * (len(rows) > 1)} {', '.join(ranges(row.row for row in rows))}"


def _named(rows: Sequence[Annotation]) -> str:
    few = rows if len(rows) <= _FEW_CLIPS else rows[:1]
    others = f" and {len(rows) - 1} others" if len(rows) > _FEW_CLIPS else ""
    return f"clip{'s' * (len(rows) > 1)} {', '.join(row.clip for row in few)}{others}"


def by_kind(told: Iterable[tuple[int | str, str]]) -> Lines:
    """Messages with the rows (or clips) that they are about; many that differ in numbers only are told together.

    >>> by_kind([(3, "frame 7 is missing"), (5, "frame 9 is missing"), (4, "no face"), (6, "no face")])
    [('frame 7 is missing', '1: row 3'), ('frame 9 is missing', '1: row 5'), ('no face', '2: rows 4, 6')]
    >>> by_kind([(row, f"frame {row} is missing") for row in range(1, 6)])
    [('frame 1 is missing (or like it)', '5: rows 1-5')]
    """
    kinds: dict[str, dict[str, list[int | str]]] = defaultdict(lambda: defaultdict(list))
    for place, message in told:
        kinds[re.sub(r"\d+", "0", message)][message].append(place)
    lines = []
    for alike in kinds.values():
        if len(alike) > _FEW_MESSAGES:
            alike = {f"{next(iter(alike))} (or like it)": list(chain.from_iterable(alike.values()))}
        lines += [(message, _places(places)) for message, places in alike.items()]
    return lines


def _places(places: Sequence[int | str]) -> str:
    """How many, and which.

    >>> _places([2, 3, 4, 7, 8]), _places(["S005_001"])
    ('5: rows 2-4, 7, 8', '1: S005_001')
    """
    rows = [place for place in places if isinstance(place, int)]
    named = [place for place in places if isinstance(place, str)]
    word = f"row{'s' * (len(rows) > 1)} " if rows else ""
    return f"{len(places)}: {word}{', '.join([*ranges(rows), *named])}"


def ranges(numbers: Iterable[int]) -> list[str]:
    """Numbers in order; three or more that follow one another as a range.

    >>> ranges([3, 2, 4, 7, 8])
    ['2-4', '7', '8']
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = ([f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run) for run in runs)
    return list(chain.from_iterable(told))
