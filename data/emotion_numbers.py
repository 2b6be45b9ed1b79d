"""The meaning of the numbers in tables that name emotions by numbers."""

from collections.abc import Iterable, Mapping, Sequence

from data.annotations import Annotation, Table
from data.labels import SEVEN, THREE, emotion_name, emotion_number

EmotionNumbers = Mapping[int, str | None]
OF_MEGC: EmotionNumbers = dict(enumerate(THREE))
ALPHABETICAL: EmotionNumbers = dict(enumerate(SEVEN))


def parse_numbers(told: Sequence[str]) -> EmotionNumbers:
    """Parse the meaning of numbers as given by the user: ``1=negative``, ...

    Raises:
        ValueError: a word is not number=emotion.

    >>> parse_numbers(["1=negative", "2=Happy"])
    {1: 'negative', 2: 'happiness'}
    """
    meant: dict[int, str | None] = {}
    for word in told:
        number, equals, name = word.partition("=")
        if not equals or emotion_number(number) is None:
            raise ValueError(f"--emotions {word}: write number=emotion, as in --emotions 1=negative 2=positive")
        try:
            meant[int(number)] = emotion_name(name)
        except ValueError as error:
            raise ValueError(f"--emotions {word}: {error}") from error
    return meant


def with_emotions(table: Table, told: EmotionNumbers | None) -> Table:
    """A table with its numbers read as emotions; if some have no meaning, that is a problem.

    Unless the user says otherwise, numbers have the meaning of the database's own table, or, if there are only 0, 1
    and 2, that of MEGC 2019: negative, positive, surprise.

    Args:
        table: its annotations may hold numbers.
        told: what the user says the numbers mean.
    """
    numbers = sorted({row.emotion_number for row in table.annotations if row.emotion_number is not None})
    if not numbers:
        return table
    usual = (table.emotion_numbers, OF_MEGC)
    meant = told if told is not None else next((one for one in usual if one and set(numbers) <= one.keys()), {})
    unknown = [number for number in numbers if number not in meant]
    named = tuple(_named(row, meant) for row in table.annotations)
    if unknown:
        asked = " ".join(f"{number}=..." for number in numbers)
        problem = (
            f"{table.path}: the column emotion holds numbers, of which {_listed(unknown)} may mean anything; "
            f"say what they mean with --emotions {asked}"
        )
        return table._replace(annotations=named, problems=(*table.problems, problem))
    read = ", ".join(f"{number} = {meant[number] or 'none'}" for number in numbers)
    return table._replace(annotations=named, remarks=(*table.remarks, f"emotion numbers are read as {read}"))


def _named(row: Annotation, meant: EmotionNumbers) -> Annotation:
    return row if row.emotion_number is None else row._replace(emotion=meant.get(row.emotion_number))


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
