"""AU detection on photographs of real people: ``python -m benchmarks.photographs [RUN]``.

Photographs that installed packages bring (scikit-image's astronaut, matplotlib's Grace Hopper; those that are missing
are left out) are moved by known action units, as rendered faces are, filmed and read by a detector of
experiments.pretrain that was trained on rendered faces. F1 of each action unit beside that on rendered faces of other
people, moved alike: what skin, light and resolution of a real face cost. The motion itself stays synthetic: real
expressions are harder.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import tyro

from benchmarks.timing import machine
from experiments import pretrain
from experiments.clips.predictor import Predictor, grey
from fedpsyau_jax.synthesis.emotions import draw_any_aus
from fedpsyau_jax.synthesis.filming import Conditions, film
from fedpsyau_jax.synthesis.muscles import MOTION, Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.synthesis.portrait import CANVAS, Portrait
from fedpsyau_jax.vision.detection import NoFaceError, dlib_landmarker
from fedpsyau_jax.vision.plausible import MotionError
from fedpsyau_jax.vision.sample import Sample, make_sample

INTENSITY = (0.05, 0.35)
STRONG = 0.2


@dataclass(frozen=True)
class Options:
    """Measure AU detection on photographs."""

    run: tyro.conf.Positional[Path | None] = None
    """Run of experiments.pretrain on synthetic faces; by default one is made, with its defaults."""
    clips: int = 60
    """Of each photograph; as many of rendered faces."""
    data_dir: Path | None = None
    """Folder of the synthetic data."""


def photographs() -> Iterator[tuple[str, np.ndarray]]:
    """Photographs (RGB) of installed packages."""
    if find_spec("skimage"):
        from skimage import data

        yield "astronaut (scikit-image)", data.astronaut()
    if find_spec("matplotlib"):
        from matplotlib.cbook import get_sample_data

        try:
            path = str(get_sample_data("grace_hopper.jpg", asfileobj=False))
        except OSError:
            return
        if (picture := cv2.imread(path)) is not None:
            yield "Grace Hopper (matplotlib)", cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def photographed(picture: np.ndarray) -> Portrait:
    """A photograph in the place of a rendered portrait: the face in the same square, in the same size.

    Raises:
      NoFaceError: none is found.
    """
    points = dlib_landmarker()(grey(picture[..., ::-1].copy()))
    scale = CANVAS.unit / float(np.linalg.norm(points[16] - points[0]))
    middle = scale * points[[0, 16]].mean(axis=0)
    shift = np.array(CANVAS.origin) - middle
    place = np.column_stack([scale * np.eye(2), shift])
    size = (CANVAS.size, CANVAS.size)
    placed = cv2.warpAffine(picture, place, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Portrait((placed / 255).astype(np.float32), scale * points + shift, CANVAS.unit)


def clip_of(face: Portrait, seed: int) -> tuple[Sample | None, np.ndarray, float]:
    """A sample (None if its motion is refused), the action units shown, and the greatest intensity."""
    generator = np.random.default_rng([3, seed])
    shown = draw_any_aus(generator)
    actions = [Action(au, float(generator.uniform(*INTENSITY))) for au, on in zip(MOTION, shown, strict=True) if on]
    take = film(face, actions, Conditions(), generator)
    onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (take.onset, take.apex))
    strongest = max(action.intensity for action in actions)
    try:
        return make_sample(onset, apex, take.onset_landmarks), shown, strongest
    except MotionError:
        return None, shown, strongest


def f1(found: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """F1 of each column; NaN where an action unit neither occurs nor is found."""
    said = found.sum(axis=0) + shown.sum(axis=0)
    return np.divide(2.0 * (found & shown).sum(axis=0), said, out=np.full(said.shape, np.nan), where=said > 0)


def measured(predictor: Predictor, faces: list[Portrait], options: Options) -> Mapping[str, np.ndarray | float]:
    """F1 of each action unit over clips of some faces in turn, and how many clips are refused."""
    clips = [clip_of(faces[seed % len(faces)], seed) for seed in range(options.clips)]
    kept = [clip for clip in clips if clip[0] is not None]
    found = np.asarray(predictor.probabilities([sample for sample, _, _ in kept if sample is not None]).au)
    detected, shown = found.mean(axis=0) > 0.5, np.array([aus for _, aus, _ in kept])
    strong = np.array([intensity > STRONG for _, _, intensity in kept])
    return {
        "f1": f1(detected, shown),
        "strong": f1(detected[strong], shown[strong]),
        "refused": len(clips) - len(kept),
    }


def show(results: Mapping[str, Mapping[str, np.ndarray | float]], names: tuple[str, ...], options: Options) -> None:
    table = pd.DataFrame({title: pd.Series(result["f1"], names) for title, result in results.items()})
    table.loc["mean"] = table.mean()
    table.loc[f"mean, > {STRONG}"] = [float(np.nanmean(result["strong"])) for result in results.values()]
    print(table.round(3).to_string())
    for title, result in results.items():
        print(f"  {title}: {result['refused']} of {options.clips} clips refused, as no face moves so")


def main(options: Options) -> int:
    """Show F1 of each action unit on photographs beside that on rendered faces."""
    print(machine())
    if not find_spec("dlib"):
        print("Finding the faces of photographs needs dlib: pip install 'fedpsyau-jax[faces]'")
        return 2
    with TemporaryDirectory() as temporary:
        run = options.run or Path(temporary) / "detector"
        data = [f"--data-dir={options.data_dir}"] if options.data_dir else []
        if options.run is None and pretrain.main([f"--output={run}", *data]):
            return 1
        predictor = Predictor(run, data_dir=options.data_dir)
    rendered = [portrait(FEDERATED, subject) for subject in range(1, 11)]
    results = {"rendered": measured(predictor, rendered, options)}
    for title, picture in photographs():
        try:
            results[title] = measured(predictor, [photographed(picture)], options)
        except NoFaceError:
            print(f"{title}: no face is found, left out")
    show(results, predictor.ensemble.au_names, options)
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.photographs", description=__doc__)))
