"""How far a clip is from what the networks were trained on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.dataset import Dataset
from fedpsyau_jax.types import Float
from fedpsyau_jax.vision.sample import Sample

USUAL = (1, 99)
"""Percentiles of the training examples between which a clip counts as usual."""
FPS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("synthetic", "dfme"), (200, 500)),
    **dict.fromkeys(("casme2", "samm"), (200,)),
    **{"casme3": (30,), "disfa": (20,), "ckplus": (30,), "smic": (100,), "mmew": (90,)},
}
"""Frames a second of each database."""
FACE_PIXELS: Mapping[str, tuple[int, int]] = {"synthetic": (120, 190)}
"""Side of the face's square in the frames of a database, where it is known."""
FPS_FACTOR = 2.0


class Measure(NamedTuple):
    """One way in which a clip may differ from the training examples.

    Attributes:
      name: what is measured.
      value: of the clip; NaN if unknown.
      low, high: what is usual in training; NaN if unknown.
      below: share of the training examples below the value; NaN if unknown.
    """

    name: str
    value: float
    low: float
    high: float
    below: float

    @property
    def outside(self) -> bool:
        """Whether the clip is not as the training examples are, as far as is known."""
        return bool(self.value < self.low or self.value > self.high)


STATISTICS = ("motion, mean", "motion, 95th percentile", "strain, mean", "strain, 95th percentile")


def statistics(flow: Float[np.ndarray, "*examples height width 3"]) -> Float[np.ndarray, "*examples 4"]:
    """``STATISTICS`` of flow images: distance of (u, v) from rest, and strain, both in the range of the network."""
    motion = np.hypot(flow[..., 0] - 0.5, flow[..., 1] - 0.5)
    both = (motion.reshape(*motion.shape[:-2], -1), flow[..., 2].reshape(*motion.shape[:-2], -1))
    return np.stack([value for one in both for value in (one.mean(-1), np.percentile(one, 95, axis=-1))], axis=-1)


def trained_on(datasets: Sequence[Dataset]) -> Float[np.ndarray, "examples 4"]:
    """``statistics`` of all training examples."""
    return np.concatenate([statistics(np.asarray(one.examples.flow)) for one in datasets])


def distances(
    datasets: Sequence[Dataset],
    trained: Float[np.ndarray, "examples 4"],
    sample: Sample | None,
    fps: float | None,
    face: float | None,
) -> list[Measure]:
    """Compare a clip with the training examples.

    Args:
      datasets: of the training.
      trained: as of ``trained_on``.
      sample: of the clip; None if there is none.
      fps: of the clip; None if unknown.
      face: side of the face's square in its frames, pixels; None without a face.
    """
    names = [one.database for one in datasets]
    rates = [rate for name in names for rate in FPS.get(name, ())]
    sizes = [size for name in names for size in FACE_PIXELS.get(name, ())]
    measures = [
        _known("frames a second", fps, [min(rates) / FPS_FACTOR, max(rates) * FPS_FACTOR] if rates else []),
        _known("side of the face, pixels", face, sizes),
    ]
    low, high = np.percentile(trained, USUAL, axis=0)
    own = statistics(sample.flow) if sample else np.full(len(STATISTICS), np.nan)
    below = (trained < own).mean(axis=0) if sample else own
    columns = zip(STATISTICS, own, low, high, below, strict=True)
    return [*measures, *(Measure(name, *map(float, values)) for name, *values in columns)]


def _known(name: str, value: float | None, usual: Sequence[float]) -> Measure:
    nothing = float("nan")
    low, high = (float(min(usual)), float(max(usual))) if usual else (nothing, nothing)
    return Measure(name, nothing if value is None else float(value), low, high, nothing)
