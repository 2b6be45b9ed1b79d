"""What a copy holds and what was made of it, as short tables."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from data.apex import APEX_KINDS
from data.building import reading
from data.labels import CLASS_NAMES, NO_EMOTION, class_name
from data.survey import Survey
from fedpsyau_jax.priors.action_units import ACTION_UNITS

if TYPE_CHECKING:
    from data.builder import MicroExpressionBuilder

Lines = list[tuple[str, str]]
_FEW = 4


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
    lines.append(("apexes", _counts(clip.apex_kind for clip in survey.clips)))
    lines.append(("landmarks", _counts("from files" if clip.landmarks else "to be detected" for clip in survey.clips)))
    return lines


def notes(survey: Survey) -> Lines:
    """What was mended, replaced or not understood: each kind and its rows."""
    told = ((clip.annotation, note) for clip in survey.clips for note in clip.notes)
    return by_kind((row.row if _by_row(survey) else row.clip, note) for row, note in told)


def drops(survey: Survey, dropped: Iterable[Mapping[str, Any]]) -> Lines:
    """Why rows became no sample: each reason and its rows."""
    return by_kind((row["row"] if _by_row(survey) else row["clip"], row["reason"]) for row in dropped)


def _by_row(survey: Survey) -> bool:
    """Whether a row's number tells which one it is: not of several tables, or of a folder of label files."""
    return len(survey.tables) == 1 and survey.tables[0].path.is_file()


def contents(builder: "MicroExpressionBuilder") -> Lines:
    """Samples, subjects, emotions, apexes and AUs of a dataset on disk, read one sample at a time.

    Raises:
        OSError: it cannot be read.
    """
    emotions, apexes, subjects = Counter[int](), Counter[int](), set[bytes]()
    present, known = np.zeros(len(ACTION_UNITS)), np.zeros(len(ACTION_UNITS))
    with reading(builder) as records:
        for record in records:
            emotions[int(record["emotion"])] += 1
            apexes[int(record["apex_kind"])] += 1
            subjects.add(record["subject"])
            present += record["au"] * record["au_mask"]
            known += record["au_mask"]
    shown = zip(ACTION_UNITS, present, known, strict=True)
    felt = {NO_EMOTION: "none", **dict(enumerate(builder.class_names))}
    return [
        ("samples", f"{emotions.total()} of {len(subjects)} subjects"),
        ("emotions", _counts({felt[place]: count for place, count in emotions.items()})),
        ("apexes", _counts({APEX_KINDS[place]: count for place, count in apexes.items()})),
        ("AUs (of known)", ", ".join(f"AU{au} {shows:.0f}/{of:.0f}" for au, shows, of in shown)),
    ]


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
        if len(alike) > _FEW:
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
    return f"{len(places)}: {word}{', '.join([*_ranges(rows), *named])}"


def _ranges(rows: Iterable[int]) -> list[str]:
    """Numbers; three or more that follow one another as a range."""
    runs: list[list[int]] = []
    for row in sorted(rows):
        if runs and row == runs[-1][-1] + 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    return [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())
