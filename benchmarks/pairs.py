"""Pairs of pictures whose flow is measured: synthetic faces, and photographs that installed packages carry."""

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from fedpsyau_jax.synthesis.filming import film
from fedpsyau_jax.synthesis.population import FEDERATED, clips, filming_generator, portrait, subject_numbers
from fedpsyau_jax.vision.sample import Settings, aligned_faces

Pair = tuple[np.ndarray, np.ndarray]
Source = Callable[[int, int], list[Pair]]

_FACES = {
    "skimage/data/astronaut.png": (130, 10, 200),
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": (120, 50, 280),
}
"""Files and the square of the face: left, top, side."""
_OTHERS = {
    "skimage/data/camera.png": (100, 60, 300),
    "skimage/data/chelsea.png": (100, 0, 300),
    "skimage/data/coffee.png": (150, 50, 300),
    "sklearn/datasets/images/china.jpg": (150, 100, 320),
    "sklearn/datasets/images/flower.jpg": (200, 50, 320),
}
_MOST = 1.5  # pixels
_GRAIN = 1.0  # grey levels


def synthetic_faces(count: int, size: int) -> list[Pair]:
    """Aligned faces of onset and apex of synthetic micro-expressions, as the data pipeline cuts them."""
    return list(islice(_synthetic(size), count))


def _synthetic(size: int) -> Iterator[Pair]:
    settings = Settings(face_size=size)
    for subject in subject_numbers(FEDERATED):
        face = portrait(FEDERATED, subject)
        for clip in clips(FEDERATED, subject)[:2]:
            take = film(face, clip.actions, FEDERATED.conditions, filming_generator(FEDERATED, clip))
            onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (take.onset, take.apex))
            yield aligned_faces(onset, apex, take.onset_landmarks, settings)[:2]


def photographed_faces(count: int, size: int) -> list[Pair]:
    """Photographs of two faces, moved by smooth fields of up to 1.5 pixels."""
    return _photographs(_FACES, count, size)


def photographs(count: int, size: int) -> list[Pair]:
    """Photographs of other things, moved in the same way."""
    return _photographs(_OTHERS, count, size)


SOURCES: Mapping[str, Source] = {
    "synthetic faces": synthetic_faces,
    "photographs of faces": photographed_faces,
    "other photographs": photographs,
}


def _photographs(files: Mapping[str, tuple[int, int, int]], count: int, size: int) -> list[Pair]:
    cuts = [_cut(path, square, size) for name, square in files.items() if (path := _installed(name))]
    return [_moved(cut, seed) for seed, cut in enumerate(islice(cycle(cuts), count))] if cuts else []


def _installed(name: str) -> Path | None:
    package, _, inside = name.partition("/")
    found = find_spec(package)
    paths = [Path(folder) / inside for folder in (found.submodule_search_locations or ())] if found else []
    return next((path for path in paths if path.exists()), None)


def _cut(path: Path, square: tuple[int, int, int], size: int) -> np.ndarray:
    left, top, side = square
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(picture[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)


def _moved(onset: np.ndarray, seed: int) -> Pair:
    generator, size = np.random.default_rng(seed), len(onset)
    field = cv2.GaussianBlur(generator.standard_normal((size, size, 2)).astype(np.float32), (0, 0), size / 10)
    u, v = np.moveaxis(field * _MOST / np.abs(field).max(), -1, 0)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    apex = cv2.remap(onset, columns - u, rows - v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return onset, np.clip(apex + generator.normal(0, _GRAIN, apex.shape), 0, 255).astype(np.uint8)
