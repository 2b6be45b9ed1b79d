"""How many clips of which class each subject has in a known protocol, and how other lists of clips differ from it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from data.labels import THREE, LeftOut
from data.protocols import COMPOSITE2019, ClipName, clip_name, composite2019
from data.smic.names import KINDS

if TYPE_CHECKING:
    from data.dataset import Dataset

Classed = tuple[ClipName, str]
_MOST_TOLD = 8
_COUNTS = {
    "smic": """s01 3 2 1 s02 0 1 5 s03 22 11 6 s04 10 4 5 s05 1 0 1 s06 2 0 2 s08 9 4 0 s09 0 1 3 s11 3 3 1 s12 0 8 1
        s13 0 10 0 s14 3 2 5 s15 1 1 2 s18 2 0 5 s19 0 1 1 s20 14 3 5""",
    "casme2": """sub01 2 1 0 sub02 5 1 3 sub03 4 0 1 sub04 2 0 0 sub05 0 1 5 sub06 1 1 2 sub07 5 0 0 sub08 1 0 0
        sub09 5 5 0 sub11 4 0 0 sub12 5 2 4 sub13 0 2 0 sub14 0 3 0 sub15 1 1 1 sub16 1 2 0 sub17 23 7 1 sub19 3 3 5
        sub20 2 0 0 sub21 1 0 0 sub22 2 0 0 sub23 7 1 0 sub24 2 0 1 sub25 3 0 2 sub26 9 2 0""",
    "samm": """006 9 0 2 007 1 5 2 009 3 0 1 010 4 0 0 011 13 7 0 012 2 0 1 013 6 0 0 014 2 7 1 015 2 0 1 016 2 1 2
        017 3 0 1 018 2 0 1 019 0 1 0 020 2 2 0 021 2 0 0 022 3 2 0 023 1 0 0 024 1 0 0 026 9 0 0 028 1 0 2 030 3 0 0
        031 1 0 0 032 4 0 0 033 4 1 0 034 3 0 0 035 7 0 1 036 1 0 0 037 1 0 0""",
}


def _read(counts: str) -> Mapping[str, Mapping[str, int]]:
    words = counts.split()
    return {words[i]: dict(zip(THREE, map(int, words[i + 1 : i + 4]), strict=True)) for i in range(0, len(words), 4)}


COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = {name: _read(_COUNTS[name]) for name in COMPOSITE2019}
"""Database -> subject -> class -> number of clips in the composite of MEGC 2019: 442 of 68 subjects."""


class Comparison(NamedTuple):
    """How clips differ from those of a known protocol.

    Attributes:
        protocol: ``composite2019``, or one database of it: ``casme2 of composite2019``.
        num_known: clips of the protocol.
        missing: what lacks, a line each; where the protocol does not name its clips, how many of whom.
        extra: what is too much: clips that the protocol leaves out, clips twice, more of a subject than there are.
    """

    protocol: str
    num_known: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def told(self) -> str:
        """One sentence; empty if there is no difference."""
        parts = [f"{what}: {few(lines)}" for what, lines in (("missing", self.missing), ("extra", self.extra)) if lines]
        return f"not the {self.num_known} clips of {self.protocol}; {'; '.join(parts)}" if parts else ""


def guessed_database(subject: object, clip: object) -> str | None:
    """Which of the composite's databases writes a clip so; None if none does, or several.

    >>> guessed_database("s01", "s01_ne_01"), guessed_database("sub01", "EP02_01f"), guessed_database("6", "006_1_2")
    ('smic', 'casme2', 'samm')
    """
    fitting = []
    for database in COMPOSITE2019:
        try:
            fitting.append(clip_name(database, subject, clip).database)
        except ValueError:
            continue
    return fitting[0] if len(fitting) == 1 else None


def clips_of(dataset: "Dataset") -> list[Classed]:
    """The clips of a database and their classes, to compare.

    Args:
        dataset: of casme2, samm or smic, in the three classes.

    Raises:
        ValueError: another database.
    """
    labels = [dataset.class_names[place] for place in dataset.examples.emotion]
    return [
        (clip_name(dataset.database, subject, clip), label)
        for subject, clip, label in zip(dataset.subject, dataset.clip, labels, strict=True)
    ]


def is_in_smic(clip: str) -> bool:
    """Whether SMIC-HS has a clip, as it numbers those of each subject and class from 1.

    >>> is_in_smic("s03_ne_22"), is_in_smic("s03_ne_23")
    (True, False)
    """
    subject, kind, number = clip.split("_")
    return int(number) <= COUNTS["smic"].get(subject, {}).get(KINDS[kind], 0)


def compare(clips: Sequence[Classed]) -> Comparison:
    """Compare clips with the composite of MEGC 2019, or if all are of one of its databases with that part.

    Clips are compared by name with the rules, and by number with the known counts of each subject and class. SMIC
    numbers its clips, so that what is missing is named.

    Args:
        clips: name and class (negative, positive, surprise) of each.

    >>> found = compare([(clip_name("smic", "s5", "s5_ne_1"), "negative")])
    >>> found.protocol, found.num_known, len(found.missing), found.extra
    ('smic of composite2019', 164, 163, ())
    """
    shown = {clip.database for clip, _ in clips}
    databases = [name for name in COMPOSITE2019 if name in shown] if len(shown) == 1 else list(COMPOSITE2019)
    protocol = "composite2019" if len(databases) > 1 else f"{databases[0]} of composite2019"
    num_known = sum(count for name in databases for subject in COUNTS[name].values() for count in subject.values())
    repeated = [
        f"{_told(clip)} {times} times" for clip, times in Counter(clip for clip, _ in clips).items() if times > 1
    ]
    rows = list(dict.fromkeys(clips))
    verdicts = [(clip, label, composite2019(*clip, label)) for clip, label in rows]
    others = [
        f"{_told(clip)}: {verdict.reason if isinstance(verdict, LeftOut) else f'{verdict}, not {label}'}"
        for clip, label, verdict in verdicts
        if verdict != label
    ]
    given: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for clip, _, verdict in verdicts:
        if isinstance(verdict, str):
            given[clip.database, clip.subject, verdict].add(clip.clip)
    missing, extra = _differences(given, [name for name in databases if name in shown])
    unseen = [f"all of {name}" for name in databases if name not in shown]
    return Comparison(protocol, num_known, (*unseen, *missing), (*repeated, *others, *extra))


def _differences(
    given: Mapping[tuple[str, str, str], set[str]], databases: Iterable[str]
) -> tuple[list[str], list[str]]:
    missing, extra = list[str](), list[str]()
    for database in databases:
        subjects = dict.fromkeys([*COUNTS[database], *(subject for name, subject, _ in given if name == database)])
        for subject, label in product(subjects, THREE):
            known, here = COUNTS[database].get(subject, {}).get(label, 0), given.get((database, subject, label), set())
            more, less = _named_differences(database, subject, label, known, here)
            missing += less
            extra += more
    return missing, extra


def _named_differences(
    database: str, subject: str, label: str, known: int, here: set[str]
) -> tuple[Iterable[str], Iterable[str]]:
    """What is too much and what is missing of one class of one subject."""
    if database == "smic":
        kind = next(kind for kind, meaning in KINDS.items() if meaning == label)
        names = {f"{subject}_{kind}_{number:02d}" for number in range(1, known + 1)}
        return (f"smic {clip}" for clip in sorted(here - names)), (f"smic {clip}" for clip in sorted(names - here))
    told = f"{database} {subject} {label}: {len(here)} of {known}"
    return ([told] if len(here) > known else []), ([told] if len(here) < known else [])


def _told(clip: ClipName) -> str:
    return f"{clip.database} {clip.subject} {clip.clip}"


def few(lines: Sequence[str]) -> str:
    """The first few, and how many more."""
    others = len(lines) - _MOST_TOLD
    return ", ".join(lines[:_MOST_TOLD]) + (f" and {others} more" if others > 0 else "")
