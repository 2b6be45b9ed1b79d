"""One row to be: what is filmed, which frames exist, what the table says and what it means."""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from fedpsyau_jax.synthesis.layouts.coding import Coding, plain
from fedpsyau_jax.synthesis.layouts.truth import Problem
from fedpsyau_jax.synthesis.muscles import MOTION, Action
from fedpsyau_jax.synthesis.population import Clip


class Entry(NamedTuple):
    """A row before it is written.

    Attributes:
        clip: what is filmed, with the true frame numbers.
        subject: identity, as the layout spells it.
        filename: the clip's name within the subject.
        group: the release's part, or empty.
        emotion: as the table is to say; None for none.
        coding: the AUs, written and meant.
        folder: where the pictures go, relative to the copy.
        picture: file name of a frame, e.g. ``{:05d}.png``.
        frames: numbers of the frames that exist.
        said: cells of the table that differ from the truth, by column (``onset``, ``apex``, ...).
        problem: why the row is no sample.
        quirk: what is odd about it.
        uncounted: number of the frame before the first that the pictures' names count.
    """

    clip: Clip
    subject: str
    filename: str
    emotion: str | None
    coding: Coding
    folder: PurePosixPath
    picture: str
    frames: tuple[int, ...]
    group: str = ""
    said: Mapping[str, Any] = {}
    problem: Problem | None = None
    quirk: str = ""
    uncounted: int = 0

    def cell(self, column: str) -> Any:
        """What the table says in a column."""
        told = {"subject": self.subject, "filename": self.filename, "emotion": self.emotion, "fps": self.clip.fps}
        told |= {"onset": self.clip.onset, "apex": self.clip.apex, "offset": self.clip.offset, "au": self.coding.cell}
        return {**told, **self.said}[column]

    def frame_file(self, frame: int) -> PurePosixPath:
        """The picture of a frame, or of the nearest one that exists."""
        nearest = min(self.frames, key=lambda number: abs(number - frame))
        return self.folder / self.picture.format(nearest - self.uncounted)


Quirk = Callable[[Entry], Entry]


def ordinary(clip: Clip, subject: str, filename: str, emotion: str | None, folder: str, picture: str) -> Entry:
    """An entry without a quirk; its frames are those from onset to offset."""
    frames = tuple(range(clip.onset, clip.offset + 1))
    return Entry(clip, subject, filename, emotion, plain(clip.actions), PurePosixPath(folder), picture, frames)


def coded(coding: Coding) -> Quirk:
    """Other AUs, written as this coding does, and filmed: of a choice the first."""

    def plant(entry: Entry) -> Entry:
        if coding.action_units is None:
            return entry._replace(coding=coding)
        intensity = max(action.intensity for action in entry.clip.actions)
        certain = tuple(Action(au, intensity, side) for au, side in coding.action_units.items())
        chosen = tuple(Action(au, intensity) for au in coding.uncertain[:1])
        shown = tuple(action for action in (*certain, *chosen) if action.au in MOTION)
        return entry._replace(coding=coding, clip=entry.clip._replace(actions=shown))

    return plant


def saying(**cells: Any) -> Quirk:
    """Cells that say the same in another way, or something that a reader must mend."""
    return lambda entry: entry._replace(said={**entry.said, **cells})


def onset_is_apex(entry: Entry) -> Entry:
    """The table gives the onset as the apex."""
    return entry._replace(said={**entry.said, "apex": entry.cell("onset")}, problem="onset is apex")


def no_apex(entry: Entry) -> Entry:
    """The coder found no apex."""
    return entry._replace(said={**entry.said, "apex": "/"}, problem="no apex")


def missing_apex_frame(entry: Entry) -> Entry:
    """The apex's picture and the next are missing: the one before is the nearest."""
    return without_frames(entry, entry.clip.apex, entry.clip.apex + 1)


def missing_onset_frame(entry: Entry) -> Entry:
    """The onset's picture is missing: the next is the nearest."""
    return without_frames(entry, entry.clip.onset)


def without_frames(entry: Entry, *numbers: int) -> Entry:
    """Some pictures do not exist."""
    return entry._replace(frames=tuple(frame for frame in entry.frames if frame not in numbers))


def told_as(function: Callable[[Any], Any], *columns: str) -> Quirk:
    """Cells of another type or form: ``told_as(int, "apex")``."""
    return lambda entry: entry._replace(
        said={**entry.said, **{column: function(entry.cell(column)) for column in columns}}
    )
