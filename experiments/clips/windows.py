"""A long video in windows: few frames are held at a time, and each frame is passed on once, with the events decided."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from experiments.clips.motion import NONE, Motion, motion_between
from experiments.clips.spotting import AROUND_SECONDS, LAG_SECONDS, Span, Strictness, lag_frames, spot
from experiments.clips.tracking import Seen
from fedpsyau_jax.vision.sample import Settings

CONTEXT_SECONDS = AROUND_SECONDS + 4 * LAG_SECONDS
"""What must be known before and after an apex."""
STRIDE_SECONDS = 1.2
"""How much of a video is decided at a time."""


class Entry(NamedTuple):
    """A frame and its motion: in a long video since ``LAG_SECONDS`` before it, in a clip since its onset."""

    seen: Seen
    motion: Motion


class Spotted(NamedTuple):
    """An event: its frames from onset to offset, which of them is the apex, and how strong it is."""

    entries: tuple[Entry, ...]
    apex: int
    strength: float


class Held(NamedTuple):
    """Frames in memory.

    Attributes:
      entries: the frames.
      written: how many of them were passed on.
      decided: how many were judged as apexes.
      free: from which on no event is yet.
    """

    entries: tuple[Entry, ...] = ()
    written: int = 0
    decided: int = 0
    free: int = 0


class Chunk(NamedTuple):
    """Frames that are done with, the events decided meanwhile, some of whose frames come later, and what is held on."""

    entries: tuple[Entry, ...]
    events: tuple[Spotted, ...]
    held: Held


def most_held(fps: float) -> int:
    """The largest number of frames that are in memory."""
    return round(2 * CONTEXT_SECONDS * fps) + round(STRIDE_SECONDS * fps) + lag_frames(fps) + 1


def chunks(
    seen: Iterable[Seen], fps: float, strictness: Strictness, settings: Settings, held: Held | None = None
) -> Iterator[Chunk]:
    """Spot events in the frames of a video.

    Args:
      seen: the followed face, frame by frame.
      fps: frames a second.
      strictness: what an event must be.
      settings: how faces are aligned and head motion is taken out.
      held: the frames before these, as an earlier chunk left them.

    Yields:
      Every frame once, in order.
    """
    context, stride, lag = round(CONTEXT_SECONDS * fps), max(1, round(STRIDE_SECONDS * fps)), lag_frames(fps)
    held, new = held or Held(), list[Entry]()
    for one in seen:
        recent = [*held.entries[-lag:], *new][-lag:]
        new.append(Entry(one, _motion(recent, one, settings)))
        if len(held.entries) + len(new) - held.decided >= context + stride:
            held, new = held._replace(entries=(*held.entries, *new)), []
            end = len(held.entries) - context
            chunk = _decide(held, end, end - 2 * lag, fps, strictness)
            held = chunk.held
            yield chunk
    held = held._replace(entries=(*held.entries, *new))
    yield _decide(held, len(held.entries), len(held.entries), fps, strictness)


def _motion(recent: list[Entry], one: Seen, settings: Settings) -> Motion:
    """Motion since the first of the last frames that shows the same part of the frame."""
    before = next((entry.seen for entry in recent if entry.seen.segment == one.segment and entry.seen.success), None)
    if before is None or before.picture is None or before.points is None or one.picture is None:
        return NONE._replace(agreement=one.confidence)
    return motion_between(before.picture, one.picture, before.points, settings)


def _decide(held: Held, end: int, done: int, fps: float, strictness: Strictness) -> Chunk:
    events, free = [], held.free
    for span in spot([entry.motion for entry in held.entries], fps, strictness):
        if held.decided <= span.apex < end and span.onset >= free and _whole(held, span):
            own = held.entries[span.onset : span.offset + 1]
            events.append(Spotted(own, span.apex - span.onset, span.strength))
            free = span.offset + 1
    done = max(held.written, done)
    left = held._replace(written=done, decided=end, free=free)
    return Chunk(held.entries[held.written : done], tuple(events), _forgotten(left, end - round(CONTEXT_SECONDS * fps)))


def _whole(held: Held, span: Span) -> bool:
    """Whether an event's face is seen in the same part of all of its frames."""
    own = held.entries[span.onset : span.offset + 1]
    return all(entry.seen.success and entry.seen.segment == own[0].seen.segment for entry in own)


def _forgotten(held: Held, count: int) -> Held:
    """Without the first frames, which nothing needs any more."""
    count = max(0, min(count, held.written))
    return Held(held.entries[count:], held.written - count, held.decided - count, max(0, held.free - count))
