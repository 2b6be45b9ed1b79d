"""What a copy holds and what was made of it, as short tables."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from data.clips import Clip
from data.dataset import Dataset
from data.labels import CLASS_NAMES, class_name
from data.survey import Survey

Lines = list[tuple[str, str]]


def census(survey: Survey) -> Lines:
    """Rows and subjects of the tables, and what can be made of them."""
    annotations = [annotation for table in survey.tables for annotation in table.annotations]
    subjects = {annotation.subject for annotation in annotations}
    unread = sum(len(table.dropped) for table in survey.tables)
    lines = [("table", f"{table.path.name}, SHA-256 {table.sha256[:16]}") for table in survey.tables]
    lines += [("not read", reason) for table in survey.tables for reason in table.passed_over]
    lines.append(("rows", f"{len(annotations) + unread} of {len(subjects)} subjects"))
    lines.append(("emotions", _counts(annotation.emotion or "none" for annotation in annotations)))
    for number in CLASS_NAMES:
        kept = [row for row in annotations if row.emotion and class_name(row.emotion, number)]
        if kept:
            names = _counts(str(class_name(row.emotion or "", number)) for row in kept)
            lines.append(
                (f"{number} classes", f"{len(kept)} of {len({row.subject for row in kept})} subjects: {names}")
            )
    lines.append(
        ("samples to be", f"{len(survey.clips)} of {len({c.annotation.subject for c in survey.clips})} subjects")
    )
    return lines


def notes(clips: Sequence[Clip]) -> Lines:
    """What was mended, replaced or not understood: each kind and its rows."""
    return by_kind((clip.annotation.row, note) for clip in clips for note in clip.notes)


def drops(dropped: Iterable[Mapping[str, Any]]) -> Lines:
    """Why rows became no sample: each reason and its rows."""
    return by_kind((row["row"], row["reason"]) for row in dropped)


def contents(dataset: Dataset) -> Lines:
    """Samples, subjects, emotions and AUs of a dataset."""
    emotion, au, mask = dataset.examples.emotion, dataset.examples.au, dataset.examples.au_mask
    named = ("none" if place < 0 else dataset.class_names[place] for place in emotion.tolist())
    shown = zip(dataset.au_names, np.sum(au * mask, 0), np.sum(mask, 0), strict=True)
    return [
        ("samples", f"{len(dataset.clip)} of {len(set(dataset.subject.tolist()))} subjects"),
        ("emotions", _counts(named)),
        ("AUs (of known)", ", ".join(f"{name} {present:.0f}/{known:.0f}" for name, present, known in shown)),
    ]


def by_kind(told: Iterable[tuple[int, str]]) -> Lines:
    """Messages that differ in numbers only, together: (kind, "count: rows").

    >>> by_kind([(3, "frame 7 is missing"), (5, "frame 9 is missing"), (4, "no face")])
    [('frame 7 is missing (or like it)', '2: rows 3, 5'), ('no face', '1: row 4')]
    """
    kinds: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row, message in told:
        kinds[re.sub(r"\d+", "0", message)].append((row, message))
    lines = []
    for members in kinds.values():
        alike = len({message for _, message in members}) == 1
        rows = _ranges([row for row, _ in members])
        label = members[0][1] if alike else f"{members[0][1]} (or like it)"
        lines.append((label, f"{len(members)}: row{'s' * (len(members) > 1)} {rows}"))
    return lines


def _ranges(rows: Iterable[int]) -> str:
    """Numbers in a line; three or more that follow one another as a range.

    >>> _ranges([2, 3, 4, 7, 8])
    '2-4, 7, 8'
    """
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][-1] + 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    told = [[f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run) for run in runs]
    return ", ".join(chain.from_iterable(told))


def _counts(names: Iterable[str]) -> str:
    counted: dict[str, int] = defaultdict(int)
    for name in names:
        counted[name] += 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counted.items(), key=lambda item: -item[1]))
