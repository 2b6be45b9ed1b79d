"""Records as tables, for a terminal and for a page."""

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

Record = dict[str, Any]
WIDE = 8
"""A section whose records tell more than this is shown record by record, in two columns."""


def rich_tables(report: Record) -> Iterator[Table]:
    """A table for each section."""
    for name, section in report["sections"].items():
        header, rows = _rows(section["records"])
        table = Table(*header, title=_title(name, section), box=SIMPLE_HEAD, title_justify="left")
        for row in rows:
            table.add_row(*row)
        yield table


def markdown(report: Record) -> str:
    """All sections as a part of a page."""
    lines = [f"{name}: {value}  " for name, value in report["about"].items()]
    for name, section in report["sections"].items():
        header, rows = _rows(section["records"])
        lines += ["", f"### {_title(name, section)}", ""]
        lines += [_line(header), _line(["---"] * len(header)), *map(_line, rows)] if rows else []
    return "\n".join(lines) + "\n"


def _title(name: str, section: Record) -> str:
    problem = f": {section['error']}" if section.get("error") else ""
    return f"{name} ({section['seconds']:.0f} s){problem}"


def _rows(records: list[Record]) -> tuple[list[str], list[list[str]]]:
    columns = list(dict.fromkeys(key for record in records for key in record))
    if len(columns) <= WIDE:
        return columns, [[_shown(record.get(key)) for key in columns] for record in records]
    told = [key for key in columns if key != "what"]
    header = ["", *(record["what"] for record in records)]
    return header, [[key, *(_shown(record.get(key)) for record in records)] for key in told]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
