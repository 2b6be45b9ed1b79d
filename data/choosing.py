"""Decide which of several headings that fit one column is meant, or refuse with a message that names them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain, product

from data.action_units import parse_action_units
from data.grids import is_blank
from data.headings import FRAMES, LOOSE, SPELLINGS, letters
from data.labels import emotion_name

Reader = Callable[[object], object]
_MOST = 0.5  # of a column's cells
_NEARLY_ALL = 0.9
_FORMS: Mapping[str, Callable[[str], object]] = {
    "au": lambda text: _numbers_in(text),
    "emotion": lambda text: _as_emotion(text) or text.lower(),
}


class AmbiguousError(ValueError):
    """Several headings fit one column and nothing tells which is meant; the message names them."""


class Chosen(dict[str, int]):
    """Our column names -> places; ``remarks`` says what was passed over, or found by its cells."""

    remarks: list[str]


def chosen_columns(
    line: Sequence[object],
    rows: Sequence[Sequence[object]],
    found: Mapping[str, Sequence[int]],
    readers: Mapping[str, Reader],
    usual: Mapping[str, int] | None = None,
) -> Chosen:
    """One place for each of our columns.

    Onset, apex and offset are those whose headings are alike (``OnsetF``, ``ApexF``), then those that say frame, then
    those with the fewest other columns between. Elsewhere, and where these are equal, columns that say the same are
    one; else the one whose cells can be read. Emotions stand under any heading, if one column's cells are emotions.

    Args:
        line: the header.
        rows: the lines below.
        found: as of ``headings``.
        readers: our column name -> reads a cell, ValueError if it is none.
        usual: where the column of emotions stands, whatever its heading; None not to look for emotions.

    Raises:
        AmbiguousError: nothing tells which of several headings is meant.
    """
    cells = {place: [row[place] if place < len(row) else None for row in rows] for place in range(len(line))}
    alike: dict[str, Sequence[int]] = {name: _distinct(name, places, cells) for name, places in found.items()}
    result = Chosen()
    result.remarks = []
    result |= _frames(line, {name: alike[name] for name in FRAMES if name in alike}, cells)
    for name in [name for name in alike if name not in FRAMES]:
        result[name] = _only(name, line, alike[name], cells, readers)
    for name, places in found.items():
        others = [place for place in places if place != result[name]]
        told = f"{name} is read from {_named(line, result[name])}, not from"
        result.remarks += [f"{told} {' or '.join(_named(line, place) for place in others)}"] if others else []
    if usual is not None:
        _find_emotions(line, cells, result, usual.get("emotion"))
    return result


def _distinct(name: str, places: Sequence[int], cells: Mapping[int, Sequence[object]]) -> Sequence[int]:
    """Drop columns with the same content as an earlier one, and empty columns unless there are no others."""
    filled = [place for place in places if not all(map(is_blank, cells[place]))] or places[:1]
    if name == "au":
        filled = [place for place in filled if not any(_is_extract(cells, place, other) for other in filled)] or filled
    kept: dict[tuple[object, ...], int] = {}
    for place in filled:
        kept.setdefault(tuple(_form(name, cell) for cell in cells[place]), place)
    return list(kept.values())


def _is_extract(cells: Mapping[int, Sequence[object]], place: int, other: int) -> bool:
    """Whether a column of AUs holds some of another's and no more, as where sides or doubts were left out."""
    parts, wholes = ([_numbers_in(str(cell)) for cell in cells[here]] for here in (place, other))
    pairs = list(zip(parts, wholes, strict=True))
    return all(part <= whole for part, whole in pairs) and any(part < whole for part, whole in pairs)


def _numbers_in(text: str) -> frozenset[int]:
    return frozenset(map(int, re.findall(r"\d+", text)))


def _form(name: str, cell: object) -> object:
    """What a cell says, without zeros before numbers, and as the column's reader understands it."""
    if is_blank(cell):
        return frozenset() if name == "au" else None
    text = re.sub(r"(?<![\d.])0+(?=\d)|(?<=\d)\.0+$", "", str(cell).strip())
    return _FORMS.get(name, str.lower)(text)


def _frames(
    line: Sequence[object], places: Mapping[str, Sequence[int]], cells: Mapping[int, Sequence[object]]
) -> dict[str, int]:
    usable = {
        name: [place for place in here if _share(cells[place], _whole) > _MOST] or here for name, here in places.items()
    }
    if not usable:
        return {}
    ranked = sorted(
        (_closeness(line, dict(zip(usable, combination, strict=True)), frozenset(chain(*usable.values()))), combination)
        for combination in product(*usable.values())
    )
    best = [combination for closeness, combination in ranked if closeness == ranked[0][0]]
    for which, name in enumerate(usable):
        contenders = sorted({combination[which] for combination in best})
        if len(contenders) > 1:
            raise AmbiguousError(_told(name, line, contenders))
    return dict(zip(usable, best[0], strict=True))


def _closeness(line: Sequence[object], places: Mapping[str, int], frames: frozenset[int]) -> tuple[int, int, int]:
    """A rank, smaller is better: kinds of endings, names without one, other columns between the first and the last."""
    endings = [_ending(name, str(line[place])) for name, place in places.items()]
    between = set(range(min(places.values()), max(places.values()))) - frames
    return len(set(endings)), endings.count(""), len(between)


def _ending(name: str, heading: str) -> str:
    """What follows the name in a heading, without digits.

    >>> _ending("apex", "ApexF1"), _ending("offset", "OffestFrame"), _ending("onset", "Onset")
    ('f', 'frame', '')
    """
    word = letters(re.sub(r"[(\[].*?[)\]]", "", heading))
    spelling = word if word.startswith(name) else next(iter(get_close_matches(word, SPELLINGS[name], 1)), name)
    return re.sub(r"\d", "", spelling.removeprefix(name))


def _only(
    name: str,
    line: Sequence[object],
    places: Sequence[int],
    cells: Mapping[int, Sequence[object]],
    readers: Mapping[str, Reader],
) -> int:
    read = {"au": parse_action_units, "emotion": _emotion, **readers}.get(name)
    readable = [place for place in places if read and _share(cells[place], read) > _MOST]
    left = readable if len(readable) == 1 else places
    if len(left) > 1:
        raise AmbiguousError(_told(name, line, left))
    return left[0]


def _find_emotions(
    line: Sequence[object], cells: Mapping[int, Sequence[object]], result: Chosen, usual: int | None
) -> None:
    """Take the column whose cells are emotions, where the heading leads to none."""
    here = result.get("emotion")
    loose = here is not None and letters(str(line[here])) in LOOSE["emotion"]
    if here is not None and _share(cells[here], _emotion) > (_MOST if loose else 0):
        return
    if here is not None and not loose and not all(map(is_blank, cells[here])):
        return
    free = [place for place in cells if place not in result.values()]
    fitting = [place for place in free if _share(cells[place], _emotion) >= _NEARLY_ALL]
    fitting = list(_distinct("emotion", fitting, cells)) if fitting else []
    fitting = [usual] if usual in fitting and usual is not None else fitting
    if len(fitting) > 1:
        raise AmbiguousError(_told("emotion", line, fitting))
    if fitting:
        result["emotion"] = fitting[0]
        result.remarks.append(f"emotion is read from {_named(line, fitting[0])}, whose cells are emotions")


def _share(cells: Iterable[object], read: Reader) -> float:
    """How many of the cells that are not blank can be read; 0 if all are blank."""
    told = [cell for cell in cells if not is_blank(cell)]
    return sum(_reads(cell, read) for cell in told) / len(told) if told else 0.0


def _reads(cell: object, read: Reader) -> bool:
    try:
        return read(cell) is not None
    except ValueError:
        return False


def _whole(cell: object) -> object:
    """A cell that can be a frame; ``/`` and other words stand for none."""
    number = float(str(cell)) if re.fullmatch(r"-?\d+(\.\d*)?", str(cell).strip()) else 0.0
    return cell if number.is_integer() else None


def _emotion(cell: object) -> str | None:
    return emotion_name(cell)


def _as_emotion(text: str) -> str | None:
    try:
        return emotion_name(text)
    except ValueError:
        return None


def _named(line: Sequence[object], place: int) -> str:
    """A heading and where it stands, as spreadsheets call it."""
    letter, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        letter = chr(ord("A") + digit) + letter
    heading = "" if is_blank(line[place]) else str(line[place]).strip()
    return f"{heading!r} (column {letter})"


def _told(name: str, line: Sequence[object], places: Sequence[int]) -> str:
    return f"several headings fit the column {name}: {' and '.join(_named(line, place) for place in places)}"
