"""Read a clip or a long video: follow the face, find the events, and let the networks read them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from experiments.clips.faces import FaceFinder, named_frame
from experiments.clips.footage import Footage, Frame
from experiments.clips.motion import NONE, Motion, motion_between
from experiments.clips.pauses import Pause, held_again, pause_of
from experiments.clips.predictor import BATCH, Predictor, Reading
from experiments.clips.results import Event, Mark
from experiments.clips.spotting import rate_for, strength
from experiments.clips.tracking import Seen, Tracker, anchor_at, follow
from experiments.clips.windows import Entry, chunks
from fedpsyau_jax.vision.plausible import unbounded
from fedpsyau_jax.vision.sample import Settings, make_sample
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
    """Frames that are done with, what events add to their rows, the events decided meanwhile, and where to go on."""

    entries: Sequence[Entry]
    marks: Mapping[int, Mark]
    events: Sequence[Event]
    pause: Pause | None = None


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
    tracker = _face_of(reader, first)
    onset_seen = _seen_in(reader, first, tracker)
    entries, aus = _entries(reader, footage, tracker, onset_seen)
    numbers = [entry.seen.number for entry in entries]
    start = numbers.index(first.number)
    if apex is not None and apex not in numbers[start + 1 :]:
        raise ValueError(f"--apex={apex}: {footage.path} has no frame of this number after the onset {first.number}")
    if len(entries) - start < 2:
        raise ValueError(f"{footage.path}: one frame after the onset is needed, at least")
    place = numbers.index(apex) if apex is not None else start + spotted_apex(entries[start:])
    strongest = next(footage.frames(place))
    shown = (
        entries[start]._replace(seen=onset_seen),
        entries[place]._replace(seen=_seen_in(reader, strongest, tracker)),
    )
    event = _event(reader, (*shown, entries[-1]), strength(entries[place].motion), 1)
    doubts = tuple(dict.fromkeys((*event.doubts, *_apex_doubts(reader, strongest))))
    return Part(entries, _marks(event, numbers[start:], aus), (event._replace(doubts=doubts),))


def spotted_apex(entries: Sequence[Entry]) -> int:
    """Place of the strongest frame after the first, by its strain, smoothed; frames without the face do not count."""
    curve = np.array([entry.motion.strain if entry.seen.success else 0.0 for entry in entries])
    return 1 + int(np.argmax(smooth(curve)[1:]))


def read_video(
    reader: Reader, footage: Footage, done: int, first_event: int, pause: Pause | None = None
) -> Iterator[Part]:
    """Read a long video, a part at a time; few frames are held.

    Args:
      reader: what reads it.
      footage: its frames, with their rate.
      done: number of frames of earlier parts.
      first_event: number of the next event.
      pause: where the last of these parts ended.

    Raises:
      ValueError: a frame is broken, or the video is no longer what it was.
    """
    assert footage.fps
    settings, strictness = reader.predictor.settings, rate_for(reader.false_events).strictness
    skip, tracker = (done - pause.written, pause.tracker) if pause else (done, None)
    seen = follow(footage.frames(skip), reader.find, settings.square, footage.fps, tracker)
    held = held_again(pause, seen) if pause else None
    number, waiting = first_event, dict[int, Mark]()
    for chunk in chunks(seen, footage.fps, strictness, settings, held):
        events = []
        for spotted in chunk.events:
            first, apex, last = spotted.entries[0], spotted.entries[spotted.apex], spotted.entries[-1]
            event = _event(reader, (first, apex, last), spotted.strength, number)
            aus = fast_aus(reader, first.seen, [entry.seen for entry in spotted.entries])
            events.append(event)
            waiting |= _marks(event, [entry.seen.number for entry in spotted.entries], aus)
            number += 1
        numbers = [entry.seen.number for entry in chunk.entries]
        done_with = {one: waiting.pop(one) for one in numbers if one in waiting}
        yield Part(chunk.entries, done_with, events, pause_of(chunk.held))


def _face_of(reader: Reader, frame: Frame) -> Tracker:
    """The face of the onset, to be followed."""
    picture = np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_BGR2GRAY), np.uint8)
    faces = reader.find(frame.number, picture)
    if faces is None:
        raise ValueError(f"--landmarks: they do not cover the onset, frame {frame.number}")
    points = faces.followed(None)
    if points is None:
        raise NothingToRead(f"no face is found in the onset, frame {frame.number}")
    with named_frame(frame.number):
        return Tracker(anchor_at(points, picture, reader.predictor.settings.square), faces=len(faces.points))


def _seen_in(reader: Reader, frame: Frame, tracker: Tracker) -> Seen:
    (seen,) = follow([frame], None, reader.predictor.settings.square, None, tracker)
    return seen


def _entries(
    reader: Reader, footage: Footage, tracker: Tracker, onset: Seen
) -> tuple[list[Entry], list[Float[np.ndarray, "aus"]]]:
    """All frames of a short clip with their motion since the onset, and the AUs of those from it on; no pictures."""
    settings, entries, aus = reader.predictor.settings, list[Entry](), list[np.ndarray]()
    seen = follow(footage.frames(), None, settings.square, footage.fps, tracker)
    while batch := list(islice(seen, BATCH)):
        entries += [Entry(one.without_picture(), _since(tracker, one, settings)) for one in batch]
        aus += fast_aus(reader, onset, [one for one in batch if one.number >= onset.number])
    return entries, aus


def _since(tracker: Tracker, seen: Seen, settings: Settings) -> Motion:
    assert tracker.anchor
    if seen.picture is None:
        return NONE
    return motion_between(tracker.anchor.picture, seen.picture, tracker.anchor.points, settings)


def _event(reader: Reader, entries: tuple[Entry, Entry, Entry], strong: float, number: int) -> Event:
    first, apex, _ = entries
    reading = _reading(reader, first.seen, apex.seen)
    return Event(number, entries, strong, reading, reading.abstained)


def _reading(reader: Reader, onset: Seen, apex: Seen) -> Reading:
    if not apex.success or apex.picture is None or onset.points is None:
        return Reading({}, {}, (f"the face is lost in the apex, frame {apex.number}",), None)
    assert onset.picture is not None
    return reader.predictor(onset.picture, apex.picture, onset.points)


def fast_settings(settings: Settings) -> Settings:
    """How frames other than the apex become samples: by fast flow, however far it goes."""
    return replace(settings, flow=dense_inverse_search, bound=unbounded)


def fast_aus(reader: Reader, onset: Seen, seen: Sequence[Seen]) -> list[Float[np.ndarray, "aus"]]:
    """Mean probability of every AU in frames, by fast flow from the onset; NaN where the face is not seen."""
    found = [np.full(len(reader.predictor.ensemble.au_names), np.nan)] * len(seen)
    if onset.picture is None or onset.points is None:
        return found
    settings = fast_settings(reader.predictor.settings)
    pictures = {place: one.picture for place, one in enumerate(seen) if one.picture is not None}
    samples = [make_sample(onset.picture, picture, onset.points, settings) for picture in pictures.values()]
    if samples:
        for place, aus in zip(pictures, reader.predictor.probabilities(samples).au.mean(axis=0), strict=True):
            found[place] = aus
    return found


def _marks(event: Event, numbers: Sequence[int], aus: Sequence[Float[np.ndarray, "aus"]]) -> dict[int, Mark]:
    """What an event adds to its frames: their AUs, and those of the apex as they were read."""
    marks = {number: Mark(event.number, own) for number, own in zip(numbers, aus, strict=True)}
    if event.reading.aus:
        read = np.array([score.mean for score in event.reading.aus.values()])
        marks[event.entries[1].seen.number] = Mark(event.number, read)
    return marks


def _apex_doubts(reader: Reader, apex: Frame) -> tuple[str, ...]:
    """Look for the face in the apex again, where faces can be found."""
    picture = np.asarray(cv2.cvtColor(apex.picture, cv2.COLOR_BGR2GRAY), np.uint8)
    faces = reader.find(apex.number, picture)
    if faces is not None and not len(faces.points):
        return (f"no face is found in the apex, frame {apex.number}",)
    return ()
