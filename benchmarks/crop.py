"""Which square of the face serves best: ``python -m benchmarks.crop --repeats 5``.

Landmarks: how many of the network's 65 each square holds, and how many of their windows had to be moved inside it,
on synthetic faces and on the photographs of real people that scikit-image and matplotlib bring.
Detector: F1 of ``experiments.pretrain`` on held-out synthetic subjects, the same people, clips, motions, splits and
initial weights for every square; differences to the first square are paired by repeat.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import tyro

from benchmarks.timing import machine
from data.synthetic.synthetic_dataset_builder import Builder
from experiments import pretrain
from fedpsyau_jax.synthesis.filming import film
from fedpsyau_jax.synthesis.population import FEDERATED, PRETRAINING, portrait, subject_numbers
from fedpsyau_jax.vision.crop import SQUARES, Square, crop_points
from fedpsyau_jax.vision.detection import dlib_landmarker
from fedpsyau_jax.vision.landmarks import INNER_EYE_CORNERS, network_landmarks
from fedpsyau_jax.vision.patches import PATCH_SIZE
from fedpsyau_jax.vision.sample import Settings

LOWER_FACE = ("AU15", "AU17")


@dataclass(frozen=True)
class Options:
    """Measure squares."""

    squares: tuple[str, ...] = tuple(SQUARES)
    """Which, by name; the first is what the others are compared with."""
    repeats: int = 5
    """Detectors of each, 0 for none."""
    epochs: int = 32
    """Of each detector."""
    subjects: int = PRETRAINING.num_subjects
    """Synthetic people, of ten clips each."""
    folder: Path | None = None
    """Where data and runs go; by default a folder that is deleted at the end."""


def synthetic_faces() -> Iterator[np.ndarray]:
    """Landmarks of every person of the synthetic database."""
    for population in (FEDERATED, PRETRAINING):
        for subject in subject_numbers(population):
            generator = np.random.default_rng(subject)
            yield film(portrait(population, subject), [], population.conditions, generator).onset_landmarks


def photographs() -> Iterator[np.ndarray]:
    """Landmarks that dlib finds on photographs of real people, of which two come with packages."""
    if not find_spec("dlib"):
        return
    from matplotlib.cbook import get_sample_data

    pictures = [cv2.imread(str(get_sample_data("grace_hopper.jpg", asfileobj=False)), cv2.IMREAD_GRAYSCALE)]
    if find_spec("skimage"):
        from skimage import data

        pictures.append(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY))
    for picture in pictures:
        yield dlib_landmarker()(picture)


def show_landmarks(name: str, square: Square, faces: Sequence[np.ndarray]) -> None:
    """Print how much of the faces a square holds."""
    size, reach = Settings().face_size, PATCH_SIZE // 2
    placed = np.array([crop_points(network_landmarks(face), square(face), size) for face in faces])
    outside = ((placed < 0) | (placed > size - 1)).any(axis=2)
    moved = ((placed < reach) | (placed > size - 1 - reach)).any(axis=2)
    units = [np.linalg.norm(np.subtract(*face[list(INNER_EYE_CORNERS)])) / 2 for face in faces]
    sides = [square(face).side / unit for face, unit in zip(faces, units, strict=True)]
    print(
        f"  {name:10} {1 - outside.mean():7.1%} of landmarks inside, {np.mean(~outside.any(1)):5.0%} of faces whole, "
        f"at most {outside.sum(1).max()} outside and {moved.sum(1).max()} windows moved; side {np.mean(sides):.1f} u"
    )


def detector_f1(square: Square, options: Options, folder: Path) -> pd.DataFrame:
    """F1 of every AU and repeat, [repeats, AUs], of detectors that see faces through a square."""
    for config in Builder.BUILDER_CONFIGS:
        config.settings = Settings(square=square)
        config.population = replace(config.population, num_subjects=options.subjects)
    run = folder / square.__name__
    arguments = [f"--repeats={options.repeats}", f"--pretraining.epochs={options.epochs}", f"--output={run}"]
    if pretrain.main([*arguments, f"--data-dir={folder}"]):
        raise SystemExit("stopped")
    rows = pd.read_csv(run / "au_predictions.csv")
    rows = rows[rows.algorithm == rows.algorithm.iloc[0]]
    names = [name.removeprefix("label_") for name in rows if name.startswith("label_")]
    return pd.DataFrame({name: rows.groupby("repeat").apply(partial(f1, name=name)) for name in names})


def f1(rows: pd.DataFrame, name: str) -> float:
    """F1 of one AU; NaN where it neither occurs nor is detected."""
    found, shown = rows[f"probability_{name}"] > 0.5, rows[f"label_{name}"] == 1
    return float(2 * (found & shown).sum() / said) if (said := found.sum() + shown.sum()) else float("nan")


def show_detectors(scores: dict[str, pd.DataFrame]) -> None:
    """Print the F1 of each square, and its paired difference to the first."""
    first = next(iter(scores.values()))
    for name, score in scores.items():
        mean, gain = score.mean(axis=1), score.mean(axis=1) - first.mean(axis=1)
        single = ", ".join(f"{au} {score[au].mean():.3f}" for au in LOWER_FACE if au in score)
        print(
            f"  {name:10} AU F1 {mean.mean():.3f} ± {mean.std():.3f} ({single}); difference {gain.mean():+.3f} "
            f"± {gain.std() / max(1, len(gain)) ** 0.5:.3f} (standard error)"
        )
    print(pd.DataFrame({name: score.mean() for name, score in scores.items()}).round(3).T.to_string())


def main(options: Options) -> int:
    """Show both measurements."""
    print(machine())
    for title, faces in (("synthetic faces", list(synthetic_faces())), ("photographs", list(photographs()))):
        print(f"{len(faces)} {title}")
        for name in options.squares if faces else ():
            show_landmarks(name, SQUARES[name], faces)
    if options.repeats:
        with TemporaryDirectory() as temporary:
            folder = options.folder or Path(temporary)
            scores = {name: detector_f1(SQUARES[name], options, folder) for name in options.squares}
        print(f"detectors of {options.subjects} synthetic people, {options.repeats} repeats")
        show_detectors(scores)
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.crop", description=__doc__)))
