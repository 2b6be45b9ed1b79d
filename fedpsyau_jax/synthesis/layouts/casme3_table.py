"""A table as large as that of CAS(ME)^3 Part A, without pictures: its counts, none of its ordinary rows."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fedpsyau_jax.synthesis.emotions import draw_any_aus
from fedpsyau_jax.synthesis.layouts.casme3 import CASME3, FRAMES_PER_SECOND, KNOWN_ROWS, LETTERS, KnownRow, labelled
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS
from fedpsyau_jax.synthesis.layouts.copy import annotate
from fedpsyau_jax.synthesis.layouts.entry import Entry, coded, onset_is_apex
from fedpsyau_jax.synthesis.layouts.truth import Truth
from fedpsyau_jax.synthesis.muscles import MOTION, Action
from fedpsyau_jax.synthesis.population import Clip

EMOTION_COUNTS = {
    "disgust": 250, "surprise": 187, "fear": 86, "anger": 64, "sad": 57, "happy": 55, "others": 158, "Others": 3,
}  # fmt: skip
SUBJECTS = (*range(1, 92), 149, 214, 216)
OTHERS_ONLY = SUBJECTS[:6]
NUM_CLIPS_OF_LENGTH = {1: 272, 3: 176, 4: 15}
NUM_ONSET_IS_APEX = 55


def write_full_table(directory: Path, seed: int = 0) -> Truth:
    """Write a table of 860 rows, 94 subjects and 463 recordings, 191 of which hold several expressions.

    Emotions are as frequent as in the real table; 699 rows of 88 subjects belong to the 3-class task; 55 rows
    give the onset as apex; the rows known to be wrong are there. No picture exists.

    Args:
        directory: where the workbook goes.
        seed: all rows follow from it.
    """
    generator = np.random.default_rng(seed)
    keys = list(_recordings(generator))
    emotions = _emotions([subject for subject, _ in keys], generator)
    known = _known_rows()
    entries: list[Entry] = []
    seen: defaultdict[tuple[int, str], int] = defaultdict(int)
    for (subject, letter), emotion in zip(keys, emotions, strict=True):
        place, seen[subject, letter] = seen[subject, letter], seen[subject, letter] + 1
        entry = labelled(_clip(subject, place, generator), letter, emotion)
        bad = known[subject, letter][place : place + 1]
        entries.append(bad[0](entry) if bad else entry)
    return annotate(CASME3, directory, _with_quirks(entries), seed, landmarks=False)


def _recordings(generator: np.random.Generator) -> Iterator[tuple[int, str]]:
    """(subject, letter) of every row; a recording's rows follow one another."""
    for subject in OTHERS_ONLY:
        yield subject, "a"
    subjects = SUBJECTS[len(OTHERS_ONLY) :]
    lengths = np.repeat(list(NUM_CLIPS_OF_LENGTH), list(NUM_CLIPS_OF_LENGTH.values()))
    lengths = generator.permutation(lengths[len(OTHERS_ONLY) :])
    places = [(subjects[i % len(subjects)], LETTERS[i // len(subjects)]) for i in range(len(lengths))]
    crowded, longest = places.index((40, "e")), int(lengths.argmax())
    lengths[[crowded, longest]] = lengths[[longest, crowded]]
    for place, length in zip(places, lengths, strict=True):
        yield from [place] * int(length)


def _emotions(subjects: list[int], generator: np.random.Generator) -> list[str]:
    """One for each row; the first of every subject, but those of others only, is one of the three classes."""
    pool = {name: [name] * count for name, count in EMOTION_COUNTS.items()}
    others = [*pool.pop("Others"), *pool.pop("others")]
    classes = [str(name) for name in generator.permutation([name for names in pool.values() for name in names])]
    firsts = [subjects.index(subject) for subject in SUBJECTS[len(OTHERS_ONLY) :]]
    chosen = {row: classes.pop() for row in firsts} | {row: others.pop() for row in range(len(OTHERS_ONLY))}
    rest = [str(name) for name in generator.permutation([*classes, *others])]
    return [chosen[row] if row in chosen else rest.pop() for row in range(len(subjects))]


def _clip(subject: int, place: int, generator: np.random.Generator) -> Clip:
    onset = 100 * (place + 1) + int(generator.integers(60))
    apex = onset + int(generator.integers(2, 12))
    shown = zip(MOTION, draw_any_aus(generator), strict=True)
    actions = tuple(Action(au, 0.2) for au, drawn in shown if drawn)
    name = f"sub{subject:04d}"
    return Clip(name, name, onset, apex, apex + int(generator.integers(2, 16)), FRAMES_PER_SECOND, None, actions)


def _known_rows() -> defaultdict[tuple[int, str], list[KnownRow]]:
    known = defaultdict(list)
    for row in KNOWN_ROWS.values():
        known[row.subject, row.letter].append(row)
    return known


def _with_quirks(entries: list[Entry]) -> list[Entry]:
    """Evenly spread: rows whose onset is the apex, and AU cells of every kind that the table has."""
    keys = {(row.subject, row.letter) for row in KNOWN_ROWS.values()}
    free = [i for i, entry in enumerate(entries) if (int(entry.subject[5:]), entry.filename) not in keys]
    odd = list(entries)
    for i in free[:: len(free) // NUM_ONSET_IS_APEX][:NUM_ONSET_IS_APEX]:
        odd[i] = onset_is_apex(entries[i])._replace(quirk="onset is apex")
    names = ("whole number", "unseen AUs", "both sides", "other sides")
    for turn, i in enumerate(free[1::15]):
        name = names[turn % len(names)]
        odd[i] = coded(CODING_QUIRKS[name])(odd[i])._replace(quirk=odd[i].quirk or name)
    return odd
