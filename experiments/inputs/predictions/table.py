"""Read a table of predictions: a row a clip, columns with headings."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from data.grids import Grid, TableError, grids_of, is_blank
from data.headings import letters
from experiments.inputs.predictions.classes import class_key
from experiments.inputs.predictions.columns import (
    ROLES,
    is_number,
    listed,
    places,
    probability_places,
    with_lists_as_columns,
)
from experiments.inputs.predictions.values import RawFile, RawRow

_LAST_HEADER_ROW = 60
_NEEDED = "a truth (truth, label, gt, ...) and a prediction (pred, y_pred, ..., or a column of probabilities per class)"


class IncompleteError(TableError):
    """A header names truth or prediction, but not both: perhaps it is none."""


class Header(NamedTuple):
    """A header line and what is below it.

    Attributes:
        number: of the line, from 1.
        line: its cells.
        rows: the lines below that are not blank, with their numbers.
        found: role -> places of the headings that fit, the best first.
        probabilities: class -> place of its probabilities.
    """

    number: int
    line: Sequence[object]
    rows: Sequence[tuple[int, Sequence[object]]]
    found: Mapping[str, Sequence[int]]
    probabilities: Mapping[str, int]

    @property
    def predicts(self) -> bool:
        """Whether there are predictions or probabilities."""
        return bool(self.found.get("prediction") or self.probabilities)

    @property
    def is_whole(self) -> bool:
        """Whether there are truths and predictions."""
        return bool(self.found.get("truth")) and self.predicts

    def name(self, place: int) -> str:
        """A heading."""
        return str(self.line[place]).strip()


def parse_columns(told: Sequence[str]) -> dict[str, str]:
    """Parse which heading holds what: ``truth=Emotion prediction=Out``.

    Raises:
        ValueError: a word is not role=heading.

    >>> parse_columns(["truth=My Emotion"])
    {'truth': 'My Emotion'}
    """
    chosen = {}
    for word in told:
        role, equals, heading = word.partition("=")
        if not equals or role not in ROLES or not heading:
            raise ValueError(f"--columns {word}: write one of {', '.join(ROLES)}, =, and a heading of the file")
        chosen[role] = heading
    return chosen


def read_table(path: Path, chosen: Mapping[str, str]) -> RawFile | None:
    """The predictions of a table; None if no line is a header with truth or prediction.

    Args:
        path: a workbook or text, as ``data.grids`` reads them.
        chosen: role -> heading, where the user says so.

    Raises:
        IncompleteError: there is such a header, but it names no truth or no prediction.
        TableError: something below it is missing or wrong; the message names what and where.
        OSError: the file cannot be read.
    """
    headers = [header for _, grid in grids_of(path) if (header := _header(grid, chosen))]
    if not headers:
        if chosen:
            raise TableError(f"{path}: no line has the headings of --columns ({listed(chosen.values())})")
        return None
    best = max(headers, key=lambda header: (header.is_whole, len(header.found), len(header.rows)))
    if not best.is_whole:
        lacking = "no prediction" if best.found.get("truth") else "no truth"
        if len(best.line) == 1:
            return None
        raise IncompleteError(
            f"{path}, row {best.number}: the headings {listed(best.line)} name {lacking}; needed are {_NEEDED}; say "
            f"which it is with --columns {'prediction' if best.found.get('truth') else 'truth'}=HEADING"
        )
    if not best.rows:
        raise TableError(f"{path}: nothing is below its header")
    return _read(path, best)


def _header(grid: Grid, chosen: Mapping[str, str]) -> Header | None:
    """The first line that is a whole header; else the first that says truth or prediction."""
    partial = None
    for number, line in enumerate(grid[:_LAST_HEADER_ROW], 1):
        found = places(line)
        named = {role: _places_of(line, heading) for role, heading in chosen.items()}
        if not (found.keys() & {"truth", "prediction"} or any(named.values())) or not all(named.values()):
            continue
        rows = [(below, row) for below, row in enumerate(grid[number:], number + 1) if not all(map(is_blank, row))]
        wide, cells = with_lists_as_columns(line, [row for _, row in rows])
        numbered = list(zip([below for below, _ in rows], cells, strict=True))
        header = Header(number, wide, numbered, {**found, **named}, {})
        header = header._replace(probabilities=_probabilities(header))
        if header.is_whole:
            return header
        partial = partial or (header if len(found) > 1 or header.probabilities else None)
    return partial


def _places_of(line: Sequence[object], heading: str) -> list[int]:
    return [place for place, cell in enumerate(line) if isinstance(cell, str) and letters(cell) == letters(heading)]


def _probabilities(header: Header) -> dict[str, int]:
    of_roles = {place for all_of in header.found.values() for place in all_of}
    free = [None if place in of_roles else cell for place, cell in enumerate(header.line)]
    named = probability_places(free, [row for _, row in header.rows])
    return named or probability_places(header.line, [row for _, row in header.rows])


def _read(path: Path, header: Header) -> RawFile:
    for number, row in header.rows:
        if not all(map(is_blank, row[len(header.line) :])):
            raise TableError(f"{path}, row {number}: it has more cells than the header; quote cells that hold a comma")
    predictions = [place for place in header.found.get("prediction", []) if place not in header.probabilities.values()]
    used = {role: all_of[0] for role, all_of in header.found.items() if all_of and role not in ("truth", "prediction")}
    used |= _truth_and_prediction(header, predictions)
    _refuse_no_number(path, header)
    rows = tuple(_raw(row, number, used, header.probabilities) for number, row in header.rows)
    headings = {role: header.name(place) for role, place in used.items()}
    return RawFile(rows, tuple(header.probabilities), tuple(_remarks(header, used, rows)), headings)


def _refuse_no_number(path: Path, header: Header) -> None:
    """See that probabilities are numbers."""
    for number, row in header.rows:
        for place in header.probabilities.values():
            cell = row[place] if place < len(row) else None
            if not is_number(cell):
                told = "is empty" if is_blank(cell) else f"is {str(cell).strip()!r}, no number"
                raise TableError(f"{path}, row {number}: {header.name(place)!r} {told}; correct it, or delete the row")


def _truth_and_prediction(header: Header, predictions: Sequence[int]) -> dict[str, int]:
    """Of several columns that may be the truth or the prediction, those with the most classes in common."""
    classes = {place: _classes(header, place) for place in (*header.found["truth"], *predictions)}
    of_columns = {class_key(name) for name in header.probabilities}

    def in_common(pair: tuple[int, int | None]) -> float:
        one, other = classes[pair[0]], of_columns if pair[1] is None else classes[pair[1]]
        return len(one & other) / max(len(one | other), 1)

    candidates: Sequence[int | None] = predictions or [None]
    truth, prediction = max(product(header.found["truth"], candidates), key=in_common)
    return {"truth": truth} | ({} if prediction is None else {"prediction": prediction})


def _classes(header: Header, place: int) -> set[str | None]:
    return {class_key(_text(row, place)) for _, row in header.rows}


def _raw(row: Sequence[object], number: int, used: Mapping[str, int], probabilities: Mapping[str, int]) -> RawRow:
    cells = {role: _text(row, place) for role, place in used.items()}
    known = {"truth": "", "prediction": ""} | cells
    return RawRow(number, **known, probabilities=tuple(float(str(row[place])) for place in probabilities.values()))


def _text(row: Sequence[object], place: int) -> str:
    cell = row[place] if place < len(row) else None
    if is_blank(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _remarks(header: Header, used: Mapping[str, int], rows: Sequence[RawRow]) -> list[str]:
    read = ", ".join(f"{role} from {header.name(place)!r}" for role, place in used.items())
    remarks = [f"columns: {read}"]
    for role, place in used.items():
        others = [header.name(other) for other in header.found[role] if other != place]
        if others and role in ("truth", "prediction"):
            remarks.append(f"the {role} is read from {header.name(place)!r}, not from {listed(others)}")
    if header.probabilities:
        headings = [header.name(place) for place in header.probabilities.values()]
        remarks.append(f"probabilities from {listed(headings)}")
        if "prediction" not in used:
            remarks.append("a clip's prediction is its most probable class" + _ties(rows))
    elif ignored := [header.name(place) for place in range(len(header.line)) if _looks_ignored(header, place, used)]:
        remarks.append(f"not read: {listed(ignored)}")
    return remarks


def _ties(rows: Sequence[RawRow]) -> str:
    tied = [row.number for row in rows if row.probabilities.count(max(row.probabilities)) > 1]
    return f"; the first of equally probable ones in {len(tied)} rows (the first is row {tied[0]})" if tied else ""


def _looks_ignored(header: Header, place: int, used: Mapping[str, int]) -> bool:
    in_a_role = place in used.values() or any(place in all_of for all_of in header.found.values())
    return not in_a_role and not is_blank(header.line[place]) and not is_number(header.line[place])
