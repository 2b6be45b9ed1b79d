"""Find the files of a clip from its annotation: frames and landmarks, or the reason why there is no sample."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from data.annotations import Annotation, Dropped
from data.apex import Apex, ApexPolicy, choose_apex, within
from data.frames import Footage, Frame, VideoFrame, nearest, numbered
from data.landmark_files import Marks, own_number

_FEWEST_SOUGHT = 2
_REACH = 10  # a frame may stand in for one up to a tenth of a second away


class Picture(NamedTuple):
    """A frame and its number."""

    number: int
    frame: Frame


class Clip(NamedTuple):
    """An annotated clip and the files its sample is made of.

    Attributes:
        annotation: what the table says.
        onset: first picture.
        apex: picture of the strongest expression; None where it is still to be spotted.
        offset: number of the last frame; None where unknown.
        landmarks: file of the onset's landmarks; None where they are to be detected.
        apex_kind: how the apex came about.
        sought: folder in which to spot the apex, from the onset to the offset: not its pictures, which may be hundreds.
        notes: what was mended or not understood.
        marks: number of each needed picture -> where its landmarks are, for those that have some.
    """

    annotation: Annotation
    onset: Picture
    apex: Picture | None
    offset: int | None
    landmarks: Path | None
    apex_kind: str = "annotated"
    sought: Path | None = None
    notes: tuple[str, ...] = ()
    marks: Mapping[int, Marks] = {}


def pictures_of(clip: Clip) -> list[Picture]:
    """Onset and apex; or all pictures among which the apex is to be spotted, from the onset on."""
    if clip.apex:
        return [clip.onset, clip.apex]
    first, last = clip.onset.number, clip.offset or 0
    if isinstance(clip.onset.frame, VideoFrame):
        video, place = clip.onset.frame
        return [Picture(first + step, VideoFrame(video, place + step)) for step in range(last - first + 1)]
    among = numbered(clip.sought).items() if clip.sought else ()
    return [Picture(number, path) for number, path in sorted(among) if first <= number <= last]


def files_of(clip: Clip) -> list[Path]:
    """The files that a clip's sample is made of, each once."""
    frames = [picture.frame for picture in pictures_of(clip)]
    pictures = [frame if isinstance(frame, Path) else frame.video for frame in frames]
    return list(dict.fromkeys([*pictures, *(marks.path for marks in clip.marks.values())]))


def find_clip(
    annotation: Annotation, footage: Footage, policy: ApexPolicy, landmarks: Mapping[int, Marks]
) -> Clip | Dropped:
    """The clip of an annotation.

    A missing onset or apex frame is replaced by the nearest within a tenth of a second, and noted. An offset
    before the onset is taken as unknown, an apex outside the clip as none. Where the frames are the clip and nothing
    else, an unknown onset is its first frame and an unknown offset its last.

    Args:
        annotation: what the table says.
        footage: the clip's frames.
        policy: for rows without a usable apex.
        landmarks: number in a picture's own name -> where its landmarks are.
    """
    dated, notes = _dated(annotation, footage)
    chosen = choose_apex(dated, policy)
    if isinstance(chosen, str):
        doubts = [note for note in notes if "taken as" in note]
        return Dropped(annotation.row, annotation.clip, f"{chosen} ({'; '.join(doubts)})" if doubts else chosen)
    taken = _taken(dated, chosen, footage, notes)
    if isinstance(taken, str):
        return Dropped(annotation.row, annotation.clip, taken)
    onset, apex = taken
    sought, offset = (None if apex else footage.folder), dated.offset
    if sought and offset and isinstance(onset.frame, VideoFrame):
        offset = min(offset, max(footage.frames))
    needed = [onset, apex] if apex else [onset]
    numbers = {picture.number: own_number(picture.frame) for picture in needed}
    marks = {number: landmarks[own] for number, own in numbers.items() if own in landmarks}
    points = marks[onset.number].path if onset.number in marks else None
    clip = Clip(annotation, onset, apex, offset, points, chosen.kind, sought, tuple(notes), marks)
    if len(pictures_of(clip)) < _FEWEST_SOUGHT:
        return Dropped(annotation.row, annotation.clip, "no apex is annotated, and too few pictures to spot one")
    return clip


def _dated(annotation: Annotation, footage: Footage) -> tuple[Annotation, list[str]]:
    usable, doubts = within(annotation)
    onset, offset = usable.onset, usable.offset
    notes = [*annotation.notes, *footage.notes, *doubts]
    if footage.whole and footage.frames:
        if onset is None:
            onset = min(footage.frames)
            notes.append(f"no onset is annotated: the first picture, {onset}, taken")
        offset = max(footage.frames) if offset is None else offset
    return usable._replace(onset=onset, offset=offset), notes


def _taken(
    annotation: Annotation, chosen: Apex, footage: Footage, notes: list[str]
) -> tuple[Picture, Picture | None] | str:
    taken: list[Picture] = []
    for name, number in (("onset", annotation.onset), ("apex", chosen.frame)):
        if number is None:
            continue
        found = nearest(footage.frames, number, max(1, annotation.fps // _REACH))
        if found is None:
            return f"the picture of the {name} (frame {number}) is missing, and every one near it"
        if found != number:
            notes.append(f"{name} frame {number} is missing: {found} taken")
        taken.append(Picture(found, footage.frames[found]))
    if len(taken) == 2 and taken[0].number >= taken[1].number:
        return "frames are missing: onset and apex would be the same picture"
    return taken[0], taken[1] if len(taken) == 2 else None
