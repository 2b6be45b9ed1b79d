"""Write a synthetic copy of a database and say what a reader must make of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path, PurePosixPath

from fedpsyau_jax.synthesis.layouts.entry import Entry
from fedpsyau_jax.synthesis.layouts.layout import Layout, Place
from fedpsyau_jax.synthesis.layouts.pictures import film_entry, write_landmarks
from fedpsyau_jax.synthesis.layouts.truth import Row, Truth
from fedpsyau_jax.synthesis.population import Population, clips, portrait


def write_copy(
    layout: Layout,
    directory: Path,
    *,
    num_subjects: int = 4,
    clips_per_subject: int = 2,
    seed: int = 0,
    quirks: bool = True,
    landmarks: bool = True,
    faceless: bool = False,
) -> Truth:
    """A small copy in a database's layout, from folder names to the oddities of its tables.

    Args:
        layout: one of ``LAYOUTS``.
        directory: new or empty folder.
        num_subjects: people.
        clips_per_subject: ordinary expressions of each.
        seed: all pictures follow from it.
        quirks: add a row for each oddity that real copies show.
        landmarks: write the 68 landmarks of every frame; without them only a database's own are there.
        faceless: add a clip in which no face is to be seen, and which has no landmarks.

    Raises:
        ValueError: the folder is not empty, or the counts are not positive.
        OSError: a file cannot be written.
    """
    if num_subjects < 1 or clips_per_subject < 1:
        raise ValueError(f"a copy needs subjects and clips, not {num_subjects} and {clips_per_subject} a subject")
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ValueError(f"{directory}: not empty; name a new folder for the copy")
    actors = Population(num_subjects, min_clips=clips_per_subject, extra_clips=0.0, seed=seed)
    actors = replace(actors, emotional=layout.emotional, intensity=layout.intensity)
    entries = plan(layout, actors, quirks, faceless)
    _film(layout, directory, actors, entries, landmarks or layout.own_landmarks)
    return annotate(layout, directory, entries, seed, landmarks or layout.own_landmarks)


def annotate(layout: Layout, directory: Path, entries: Sequence[Entry], seed: int, landmarks: bool) -> Truth:
    """Write the annotations of entries, whether filmed or not."""
    places = layout.annotate(directory, entries, seed)
    tables = dict.fromkeys(place.table for place in places if place.table is not None)
    rows = [
        _row(entry, directory, place, layout.landmark_file(entry, entry.clip.onset) if landmarks else None)
        for entry, place in zip(entries, places, strict=True)
    ]
    return Truth(layout.name, directory, tuple(directory / table for table in tables), tuple(rows))


def plan(layout: Layout, population: Population, quirks: bool, faceless: bool) -> Sequence[Entry]:
    """All rows, ordinary and odd, subject by subject; nothing is written."""
    numbers = layout.subjects(population.num_subjects)
    planted = dict(layout.quirks) if quirks else {}
    if faceless:
        planted["no face"] = lambda entry: entry._replace(problem="no face")
    num_ordinary = population.min_clips
    longer = replace(population, min_clips=num_ordinary + -(-len(planted) // len(numbers)))
    entries: list[Entry] = []
    for column, number in enumerate(numbers):
        own = list(planted.items())[column :: len(numbers)]
        shown = [layout.entry(clip, place) for place, clip in enumerate(clips(longer, number), 1)]
        entries += shown[:num_ordinary]
        odd = zip(own, shown[num_ordinary:], strict=False)
        entries += [quirk(entry)._replace(quirk=name) for (name, quirk), entry in odd]
    return sorted(map(layout.arrange, entries), key=lambda entry: entry.clip.subject)


def _film(layout: Layout, directory: Path, population: Population, entries: Iterable[Entry], landmarks: bool) -> None:
    for subject, group in groupby(entries, key=lambda entry: entry.clip.subject):
        face = portrait(population, int(subject.removeprefix("sub")))
        filmed = [(entry, film_entry(entry, face, population)) for entry in group]
        layout.store(directory, filmed)
        for entry, footage in filmed if landmarks else ():
            if entry.problem == "no face":
                continue
            for frame, points in zip(entry.frames, footage.landmarks, strict=True):
                write_landmarks(directory / layout.landmark_file(entry, frame), points)


def _row(entry: Entry, directory: Path, place: Place, landmarks: PurePosixPath | None) -> Row:
    clip = entry.clip
    apex = {"no apex": None, "onset is apex": clip.onset}.get(entry.problem or "", clip.apex)
    needed = {clip.onset} if apex is None else {clip.onset, apex}
    return Row(
        table=None if place.table is None else directory / place.table,
        row=place.row,
        subject=entry.subject,
        filename=entry.filename,
        group=entry.group,
        onset=clip.onset,
        apex=apex,
        offset=clip.offset,
        true_apex=clip.apex,
        fps=clip.fps,
        emotion=None if entry.emotion is None else entry.emotion.lower(),
        action_units=entry.coding.action_units,
        ambiguous=entry.coding.ambiguous,
        uncertain=entry.coding.uncertain,
        onset_file=directory / entry.frame_file(clip.onset),
        apex_file=None if apex is None else directory / entry.frame_file(apex),
        nearest=not needed <= set(entry.frames),
        landmarks=None if landmarks is None or entry.problem == "no face" else directory / landmarks,
        problem=entry.problem,
        quirk=entry.quirk,
    )
