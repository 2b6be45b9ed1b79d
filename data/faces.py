"""Find the face of a clip, in its onset and again in its apex."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from data.clips import Clip, Picture
from data.landmark_files import Marks, faces_in
from fedpsyau_jax.vision.crop import crop
from fedpsyau_jax.vision.detection import Landmarker, NoFaceError, faces_found
from fedpsyau_jax.vision.landmark_formats import largest, to_68
from fedpsyau_jax.vision.landmarks import INNER_EYE_CORNERS
from fedpsyau_jax.vision.sample import Settings

_FEWEST_LEVELS = 8  # any face shows more; a video's black frame can hold a few
_FARTHEST = 0.25  # of the square's side: a third of a face's width, in the time from onset to apex
_LARGER = 1.6
Grey = UInt8[np.ndarray, "rows columns"]
Landmarks = Float[np.ndarray, "68 2"]


class FaceError(ValueError):
    """A frame does not show the face that it should: its sample is dropped, the message is the reason."""


class Face(NamedTuple):
    """The 68 points of a face, and how many others its frame shows."""

    points: Landmarks
    others: int = 0


def onset_face(clip: Clip, landmarker: Landmarker | None, onset: Grey) -> Face:
    """The largest face of a clip's onset, from its landmark file or else by a detector.

    Raises:
        NoFaceError: there is none.
        ValueError: the file is broken, or there is neither file nor detector.
    """
    if (marks := clip.marks.get(clip.onset.number)) is not None:
        faces = _from_file(marks, onset)
    elif landmarker:
        faces = list(faces_found(landmarker, onset))
    else:
        raise ValueError("there is no landmark file, and no face detector")
    if not faces:
        raise NoFaceError
    return Face(faces[largest(faces)], len(faces) - 1)


def check_apex_face(
    clip: Clip,
    apex: Picture,
    landmarker: Landmarker | None,
    pictures: tuple[Grey, Grey],
    face: Face,
    settings: Settings,
) -> None:
    """Look for the onset's face in the apex: by the apex's landmark file, else by the detector.

    A detector that finds no face in the onset either, as in some pictures cropped to the face, says nothing.

    Args:
        clip: its files.
        apex: the frame.
        landmarker: finds faces; None for no detector.
        pictures: onset and apex.
        face: of the onset.
        settings: say how large the face's square is.

    Raises:
        FaceError: the apex shows no face there.
    """
    onset, peak = pictures
    marks = clip.marks.get(apex.number)
    if marks is None and landmarker is None:
        return
    faces = _from_file(marks, peak) if marks else list(faces_found(landmarker, peak)) if landmarker else []
    if not faces:
        from_file = marks is not None or clip.onset.number not in clip.marks
        if from_file or (landmarker and len(faces_found(landmarker, onset))):
            raise FaceError("no face found in the apex frame")
        return
    side = settings.square(face.points).side
    moved, larger = min((_change(face.points, other) for other in faces), key=lambda change: change[0])
    if moved > _FARTHEST * side or not 1 / _LARGER < larger < _LARGER:
        raise FaceError(
            f"the face of the apex frame lies {moved:.0f} pixels from that of the onset and is {larger:.2f} times as "
            "large: another scene, or another person"
        )


def check_shown(picture: Grey, frame: Path | object, points: Landmarks, settings: Settings) -> None:
    """Refuse a frame that ends, or is blank, where the face should be.

    Raises:
        FaceError: it does.
    """
    eyes = points[list(INNER_EYE_CORNERS)]
    if (eyes < 0).any() or (eyes >= picture.shape[::-1]).any():
        raise FaceError(f"no face: the eyes of its landmarks lie outside {frame}")
    if np.ptp(crop(picture, settings.square(points), settings.face_size)) < _FEWEST_LEVELS:
        raise FaceError(f"no face: {frame} is blank where its landmarks are")


def _from_file(marks: Marks, picture: Grey) -> list[Landmarks]:
    return [to_68(points, *picture.shape) for points in faces_in(marks)]


def _change(before: Landmarks, after: Landmarks) -> tuple[float, float]:
    """How far the midpoint of the eyes moves, and by what factor the face grows."""
    corners = list(INNER_EYE_CORNERS)
    middle = after[corners].mean(axis=0) - before[corners].mean(axis=0)
    sizes = [float(np.linalg.norm(np.ptp(points[17:], axis=0))) for points in (before, after)]
    return float(np.linalg.norm(middle)), sizes[1] / max(sizes[0], 1e-9)
