"""From clips on disk to samples: the pipeline of all databases."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from data.annotations import Annotation, Dropped
from data.cache import Arrays, cached, files_key
from data.clips import Clip, Picture, files_of, pictures_of
from data.faces import Face, FaceError, Grey, Landmarks, check_apex_face, check_shown, onset_face
from data.parallel import in_processes
from data.pictures import read_grey
from fedpsyau_jax.vision.detection import Landmarker, NoFaceError
from fedpsyau_jax.vision.plausible import MotionError
from fedpsyau_jax.vision.sample import AlignedFaces, Sample, Settings, aligned_faces, sample_of

Spotter = Callable[[Iterable[Grey], Landmarks, Settings], int]


class Prepared(NamedTuple):
    """A clip, with its apex, and the network's inputs."""

    clip: Clip
    sample: Sample


class ClipError(ValueError):
    """Clips whose files cannot be used; a line each, which names file and row."""


@dataclass(frozen=True)
class Recipe:
    """How clips become samples.

    Attributes:
        settings: the vision pipeline's choices.
        landmarker: finds 68 points in a picture that has no landmark file.
        spotter: (frames from the onset on, the onset's landmarks, settings) -> place of the apex among them.
    """

    settings: Settings
    landmarker: Landmarker | None = None
    spotter: Spotter | None = None

    def description(self) -> dict[str, Any]:
        """The choices by name, and the OpenCV that carries them out."""
        return {"pipeline": self.settings.description(), "opencv": cv2.__version__}

    def finders(self) -> dict[str, str]:
        """The functions that find landmarks and apexes if the copy does not give them."""
        return {"landmarker": name_of(self.landmarker), "spotter": name_of(self.spotter)}


def name_of(function: Callable[..., Any] | None) -> str:
    """How a function, or an object that is called like one, is named in files; ``none`` for None."""
    return "none" if function is None else getattr(function, "__name__", type(function).__name__)


def prepare(clip: Clip, recipe: Recipe, work_folder: Path | None = None) -> Prepared | Dropped | ClipError:
    """Read a clip's files and make its sample; a clip without a face is dropped.

    Args:
        clip: which files.
        recipe: what to do with them.
        work_folder: finished samples are kept there, and taken from there.

    Returns:
        The sample, or why there is none; an error if a file is broken, or the landmarks are no face: not raised,
        as other clips can go on.
    """
    return outcome(clip, lambda: cached(work_folder, sample_key(clip, recipe), partial(make_arrays, clip, recipe)))


def sample_key(clip: Clip, recipe: Recipe) -> str:
    """All that a clip's sample depends on."""
    return repr((pictures_of(clip), recipe.description(), recipe.finders())) + files_key(files_of(clip))


def outcome(clip: Clip, compute: Callable[[], Arrays]) -> Prepared | Dropped | ClipError:
    """A clip's sample from its arrays, or why there is none."""
    try:
        arrays = compute()
    except (ValueError, cv2.error) as error:
        return no_sample(clip, error)
    apex = clip.apex or next(picture for picture in pictures_of(clip) if picture.number == arrays["apex"])
    others = int(arrays["others"])
    notes = (*clip.notes, *([f"{_counted(others)} in the onset frame: the largest is taken"] if others else []))
    return Prepared(clip._replace(apex=apex, notes=notes), Sample(*(arrays[name] for name in Sample._fields)))


def no_sample(clip: Clip, error: Exception) -> Dropped | ClipError:
    """Why a clip makes no sample: there is no face or no face's motion in it, or a file is broken."""
    row, name = clip.annotation.row, clip.annotation.clip
    if isinstance(error, NoFaceError):
        return Dropped(row, name, "no face found in the onset frame")
    if isinstance(error, FaceError | MotionError):
        return Dropped(row, name, str(error))
    return ClipError(f"table row {row}, clip {name}: {error}")


def _counted(others: int) -> str:
    return "another face" if others == 1 else f"{others} other faces"


def find_face_and_apex(clip: Clip, recipe: Recipe) -> tuple[Face, Picture]:
    """The onset's face, and the picture of the apex.

    Raises:
        NoFaceError: the onset shows none.
        PictureError: a file is missing or broken.
    """
    face = onset_face(clip, recipe.landmarker, read_grey(clip.onset.frame))
    if clip.apex:
        return face, clip.apex
    if recipe.spotter is None:
        raise ValueError("no apex is annotated, and there is no method to spot it")
    sought = pictures_of(clip)
    frames = (read_grey(picture.frame) for picture in sought)
    return face, sought[recipe.spotter(frames, face.points, recipe.settings)]


class Found(NamedTuple):
    """The aligned faces of a clip, the number of its apex, and how many other faces its onset shows."""

    faces: AlignedFaces
    apex: int
    others: int


def find_faces(clip: Clip, recipe: Recipe) -> Found:
    """All that a sample is made of, but for the motion.

    Raises:
        NoFaceError: the onset shows none.
        FaceError: there is nothing to be seen where the landmarks are, or the apex shows no face.
        ValueError: a file is missing or broken, or the landmarks are no face.
    """
    settings = recipe.settings
    face, apex = find_face_and_apex(clip, recipe)
    onset, peak = read_grey(clip.onset.frame), read_grey(apex.frame)
    for frame, picture in ((clip.onset.frame, onset), (apex.frame, peak)):
        check_shown(picture, frame, face.points, settings)
    check_apex_face(clip, apex, recipe.landmarker, (onset, peak), face, settings)
    return Found(aligned_faces(onset, peak, face.points, settings), apex.number, face.others)


def make_arrays(clip: Clip, recipe: Recipe) -> Arrays:
    """A clip's sample, the number of its apex, and how many other faces its onset shows.

    Raises:
        MotionError: the apex shows something else than the onset's face.
        Exception: as of ``find_faces``.
    """
    found = find_faces(clip, recipe)
    return finished_arrays(found, recipe.settings.flow(found.faces.onset, found.faces.apex), recipe)


def finished_arrays(found: Found, motion: Float[np.ndarray, "height width 2"], recipe: Recipe) -> Arrays:
    """The same from the flow between the aligned faces."""
    sample = sample_of(found.faces, motion, recipe.settings)
    return sample._asdict() | {"apex": np.array(found.apex), "others": np.array(found.others)}


def prepared_by_processes(
    clips: Sequence[Clip], recipe: Recipe, num_workers: int | None = None, work_folder: Path | None = None
) -> Iterator[Prepared | Dropped | ClipError]:
    """The clips' samples on all cores, in the clips' order; see ``prepare``."""
    return in_processes(partial(prepare, recipe=recipe, work_folder=work_folder), clips, num_workers)


def au_targets(annotation: Annotation, au_names: Iterable[int], labelled: frozenset[int]) -> dict[str, Any]:
    """Which AUs are present (0 or 1), and for which AUs the database knows (mask 0 or 1).

    Args:
        annotation: its ``action_units`` may be unknown: all masked.
        au_names: AU numbers, in the order of the output.
        labelled: AUs that the database's coders looked for.
    """
    units = annotation.action_units
    present = frozenset() if units is None else units.present
    known = frozenset() if units is None else labelled - units.uncertain
    numbers = list(au_names)
    return {
        "au": np.array([number in present & known for number in numbers], np.float32),
        "au_mask": np.array([number in known for number in numbers], np.float32),
    }
