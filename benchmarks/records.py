"""What ``python -m benchmarks`` measures: records of alternatives that took turns, as a table and as JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

COLUMNS = ("what", "compile s", "median (range)", "ratio (range)", "MB", "floor", "x floor", "accuracy")
NOT_MEASURED = ""


class Record(NamedTuple):
    """One alternative of a case.

    ``what``: in words; ``unit``: that the seconds are counted in, such as "s a round"; ``seconds``: of each turn;
    ``ratio``: of each turn, how many times as long this took as the first alternative of its case, or as
    ``ratio_to`` says; ``compile_seconds``: tracing included; ``megabytes``: as the compiler plans, or the most that a
    process of its own held; ``floor``: seconds below which this machine cannot do this work, by its operations or its
    bytes; ``accuracy``: on test examples; ``note``: why there is nothing, or what to know.
    """

    what: str
    unit: str
    seconds: tuple[float, ...] = ()
    ratio: tuple[float, ...] = ()
    ratio_to: str = ""
    compile_seconds: float | None = None
    megabytes: float | None = None
    floor: float | None = None
    accuracy: float | None = None
    note: str = ""


class Measured(NamedTuple):
    """All of a case: ``title``, ``seconds`` that measuring took, ``megabytes`` of its process, ``error``, records."""

    title: str
    seconds: float
    megabytes: float
    error: str
    records: tuple[Record, ...]


def compared(records: Iterable[Record]) -> tuple[Record, ...]:
    """The same with their ratios to the first one, turn by turn."""
    first, *others = records
    return first, *(_against(first, other) for other in others)


def _against(first: Record, other: Record) -> Record:
    if not other.seconds or len(other.seconds) != len(first.seconds):
        return other
    ratio = np.divide(other.seconds, first.seconds)
    return other._replace(ratio=tuple(ratio.tolist()), ratio_to=first.what)


def as_json(cases: Mapping[str, Measured]) -> dict[str, Any]:
    """Of each case everything, by names."""
    return {
        name: case._asdict() | {"records": [record._asdict() for record in case.records]}
        for name, case in cases.items()
    }


def from_json(cases: Mapping[str, Any]) -> dict[str, Measured]:
    """What ``as_json`` made, read again."""
    return {
        name: Measured(**case | {"records": tuple(_record(record) for record in case["records"])})
        for name, case in cases.items()
    }


def _record(values: Mapping[str, Any]) -> Record:
    return Record(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def number(value: float) -> str:
    """Three digits.

    >>> number(0.0123456), number(12.3456), number(1234.5)
    ('0.0123', '12.3', '1,234')
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Median, and the range in brackets; nothing of no values."""
    if not len(values):
        return NOT_MEASURED
    middle, least, most = (number(one) for one in (float(np.median(values)), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({least}-{most})"


def cells(record: Record) -> Iterator[str]:
    """A line of the table."""
    yield record.what
    yield NOT_MEASURED if record.compile_seconds is None else f"{record.compile_seconds:.1f}"
    yield f"{spread(record.seconds)} {record.unit}" if record.seconds else record.note
    yield spread(record.ratio)
    yield NOT_MEASURED if record.megabytes is None else f"{record.megabytes:,.0f}"
    yield NOT_MEASURED if record.floor is None else number(record.floor)
    yield number(float(np.median(record.seconds)) / record.floor) if record.floor and record.seconds else NOT_MEASURED
    yield NOT_MEASURED if record.accuracy is None else f"{record.accuracy:.3f}"


def table_of(case: Measured) -> Table:
    """For the terminal."""
    about = case.error or f"{case.seconds:.0f} s to measure, process at most {case.megabytes:,.0f} MB"
    table = Table(*COLUMNS, title=f"{case.title} ({about})", title_justify="left", box=SIMPLE_HEAD)
    for record in case.records:
        table.add_row(*cells(record))
    return table


def markdown(cases: Mapping[str, Measured]) -> str:
    """For docs/performance.md: a heading and a table for each case, and what there is to know below."""
    return "\n\n".join(_section(case) for case in cases.values())


def _section(case: Measured) -> str:
    lines = [f"### {case.title}", ""]
    if case.records:
        rows = [COLUMNS, ["---"] * len(COLUMNS), *map(cells, case.records)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    known = [f"- {record.what}: {record.note}" for record in case.records if record.note and record.seconds]
    lines += ["", *known] if known else []
    measured = f"{case.seconds:.0f} s to measure; its process held at most {case.megabytes:,.0f} MB."
    lines += ["", case.error or measured]
    return "\n".join(lines)
