"""The faces of a frame: from landmark files, or by a function that finds them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from data.frames import numbered
from data.landmark_files import LANDMARK_SUFFIXES, Marks, faces_in, faces_of
from experiments.inputs.plugins import error_line
from fedpsyau_jax.vision.detection import Landmarker, faces_found
from fedpsyau_jax.vision.landmark_formats import largest, to_68

Grey = UInt8[np.ndarray, "rows columns"]
Points = Float[np.ndarray, "68 2"]
FaceFinder = Callable[[int, Grey], "Faces | None"]
"""(number of a frame, the frame) -> its faces; None where a frame must be tracked, as nothing is said of it."""


class Faces(NamedTuple):
    """The faces of a frame, [faces, 68, 2]; there may be none."""

    points: Float[np.ndarray, "faces 68 2"]

    def followed(self, before: Points | None) -> Points | None:
        """The face to follow: the one nearest to where it was, if it overlaps; else the largest; None without any."""
        if not len(self.points):
            return None
        if before is not None:
            centre, reach = before[17:].mean(axis=0), np.ptp(before[17:], axis=0).max() / 2
            distances = np.linalg.norm(self.points[:, 17:].mean(axis=1) - centre, axis=1)
            if distances.min() < reach:
                return self.points[int(distances.argmin())]
        return self.points[largest(list(self.points))]


def found_by(landmarker: Landmarker, name: str) -> FaceFinder:
    """Faces by a function from a grey picture to 68 points.

    Args:
      landmarker: the function; where it fails, a ValueError says so.
      name: of it, for that message.
    """

    def find(number: int, picture: Grey) -> Faces:
        try:
            return Faces(faces_found(landmarker, picture))
        except Exception as error:
            raise ValueError(f"--landmarker={name}: it failed on frame {number} ({error_line(error)})") from error

    return find


@contextmanager
def named_frame(number: int) -> Iterator[None]:
    """Say in which frame landmarks are no face."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"the landmarks of frame {number}: {error}") from error


def from_files(path: Path, name: str) -> FaceFinder:
    """Faces from landmark files: one table of all frames, or a folder with a file for each frame.

    Args:
      path: a .csv or .json with frame numbers; a folder of numbered files; or a folder that holds either, named as the
        clip.
      name: of the clip.

    Raises:
      ValueError: there is no such file, or it cannot be read.
    """
    place = _place(path, name)
    if place.is_file():
        table = faces_of(place)
        marks: Mapping[int, Marks] = {number: Marks(place, number) for number in table if number is not None}
        if not marks:
            raise ValueError(f"--landmarks={place}: it does not say of which frames its points are: add a column frame")
    else:
        marks = {number: Marks(one) for number, one in numbered(place, LANDMARK_SUFFIXES).items()}
        if not marks:
            raise ValueError(f"--landmarks={place}: it holds no landmark files with frame numbers in their names")

    def find(number: int, picture: Grey) -> Faces | None:
        if number not in marks:
            return None
        faces = [to_68(points, *picture.shape) for points in faces_in(marks[number])]
        return Faces(np.array(faces).reshape(-1, 68, 2))

    return find


def _place(path: Path, name: str) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise ValueError(f"--landmarks={path}: there is no such file or folder")
    named = [path / name, *(path / f"{name}{suffix}" for suffix in (".csv", ".json"))]
    return next((one for one in named if one.exists()), path)
