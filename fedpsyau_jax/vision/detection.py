"""Landmark detection: 68 points from any function, by default dlib's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import numpy as np
from jaxtyping import Float, UInt8

Picture = UInt8[np.ndarray, "rows columns"]
Landmarker = Callable[[Picture], Float[np.ndarray, "68 2"]]

MODEL = "shape_predictor_68_face_landmarks.dat"


class NoFaceError(ValueError):
    """No face was found in a picture; its sample is dropped."""

    def __init__(self) -> None:
        """State what the picture should show."""
        super().__init__("no face is found in the picture: it should show one from the front, 40 pixels wide or more")


class MissingFacesExtraError(OSError):
    """The packages of the extra ``faces`` are not installed."""

    def __init__(self, missing: str) -> None:
        """Name what is missing and the command that installs it."""
        super().__init__(
            f"finding faces needs {missing}: run `pip install 'fedpsyau-jax[faces]'`, or give the landmarks as files"
        )


def detected(landmarker: Landmarker, picture: Picture) -> Float[np.ndarray, "68 2"]:
    """Run a landmarker and check that it returns the (x, y) of 68 points; None means that there is no face.

    Raises:
        NoFaceError: there is no face.
        ValueError: the landmarker returns anything else.
    """
    found = landmarker(picture)
    if found is None:
        raise NoFaceError
    points = np.asarray(found, float)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise ValueError(
            f"the landmarker must return 68 points (x, y) of finite numbers; it returned shape {points.shape}"
        )
    return points


def landmarker_named(text: str) -> Landmarker:
    """Import a landmarker given as ``module:function``.

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

    Of several faces it takes the one with the highest score; without one it searches the picture again at twice the
    size. It can be pickled; each process loads the model once.

    Attributes:
        model: file of the shape predictor.

    Source: Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005; Kazemi &
    Sullivan, "One millisecond face alignment with an ensemble of regression trees", CVPR 2014. The model was
    trained on iBUG 300-W, which is for research.
    """

    model: Path

    def __call__(self, picture: Picture) -> Float[np.ndarray, "68 2"]:
        """(x, y) of the 68 points, in pixels.

        Raises:
            NoFaceError: there is no face.
            MissingFacesExtraError: dlib is not installed.
        """
        detector, predictor = _load(self.model)
        picture = np.ascontiguousarray(picture)
        for doublings in (0, 1):
            boxes, scores, _ = detector.run(picture, doublings)
            if scores:
                shape = predictor(picture, boxes[int(np.argmax(scores))])
                return np.array([(point.x, point.y) for point in shape.parts()], float)
        raise NoFaceError


def dlib_landmarker() -> DlibLandmarker:
    """The landmarker of the extra ``faces``, with the model file from its packages.

    Raises:
        MissingFacesExtraError: the packages are not installed.
    """
    if find_spec("dlib") is None:
        raise MissingFacesExtraError("dlib-bin")
    package = find_spec("face_recognition_models")  # importing it would need pkg_resources
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
