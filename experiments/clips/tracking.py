"""Follow one face from frame to frame: the part of the frame round it, its landmarks, and how sure they are."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from experiments.clips.faces import FaceFinder, Faces, named_frame
from experiments.clips.footage import Frame
from experiments.clips.motion import agreement_of
from fedpsyau_jax.vision.crop import FaceBox, Square, crop, crop_points
from fedpsyau_jax.vision.stabilise import head_motion

Grey = UInt8[np.ndarray, "rows columns"]
Points = Float[np.ndarray, "68 2"]
SIZE = 128
LARGEST_PATCH = 400
"""Side of the largest part of a frame that is kept, pixels: larger faces are shrunk to it."""
MARGIN = 0.3
"""How far a patch reaches beyond the face's square on each side, as a share of its side: the room to move in."""
DRIFT, GROWTH = 0.15, 1.15
"""How far, as a share of the square's side, and by what factor a face may move and grow before it gets a new patch."""
LOST = 0.5
"""Correlation with the face at its last detection below which it is lost."""
LOOK_SECONDS, LOST_SECONDS = 0.5, 0.1
"""Time between two searches for the face: while it is followed, and while it is lost."""
UNKNOWN_FPS = 30.0


class Patch(NamedTuple):
    """The part of a frame round a face: left, top and side in the frame, and pixels of it per frame pixel."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float

    def cut(self, picture: Grey) -> Grey:
        """That part of a picture; a copy, so that the frame is not kept alive."""
        part = picture[self.top : self.bottom, self.left : self.right]
        if self.scale == 1:
            return part.copy()
        return np.asarray(cv2.resize(part, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA), np.uint8)

    def inside(self, points: Points) -> Points:
        """Points of the frame as points of the patch."""
        return (points - (self.left, self.top) + 0.5) * self.scale - 0.5

    def outside(self, points: Points) -> Points:
        """Points of the patch as points of the frame."""
        return (points + 0.5) / self.scale - 0.5 + (self.left, self.top)


class Anchor(NamedTuple):
    """A face where it was last found: the patch, its picture and landmarks there, and its aligned square."""

    patch: Patch
    picture: Grey
    points: Points
    box: FaceBox
    face: Grey
    placed: Points


class Tracker(NamedTuple):
    """What is known of the followed face between two frames: from here, following goes on as if it had not stopped.

    Attributes:
      anchor: the face where it was last found; None while there is none.
      last: its landmarks in the frame before; None if it was lost.
      faces: how many faces there were when they were last looked for.
      segment: number of the anchor.
      unlooked: frames since faces were looked for; None if they never were.
    """

    anchor: Anchor | None = None
    last: Points | None = None
    faces: int = 0
    segment: int = 0
    unlooked: int | None = None


class Seen(NamedTuple):
    """What is known of the followed face in a frame.

    Attributes:
      number, timestamp: of the frame.
      picture: the part of the frame round the face; None without a face, or if it is no longer held.
      points: the 68 landmarks in that part; None as ``picture``.
      box: square of the face in the frame; None without a face.
      confidence: correlation with the face at its last detection, 0 to 1; 0 without a face.
      faces: how many faces there were when they were last looked for.
      segment: frames of one segment show the same part of the frame.
      before: what was known before the frame.
    """

    number: int
    timestamp: float
    picture: Grey | None
    points: Points | None
    box: FaceBox | None
    confidence: float
    faces: int
    segment: int
    before: Tracker = Tracker()

    @property
    def success(self) -> bool:
        """Whether the face is seen."""
        return self.box is not None

    def without_picture(self) -> "Seen":
        """What the tables need of it."""
        return self._replace(picture=None, points=None, before=Tracker())


def follow(
    frames: Iterable[Frame], find: FaceFinder | None, square: Square, fps: float | None, tracker: Tracker | None = None
) -> Iterator[Seen]:
    """Follow the largest face through frames; one frame is held at a time.

    Args:
      frames: one after another.
      find: says where faces are, or that it does not know; None to look for the tracker's face alone, in every frame.
      square: 68 landmarks -> square of the face.
      fps: frames a second.
      tracker: what is known before the first frame.
    """
    rate, tracker = fps or UNKNOWN_FPS, tracker or Tracker()
    for frame in frames:
        picture = np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_BGR2GRAY), np.uint8)
        before = tracker
        tracker, found = _followed(before, frame.number, picture, find, square, rate)
        yield _seen(frame, picture, before, tracker, found, square)


Tracked = tuple[Points, float]
"""Landmarks in the frame, and the correlation with the face where it was last found."""


def _followed(
    tracker: Tracker, number: int, picture: Grey, find: FaceFinder | None, square: Square, rate: float
) -> tuple[Tracker, Tracked | None]:
    """What is known after a frame, and where its face is."""
    seen = tracked(tracker.anchor, picture) if tracker.anchor else None
    steady = seen is not None and not moved_away(tracker.anchor, seen[0], square)
    wait = max(1, round((LOOK_SECONDS if steady else LOST_SECONDS) * rate))
    due = tracker.unlooked is None or tracker.unlooked >= wait
    faces = find(number, picture) if find and due else None
    if faces is not None:
        with named_frame(number):
            tracker, seen = _anchored(faces, tracker, seen, picture, square)
    unlooked = None if tracker.unlooked is None else tracker.unlooked + 1
    return tracker._replace(last=seen[0] if seen else None, unlooked=unlooked), seen


def _anchored(
    found: Faces, tracker: Tracker, seen: Tracked | None, picture: Grey, square: Square
) -> tuple[Tracker, Tracked | None]:
    points, looked = found.followed(tracker.last), tracker._replace(faces=len(found.points), unlooked=0)
    if points is None:
        return looked._replace(anchor=None), None
    if tracker.anchor and seen and not moved_away(tracker.anchor, points, square):
        return looked, seen
    anchor = anchor_at(points, picture, square)
    return looked._replace(anchor=anchor, segment=tracker.segment + 1), (points, 1.0)


def anchor_at(points: Points, picture: Grey, square: Square) -> Anchor:
    """The face with these landmarks of a frame.

    Raises:
      ValueError: the landmarks are no face.
    """
    left, top, side = square(points)
    low = np.floor(np.array([left, top]) - MARGIN * side).astype(int)
    high = np.ceil(np.array([left, top]) + (1 + MARGIN) * side).astype(int)
    bounds = np.array(picture.shape[::-1])
    low, high = np.clip(low, 0, bounds - 1), np.clip(high, 1, bounds)
    scale = min(1.0, LARGEST_PATCH / float(max(high - low)))
    patch = Patch(int(low[0]), int(low[1]), int(high[0]), int(high[1]), scale)
    return anchor_of(patch, patch.cut(picture), patch.inside(points), square)


def anchor_of(patch: Patch, picture: Grey, points: Points, square: Square) -> Anchor:
    """The face with these landmarks of a patch."""
    box = square(points)
    return Anchor(patch, picture, points, box, crop(picture, box, SIZE), crop_points(points, box, SIZE))


def tracked(anchor: Anchor, picture: Grey) -> Tracked | None:
    """Where the face of an anchor is in a frame; None if it is lost."""
    face = crop(anchor.patch.cut(picture), anchor.box, SIZE)
    transform = head_motion(anchor.face, face, anchor.placed)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    still = cv2.warpAffine(face, transform, (SIZE, SIZE), flags=how, borderMode=cv2.BORDER_REPLICATE)
    confidence = agreement_of(anchor.face, np.asarray(still, np.uint8), anchor.placed)
    if confidence < LOST:
        return None
    moved = anchor.placed @ transform[:, :2].T + transform[:, 2]
    own = (moved + 0.5) * (anchor.box.side / SIZE) - 0.5 + (anchor.box.left, anchor.box.top)
    return anchor.patch.outside(own), confidence


def moved_away(anchor: Anchor | None, points: Points, square: Square) -> bool:
    """Whether a face has left the part of the frame that is kept of it."""
    if anchor is None:
        return True
    before, now = square(anchor.patch.outside(anchor.points)), square(points)
    shift = np.hypot(now.left - before.left, now.top - before.top) / before.side
    growth = now.side / before.side
    return bool(shift > DRIFT or not 1 / GROWTH < growth < GROWTH)


def _seen(frame: Frame, picture: Grey, before: Tracker, after: Tracker, found: Tracked | None, square: Square) -> Seen:
    anchor, (faces, segment) = after.anchor, (after.faces, after.segment)
    if anchor is None or found is None:
        return Seen(frame.number, frame.timestamp, None, None, None, 0.0, faces, segment, before)
    points, confidence = found
    inside, part, box = anchor.patch.inside(points), anchor.patch.cut(picture), square(points)
    return Seen(frame.number, frame.timestamp, part, inside, box, max(0.0, confidence), faces, segment, before)
