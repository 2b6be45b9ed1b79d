"""The classes of somebody's predictions, whether they are written as words or as numbers."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from data.labels import EMOTIONS, THREE, emotion_name
from experiments.inputs.predictions.values import RawFile, RawRow, joined

_ABBREVIATED = {"ne": "negative", "po": "positive", "surp": "surprise"}
_UNKNOWN = frozenset({"", "nan", "none", "null", "na", "n/a", "?", "-", "--", "/"})
_OF_MEGC = dict(zip("012", THREE, strict=True))


class Named(NamedTuple):
    """Classes by their names: of each row the true and the predicted one, all of them in order, and remarks."""

    truths: list[str]
    predictions: list[str]
    probability_names: tuple[str, ...]
    class_names: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


def class_key(text: str) -> str | None:
    """One spelling of a class: of an emotion ours, of a number its digits, else small letters; None for none.

    >>> [class_key(text) for text in (" Happy", "1.0", "Tense ", "NaN", "03", "tensor([2])")]
    ['happiness', '1', 'tense', None, '3', '2']
    """
    plain = unicodedata.normalize("NFKC", text).strip().lower().strip("'\"")
    plain = re.sub(r"^(?:tensor|array|np\.int\d*)?\(?\[?\s*([+-]?\d+)\s*\]?\)?$", r"\1", plain)
    if plain in _UNKNOWN:
        return None
    if found := re.fullmatch(r"([+-]?)0*(\d+)(?:\.0*)?", plain):
        return f"{found[1].replace('+', '')}{found[2]}"
    try:
        return emotion_name(plain) or plain
    except ValueError:
        return _ABBREVIATED.get(plain, plain)


def parse_meanings(told: Sequence[str]) -> dict[str, str]:
    """Parse what numbers mean: ``0=negative 1=positive``.

    Raises:
        ValueError: a word is not number=class.

    >>> parse_meanings(["0=Negative", "1=happy"])
    {'0': 'negative', '1': 'happiness'}
    """
    meant = {}
    for word in told:
        number, equals, name = word.partition("=")
        key, meaning = class_key(number), class_key(name)
        if not equals or not _is_number(key) or meaning is None:
            raise ValueError(f"--emotions {word}: write number=class, as in --emotions 0=negative 1=positive")
        meant[str(key)] = meaning
    return meant


def named(path: object, file: RawFile, meanings: Mapping[str, str]) -> Named:
    """The classes of each row.

    Numbers mean what ``meanings`` says; else the columns of probabilities in their order, if those have names; else,
    if they are exactly 0, 1 and 2, MEGC 2019's negative, positive and surprise.

    Args:
        path: of the file, for messages.
        file: its rows.
        meanings: number -> class.

    Raises:
        ValueError: a row has no truth or prediction, or nothing says which class a number is.
    """
    truths = [_key(path, row, "truth", row.truth) for row in file.rows]
    columns = [class_key(name) or name for name in file.probability_names]
    predictions = [
        columns[_highest(row)] if columns and not row.prediction else _key(path, row, "prediction", row.prediction)
        for row in file.rows
    ]
    written = _in_order({*truths, *predictions, *columns})
    numbers = [key for key in written if _is_number(key)]
    meant, remarks = _meanings(path, numbers, written, columns, meanings)
    if unknown := [key for key in numbers if meant and key not in meant]:
        raise ValueError(f"{path}: class {unknown[0]} has no meaning; give one with --emotions {unknown[0]}=...")
    truths, predictions = ([meant.get(key, key) for key in keys] for keys in (truths, predictions))
    names = _in_order({meant.get(key, key) for key in written})
    of_columns = tuple(meant.get(key, key) for key in columns)
    _refuse_columns(path, of_columns, file.rows, truths, predictions)
    return Named(truths, predictions, of_columns, names, tuple(remarks), tuple(_cautions(truths, predictions)))


def _key(path: object, row: RawRow, what: str, text: str) -> str:
    key = class_key(text)
    if key is None:
        raise ValueError(f"{path}, row {row.number}: no {what}; fill it in, or delete the row")
    if re.fullmatch(r"[+-]?(\d+\.\d*|\d*\.\d+)(e[+-]?\d+)?", key):
        raise ValueError(
            f"{path}, row {row.number}: the {what} is {text.strip()}, which is no class; give whole numbers"
        )
    return key


def _highest(row: RawRow) -> int:
    return max(range(len(row.probabilities)), key=row.probabilities.__getitem__)


def _meanings(
    path: object, numbers: list[str], written: Iterable[str], columns: list[str], told: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Number -> class, empty where numbers stay numbers; and what was assumed."""
    words = [key for key in written if not _is_number(key)]
    if told or not numbers:
        return dict(told), []
    if columns and not any(map(_is_number, columns)) and all(_is_index(number, columns) for number in numbers):
        meant = dict(zip(map(str, range(len(columns))), columns, strict=True))
        read = f"class numbers are read as the columns of probabilities in their order ({', '.join(columns)})"
        return meant, [read]
    if words:
        asked = " ".join(f"{number}=..." for number in numbers[:3])
        raise ValueError(
            f"{path}: some classes are numbers ({joined(numbers)}) and others are words ({joined(words)}); say what "
            f"the numbers mean with --emotions {asked}"
        )
    if set(numbers) == _OF_MEGC.keys():
        told_so = ", ".join(f"{number} = {name}" for number, name in _OF_MEGC.items())
        return dict(_OF_MEGC), [f"class numbers are read as those of MEGC 2019 ({told_so}); else give --emotions"]
    return {}, []


def _refuse_columns(
    path: object, columns: Sequence[str], rows: Sequence[RawRow], truths: Sequence[str], predictions: Sequence[str]
) -> None:
    """See that columns of probabilities have the classes of the rows, once."""
    if not columns:
        return
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise ValueError(f"{path}: two columns of probabilities are of the class {twice[0]}; keep one")
    for row, truth, prediction in zip(rows, truths, predictions, strict=True):
        for key in (truth, prediction):
            if key not in columns:
                raise ValueError(
                    f"{path}, row {row.number}: class {key} has no column of probabilities ({', '.join(columns)}); "
                    "say what numbers mean with --emotions, or remove these columns"
                )


def _cautions(truths: Sequence[str], predictions: Sequence[str]) -> list[str]:
    only_predicted = sorted({*predictions} - {*truths})
    if not only_predicted:
        return []
    plural = "classes" if len(only_predicted) > 1 else "class"
    return [f"no clip is of the {plural} {joined(only_predicted)}, which is predicted: it enters UF1 as 0"]


def _in_order(keys: Collection[str]) -> tuple[str, ...]:
    """Classes in their usual order: emotions as MEGC or we order them, numbers, other words."""
    usual = (*THREE, "others") if {*keys} <= {*THREE, "others"} else EMOTIONS

    def order(key: str) -> tuple[int, float, str]:
        if key in usual:
            return 0, usual.index(key), key
        return (1, float(key), key) if _is_number(key) else (2, 0.0, key)

    return tuple(sorted(set(keys), key=order))


def _is_number(key: str | None) -> bool:
    return bool(key and re.fullmatch(r"-?\d+", key))


def _is_index(number: str, columns: Sequence[str]) -> bool:
    return 0 <= int(number) < len(columns)
