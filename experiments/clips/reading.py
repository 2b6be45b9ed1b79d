"""Read a clip or a long video: follow the face, find the events, and let the networks read them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from experiments.clips.faces import FaceFinder
from experiments.clips.footage import Footage, Frame
from experiments.clips.motion import NONE, motion_between
from experiments.clips.predictor import Predictor, Reading
from experiments.clips.results import Event, Mark
from experiments.clips.spotting import rate_for, strength
from experiments.clips.tracking import Anchor, Seen, anchor_at, follow
from experiments.clips.windows import Entry, Spotted, chunks
from fedpsyau_jax.vision.plausible import unbounded
from fedpsyau_jax.vision.sample import make_sample
from fedpsyau_jax.vision.spotting import dense_inverse_search, smooth


@dataclass(frozen=True)
class Reader:
    """What reads clips.

    Attributes:
      predictor: the networks.
      find: finds the faces of a frame.
      false_events: false events a minute that are put up with in long videos.
    """

    predictor: Predictor
    find: FaceFinder
    false_events: float


class Part(NamedTuple):
    """Frames that are done with, what events add to their rows, and the events decided meanwhile."""

    entries: Sequence[Entry]
    marks: Mapping[int, Mark]
    events: Sequence[Event]


class NothingToRead(ValueError):
    """A clip shows no face where it must; its message is the reason of the abstention."""


def read_clip(reader: Reader, footage: Footage, onset: int | None, apex: int | None) -> Part:
    """Read a short clip: one event from its onset to its last frame.

    Args:
      reader: what reads it.
      footage: its frames.
      onset: number of the neutral frame; by default the first.
      apex: number of the frame of the strongest expression; by default it is spotted.

    Raises:
      NothingToRead: the onset shows no face.
      ValueError: there is no frame of a given number, or a frame is broken.
    """
    first = next((frame for frame in footage.frames() if onset in (None, frame.number)), None)
    if first is None:
        raise ValueError(f"--onset={onset}: {footage.path} has no frame of this number")
    anchor, others = _face_of(reader, first)
    entries = tuple(_entries(reader, footage, anchor, others))
    start = next(place for place, entry in enumerate(entries) if entry.seen.number == first.number)
    numbers = [entry.seen.number for entry in entries]
    if apex is not None and apex not in numbers[start + 1 :]:
        raise ValueError(f"--apex={apex}: {footage.path} has no frame of this number after the onset {first.number}")
    if len(entries) - start < 2:
        raise ValueError(f"{footage.path}: one frame after the onset is needed, at least")
    place = numbers.index(apex) if apex is not None else start + spotted_apex(entries[start:])
    event, marks = _event(reader, Spotted(entries[start:], place - start, strength(entries[place].motion)), 1)
    doubts = (*event.doubts, *_apex_doubts(reader, footage, entries[place], place))
    return Part(entries, marks, (event._replace(doubts=tuple(dict.fromkeys(doubts))),))


def spotted_apex(entries: Sequence[Entry]) -> int:
    """Place of the strongest frame after the first, by its strain, smoothed; frames without the face do not count."""
    curve = np.array([entry.motion.strain if entry.seen.success else 0.0 for entry in entries])
    return 1 + int(np.argmax(smooth(curve)[1:]))


def read_video(reader: Reader, footage: Footage, fps: float, skip: int, first_event: int) -> Iterator[Part]:
    """Read a long video, a part at a time; few frames are held.

    Args:
      reader: what reads it.
      footage: its frames.
      fps: frames a second.
      skip: frames that have been read earlier.
      first_event: number of the next event.
    """
    settings = reader.predictor.settings
    seen = follow(footage.frames(skip), reader.find, settings.square, fps)
    number, waiting = first_event, dict[int, Mark]()
    for chunk in chunks(seen, fps, rate_for(reader.false_events).strictness, settings):
        events = []
        for spotted in chunk.events:
            event, marks = _event(reader, spotted, number)
            events.append(event)
            waiting, number = waiting | marks, number + 1
        numbers = [entry.seen.number for entry in chunk.entries]
        done = {one: waiting.pop(one) for one in numbers if one in waiting}
        yield Part(chunk.entries, done, events)


def _face_of(reader: Reader, frame: Frame) -> tuple[Anchor, int]:
    picture = np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_BGR2GRAY), np.uint8)
    faces = reader.find(frame.number, picture)
    if faces is None:
        raise ValueError(f"--landmarks: they do not cover the onset, frame {frame.number}")
    points = faces.followed(None)
    if points is None:
        raise NothingToRead(f"no face is found in the onset, frame {frame.number}")
    return anchor_at(points, picture, reader.predictor.settings.square), len(faces.points)


def _entries(reader: Reader, footage: Footage, anchor: Anchor, faces: int) -> Iterator[Entry]:
    """All frames of a short clip with their motion since the onset."""
    settings = reader.predictor.settings
    for seen in follow(footage.frames(), reader.find, settings.square, footage.fps, (anchor, faces)):
        motion = NONE
        if seen.picture is not None:
            motion = motion_between(anchor.picture, seen.picture, anchor.points, settings)
        yield Entry(seen, motion)


def _event(reader: Reader, spotted: Spotted, number: int) -> tuple[Event, dict[int, Mark]]:
    first, apex, last = spotted.entries[0], spotted.entries[spotted.apex], spotted.entries[-1]
    reading = _reading(reader, first.seen, apex.seen)
    marks = _marks(reader, spotted, reading, number)
    return Event(number, (first, apex, last), spotted.strength, reading, reading.abstained), marks


def _reading(reader: Reader, onset: Seen, apex: Seen) -> Reading:
    if not apex.success or apex.picture is None or onset.points is None:
        return Reading({}, {}, (f"the face is lost in the apex, frame {apex.number}",), None)
    assert onset.picture is not None
    return reader.predictor(onset.picture, apex.picture, onset.points)


def _marks(reader: Reader, spotted: Spotted, reading: Reading, number: int) -> dict[int, Mark]:
    """Action units of every frame of an event by fast flow from its onset, and of the apex as they were read."""
    first, settings = (
        spotted.entries[0].seen,
        replace(reader.predictor.settings, flow=dense_inverse_search, bound=unbounded),
    )
    names = reader.predictor.ensemble.au_names
    nothing = np.full(len(names), np.nan)
    found = dict[int, np.ndarray]()
    samples, numbers = [], []
    for entry in spotted.entries:
        seen = entry.seen
        found[seen.number] = nothing
        if seen.picture is not None and first.picture is not None and first.points is not None:
            samples.append(make_sample(first.picture, seen.picture, first.points, settings))
            numbers.append(seen.number)
    if samples:
        aus = reader.predictor.probabilities(samples).au.mean(axis=0)
        found |= dict(zip(numbers, aus, strict=True))
    if reading.aus:
        found[spotted.entries[spotted.apex].seen.number] = np.array([score.mean for score in reading.aus.values()])
    return {frame: Mark(number, aus) for frame, aus in found.items()}


def _apex_doubts(reader: Reader, footage: Footage, apex: Entry, place: int) -> tuple[str, ...]:
    """Look for the face in the apex again, where faces can be found."""
    frame = next(footage.frames(place))
    picture = np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_BGR2GRAY), np.uint8)
    faces = reader.find(frame.number, picture)
    if faces is not None and not len(faces.points):
        return (f"no face is found in the apex, frame {apex.seen.number}",)
    return ()
