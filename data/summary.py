"""Short tables about the content of a copy and the dataset made from it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from data.annotations import Table
from data.apex import APEX_KINDS
from data.building import reading
from data.labels import CLASS_NAMES, NO_EMOTION, class_name
from data.survey import Survey
from data.telling import Lines, by_kind
from fedpsyau_jax.priors.action_units import ACTION_UNITS

if TYPE_CHECKING:
    from data.builder import MicroExpressionBuilder


def census(survey: Survey, database: str = "") -> Lines:
    """Rows and subjects of the tables, how they were read, and what can be made of them."""
    annotations = [annotation for table in survey.tables for annotation in table.annotations]
    subjects = {annotation.subject for annotation in annotations}
    unread = sum(len(table.dropped) for table in survey.tables)
    lines = [("table", f"{table.path.name}, SHA-256 {table.sha256[:16]}") for table in survey.tables]
    lines += [("columns", told) for table in survey.tables if (told := _columns(table))]
    lines += [("read so", remark) for table in survey.tables for remark in table.remarks]
    lines += [("not read", reason) for table in survey.tables for reason in table.passed_over]
    lines.append(("rows", f"{len(annotations) + unread} of {len(subjects)} subjects"))
    lines.append(("emotions", _counts(annotation.emotion or "none" for annotation in annotations)))
    for number in CLASS_NAMES:
        kept = [row for row in annotations if row.emotion and class_name(row.emotion, number, database)]
        if kept:
            names = _counts(str(class_name(row.emotion or "", number, database)) for row in kept)
            lines.append(
                (f"{number} classes", f"{len(kept)} of {len({row.subject for row in kept})} subjects: {names}")
            )
    lines.append(
        ("samples to be", f"{len(survey.clips)} of {len({c.annotation.subject for c in survey.clips})} subjects")
    )
    lines.append(("apexes", _counts(clip.apex_kind for clip in survey.clips)))
    lines.append(("landmarks", _counts("from files" if clip.landmarks else "to be detected" for clip in survey.clips)))
    return lines


def _columns(table: Table) -> str:
    """Which heading was read as which column."""
    return ", ".join(f"{name} = {heading!r}" for name, heading in table.headings.items())


def notes(survey: Survey) -> Lines:
    """What was mended, replaced or not understood: each kind and its rows."""
    told = ((clip.annotation, note) for clip in survey.clips for note in clip.notes)
    return by_kind((row.row if _by_row(survey) else row.clip, note) for row, note in told)


def seen(survey: Survey, recorded: Iterable[Mapping[str, Any]]) -> Lines:
    """What was noted while samples were made, of all that a dataset records: each kind and its rows."""
    known = Counter((clip.annotation.clip, note) for clip in survey.clips for note in clip.notes)
    told = [note for note in recorded if not known[note["clip"], note["note"]]]
    return by_kind((note["row"] if _by_row(survey) else note["clip"], note["note"]) for note in told)


def drops(survey: Survey, dropped: Iterable[Mapping[str, Any]]) -> Lines:
    """Why rows gave no sample: each reason and its rows."""
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


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())
