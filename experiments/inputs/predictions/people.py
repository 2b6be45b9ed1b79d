"""Whose clip a prediction is of: database, subject and clip in one spelling, from columns, tags and names."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from experiments.inputs.predictions.values import RawRow

_DATABASES: Mapping[str, str] = {
    "casme3": r"cas[\s_-]?\(?me\)?[\s_^-]*(?:iii|3|³)",
    "casme2": r"cas[\s_-]?\(?me\)?[\s_^-]*(?:ii|2|²)",
    "casme": r"casme(?:[\s_^-]*(?:i|1))?",
    "smic": r"smic(?:[\s_-]?(?:e[\s_-]?)?(?:hs|vis|nir)(?:[\s_-]?e)?)?",
    "samm": r"samm",
    "dfme": r"dfme",
    "mmew": r"mmew",
}
_TAGS = {name: re.compile(rf"(?<![a-z0-9]){tag}(?![a-z0-9])", re.IGNORECASE) for name, tag in _DATABASES.items()}
_LONGEST_LOSO = 10
_SUBJECT_FIRST = re.compile(
    r"(?:.*[/\\])?((?:sub(?:ject)?|spno\.?|s|p|person)[\s_-]?\d+|\d{2,4})[_/\\\s-]", re.IGNORECASE
)
_ENDING = re.compile(r"\.(?:avi|mp4|mov|mkv|npy|npz|mat|pkl|pt|csv|txt|jpe?g|png|bmp)$", re.IGNORECASE)


class Person(NamedTuple):
    """Database, subject and clip; empty where unknown."""

    database: str
    subject: str
    clip: str


class People(NamedTuple):
    """Of each row, whose clip it is; how that was found; what is not known, in sentences."""

    persons: list[Person]
    remarks: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


def people(rows: Sequence[RawRow]) -> People:
    """Whose clip each row is of.

    The database is that of its column, else of a tag in the subject's or the clip's name (``samm_006``), else of the
    form of the clip's name. The subject is that of its column, else of the clip's
    name, else of the folds of a leave-one-subject-out.

    >>> rows = [RawRow(2, "0", "1", clip="casme2/sub01/EP02_01f.avi"), RawRow(3, "0", "1", "6", "006_1_2", "SAMM")]
    >>> for person in people(rows).persons: print(*person)
    casme2 sub01 EP02_01f
    samm 006 006_1_2
    """
    tagged = [_tagged(row) for row in rows]
    inferred = [person.database == "" and _of_form(person) is not None for person in tagged]
    found = [_in_own_spelling(person) for person in tagged]
    remarks = ["the database of a clip is told by the form of its name"] if any(inferred) else []
    persons, more, cautions = _with_subjects(rows, found)
    return People(persons, (*remarks, *more), tuple(cautions))


def _tagged(row: RawRow) -> Person:
    """A row's database by its column or a tag, subject and clip without it."""
    database = _database(row.database) or row.database.strip().lower()
    subject, clip = row.subject, _ENDING.sub("", row.clip)
    for name, tag in _TAGS.items():
        for text in (subject, clip):
            if not database and tag.search(text):
                database = name
        if database == name:
            subject, clip = _without(tag, subject), _without(tag, clip)
    return Person(database, subject, clip)


def _database(text: str) -> str:
    """Our name of a database; empty if it is none that we know.

    >>> _database("CAS(ME)^3"), _database("CASME II"), _database("SMIC-HS"), _database("mine")
    ('casme3', 'casme2', 'smic', '')
    """
    return next((name for name, tag in _TAGS.items() if tag.match(text.strip())), "")


def _without(tag: re.Pattern[str], text: str) -> str:
    """What follows the last tag of a name."""
    return text[[*tag.finditer(text)][-1].end() :].strip(" _-/\\:") if tag.search(text) else text


def _casme2(person: Person) -> Person | None:
    clip = re.search(r"EP\d+(?:_\d+)*f?(?![A-Za-z0-9])", person.clip, re.IGNORECASE)
    subject = re.fullmatch(r"(?:sub(?:ject)?|s)?[\s_-]*0*(\d{1,2})", person.subject, re.IGNORECASE)
    subject = subject or re.search(r"sub[\s_-]*0*(\d{1,2})(?!\d)", person.clip, re.IGNORECASE)
    if not clip or not subject:
        return None
    return Person("casme2", f"sub{int(subject[1]):02d}", "EP" + clip[0][2:].lower())


def _samm(person: Person) -> Person | None:
    """A clip like ``006_1_2``; of an unknown database, the name must be no more than this."""
    name = re.split(r"[/\\]", person.clip)[-1]
    clip = r"0*(\d{1,3})_(\d+)_(\d+)"
    if person.database:
        found = re.search(rf"(?<![\dA-Za-z]){clip}(?![\d_])", person.clip)
    else:
        found = re.fullmatch(rf"(?:\d{{3}}_)?{clip}", name)
    subject = re.search(r"\d+", person.subject)
    if not found or (subject and int(subject[0]) != int(found[1])):
        return None
    return Person("samm", f"{int(found[1]):03d}", f"{int(found[1]):03d}_{int(found[2])}_{int(found[3])}")


def _smic(person: Person) -> Person | None:
    found = re.search(r"(?<![A-Za-z0-9])s0*(\d{1,2})_(ne|po|sur)_0*(\d{1,2})(?!\d)", person.clip, re.IGNORECASE)
    if not found:
        return None
    subject = f"s{int(found[1]):02d}"
    return Person("smic", subject, f"{subject}_{found[2].lower()}_{int(found[3]):02d}")


_FORMS: Mapping[str, Callable[[Person], Person | None]] = {"smic": _smic, "casme2": _casme2, "samm": _samm}


def _of_form(person: Person) -> Person | None:
    """A clip in its database's spelling; of an unknown database, if its name has the form of one's."""
    if person.database:
        form = _FORMS.get(person.database)
        return form(person) if form else None
    return next((known for form in _FORMS.values() if (known := form(person))), None)


def _in_own_spelling(person: Person) -> Person:
    return _of_form(person) or person


def _with_subjects(rows: Sequence[RawRow], found: list[Person]) -> tuple[list[Person], list[str], list[str]]:
    """Persons with a subject each where that can be known; remarks and cautions."""
    if all(person.subject for person in found):
        return found, [], []
    if lacking := [row.number for row, person in zip(rows, found, strict=True) if not row.subject and row.clip]:
        named = [_SUBJECT_FIRST.match(person.clip) for person in found]
        if all(name or person.subject for name, person in zip(named, found, strict=True)):
            own = [
                person if person.subject or not name else person._replace(subject=name[1])
                for name, person in zip(named, found, strict=True)
            ]
            return own, ["subjects are read from the names of the clips"], []
    folds = {row.fold for row in rows}
    if all(folds) and len(folds) > _LONGEST_LOSO:
        own = [person._replace(subject=person.subject or row.fold) for row, person in zip(rows, found, strict=True)]
        return own, [f"the {len(folds)} folds are taken for the subjects of a leave-one-subject-out"], []
    some = any(person.subject for person in found)
    which = f"row {lacking[0]} names no subject" if some and lacking else "the file names no subjects"
    caution = f"{which}, so there are no intervals; add a column `subject`, or a line above the clips of each"
    return found if not some else [person._replace(subject="") for person in found], [], [caution]
