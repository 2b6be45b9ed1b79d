"""Where the face is in a picture: 68 landmarks from any function, dlib's by default."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.vision.landmark_formats import largest

Picture = UInt8[np.ndarray, "rows columns"]
Landmarker = Callable[[Picture], Float[np.ndarray, "*faces 68 2"]]

MODEL = "shape_predictor_68_face_landmarks.dat"


class NoFaceError(ValueError):
    """No face is to be seen in a picture: its sample is dropped."""

    def __init__(self) -> None:
        """State what the picture should show."""
        super().__init__("no face is found in the picture: it should show one from the front, 40 pixels wide or more")


class MissingFacesExtraError(OSError):
    """The packages of the extra ``faces`` are not installed."""

    def __init__(self, missing: str) -> None:
        """Name what is missing and the command that mends it."""
        super().__init__(
            f"finding faces needs {missing}: run `pip install 'fedpsyau-jax[faces]'`, or give the landmarks as files"
        )


def faces_found(landmarker: Landmarker, picture: Picture) -> Float[np.ndarray, "faces 68 2"]:
    """(x, y) of the 68 points of every face that anybody's landmarker finds, perhaps of none.

    Args:
        landmarker: returns the 68 points of one face, or those of several, [faces, 68, 2]; None, or none of them, means
            that there is no face. One with a method ``faces`` returns several there.
        picture: grey.

    Raises:
        ValueError: what it returns is no such points.
    """
    try:
        found = getattr(landmarker, "faces", landmarker)(picture)
    except NoFaceError:
        found = None
    if found is None or len(found) == 0:
        return np.empty((0, 68, 2))
    points = np.asarray(found, float)
    faces = points[None] if points.ndim == 2 else points
    if faces.shape[1:] != (68, 2) or not np.isfinite(faces).all():
        raise ValueError(
            f"the landmarker must return 68 points (x, y) of finite numbers; it returned shape {points.shape}"
        )
    return faces


def detected(landmarker: Landmarker, picture: Picture) -> Float[np.ndarray, "68 2"]:
    """(x, y) of the 68 points of the largest face that anybody's landmarker finds; see ``faces_found``.

    Raises:
        NoFaceError: there is none.
        ValueError: what the landmarker returns is no such points.
    """
    faces = faces_found(landmarker, picture)
    if not len(faces):
        raise NoFaceError
    return faces[largest(list(faces))]


def landmarker_named(text: str) -> Landmarker:
    """A user's own landmarker, as ``module:function``.

    Raises:
        ValueError: there is no such function.
    """
    try:
        landmarker = resolve_name(text)
    except (ValueError, ImportError, AttributeError) as error:
        raise ValueError(f"{text!r} is not a landmarker ({error}); name yours as module:function") from error
    if not callable(landmarker) or ":" not in text:
        raise ValueError(f"{text!r} is not a function from a picture to 68 points; name yours as module:function")
    return cast(Landmarker, landmarker)


@dataclass(frozen=True)
class DlibLandmarker:
    """dlib's frontal face detector, then its 68-point shape predictor.

    Of several faces the largest; what is less than a third as certain as the most certain one is no face. A picture
    without one is searched again at twice its size. Can be sent to other processes; each loads the model once.

    Attributes:
        model: file of the shape predictor.

    Source: Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005; Kazemi &
    Sullivan, "One millisecond face alignment with an ensemble of regression trees", CVPR 2014. The model was
    trained on iBUG 300-W, which is for research.
    """

    model: Path

    def __call__(self, picture: Picture) -> Float[np.ndarray, "68 2"]:
        """(x, y) of the 68 points of the largest face, pixels.

        Raises:
            NoFaceError: there is none.
            MissingFacesExtraError: dlib is not installed.
        """
        found = self.faces(picture)
        if not len(found):
            raise NoFaceError
        return found[largest(list(found))]

    def faces(self, picture: Picture) -> Float[np.ndarray, "faces 68 2"]:
        """(x, y) of the 68 points of every face, pixels.

        Raises:
            MissingFacesExtraError: dlib is not installed.
        """
        detector, predictor = _load(self.model)
        picture = np.ascontiguousarray(picture)
        for doublings in (0, 1):
            boxes, scores, _ = detector.run(picture, doublings)
            if scores:
                sure = [box for box, score in zip(boxes, scores, strict=True) if score >= max(scores) / 3]
                shapes = [predictor(picture, box) for box in sure]
                return np.array([[(point.x, point.y) for point in shape.parts()] for shape in shapes], float)
        return np.empty((0, 68, 2))


def dlib_landmarker() -> DlibLandmarker:
    """The landmarker of the extra ``faces``, with the model file that its packages bring.

    Raises:
        MissingFacesExtraError: they are not installed.
    """
    if find_spec("dlib") is None:
        raise MissingFacesExtraError("dlib-bin")
    package = find_spec("face_recognition_models")  # finds its folder; importing it would need pkg_resources
    for folder in (package.submodule_search_locations or []) if package else []:
        model = Path(folder) / "models" / MODEL
        if model.is_file():
            return DlibLandmarker(model)
    raise MissingFacesExtraError(f"face-recognition-models, which provides {MODEL}")


@cache
def _load(model: Path) -> tuple[Any, Any]:
    try:
        import dlib
    except ImportError as error:
        raise MissingFacesExtraError("dlib-bin") from error
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model))
