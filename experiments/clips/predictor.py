"""Read one clip from Python: its onset and apex frame and the onset's landmarks in, probabilities out."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import cv2
import jax
import numpy as np
from jaxtyping import Float, UInt8

from experiments.clips.doubt import disagreement, too_still
from experiments.clips.motion import Motion, motion_between
from experiments.clips.networks import Ensemble, read_ensemble
from experiments.clips.outputs import SAMPLE_SHAPES, Probabilities, ensemble_program
from experiments.run.progress import Stages, progress
from experiments.training.compiler import short_run_options
from fedpsyau_jax.vision.detection import Landmarker, detected, dlib_landmarker
from fedpsyau_jax.vision.plausible import MotionError
from fedpsyau_jax.vision.sample import Sample, Settings, make_sample

Picture = UInt8[np.ndarray, "rows columns *channels"]
BATCH = 16
"""Samples that one call of the compiled program reads; fewer are padded."""


class Score(NamedTuple):
    """Mean probability over an ensemble, its standard deviation (0 for a single network), least and most."""

    mean: float
    spread: float
    low: float
    high: float


@dataclass(frozen=True)
class Reading:
    """What an ensemble says of a clip.

    Attributes:
      emotions: by class; empty if the networks detect action units only, or there is no sample.
      aus: by action unit.
      abstained: why the reading is not to be used, one sentence each; empty if nothing speaks against it.
      sample: what the networks saw; None if the motion can be no face's.
      agreement: share of the networks whose most probable emotion is that of the ensemble.
    """

    emotions: dict[str, Score]
    aus: dict[str, Score]
    abstained: tuple[str, ...]
    sample: Sample | None
    agreement: float = 1.0

    @property
    def emotion(self) -> str | None:
        """The most probable emotion; None if the reading is abstained from, or there are no emotions."""
        return None if self.abstained or not self.emotions else max(self.emotions, key=lambda name: self.emotions[name])


class Predictor:
    """Networks of finished runs, ready to read clips.

    Args:
      runs: folders of runs of fed, mer, ablate or pretrain; all their kept networks are one ensemble.
      data_dir: folder of the runs' databases.
      row: title of the row of the table whose networks to take; by default all.
      stages: where progress is shown; by default on standard error.

    Raises:
      ValueError, OSError: a run is not finished, kept no networks, or does not fit the others; in one sentence.
    """

    def __init__(
        self, *runs: Path | str, data_dir: Path | None = None, row: str | None = None, stages: Stages | None = None
    ) -> None:
        """Read the runs; the program compiles at the first call."""
        with progress() if stages is None else nullcontext(stages) as shown:
            self.ensemble: Ensemble = read_ensemble(runs, data_dir, row, shown)

    def __call__(
        self, onset: Picture, apex: Picture, landmarks: Float[np.ndarray, "68 2"] | Landmarker | None = None
    ) -> Reading:
        """Read a clip.

        Args:
          onset: neutral frame, grey or blue-green-red.
          apex: frame of the strongest expression, of the same size.
          landmarks: (x, y) of the onset's 68 landmarks, or a function that finds them; by default dlib's.

        Raises:
          NoFaceError: no face is found in the onset.
          ValueError: the frames differ in size, or the landmarks are no face.
        """
        before, after = grey(onset), grey(apex)
        finder = landmarks if landmarks is not None else dlib_landmarker()
        points = detected(finder, before) if callable(finder) else np.asarray(finder, float)
        try:
            sample = make_sample(before, after, points, self.settings)
        except MotionError as error:
            return Reading({}, {}, (str(error),), None)
        return self.read([sample], [motion_between(before, after, points, self.settings)])[0]

    @property
    def settings(self) -> Settings:
        """How clips become samples."""
        return self.ensemble.settings

    def compile_flow(self) -> None:
        """Compile the flow of a recipe that compiles one; else the first reading does."""
        blank = np.zeros((self.settings.face_size, self.settings.face_size), np.uint8)
        self.settings.flow(blank, blank)

    def compile_networks(self) -> None:
        """Compile the program of the networks; else the first reading does."""
        _ = self._program

    @cached_property
    def _program(self) -> Callable[[np.ndarray, np.ndarray], Probabilities]:
        function, weights = ensemble_program(self.ensemble.members, len(self.ensemble.class_names))
        samples = [jax.ShapeDtypeStruct((BATCH, *shape), np.float32) for shape in SAMPLE_SHAPES]
        compiled = jax.jit(function, compiler_options=short_run_options()).lower(weights, *samples).compile()
        return partial(compiled, weights)

    def probabilities(self, samples: Sequence[Sample]) -> Probabilities:
        """The probabilities of every network, leaves [networks, samples, ...]."""
        parts = []
        for start in range(0, len(samples), BATCH):
            own = samples[start : start + BATCH]
            count = len(own)
            padded = [*own, *[own[0]] * (BATCH - count)]
            flow, patches = (np.stack([getattr(one, name) for one in padded]) for name in ("flow", "patches"))
            found = jax.device_get(self._program(flow, patches))
            parts.append(jax.tree.map(lambda leaf, count=count: leaf[:, :count], found))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *parts)

    def read(self, samples: Sequence[Sample], motions: Sequence[Motion]) -> list[Reading]:
        """Read several samples together, of which this motion was measured."""
        found = self.probabilities(samples)
        together = enumerate(zip(samples, motions, strict=True))
        return [self._reading(sample, motion, found, place) for place, (sample, motion) in together]

    def _reading(self, sample: Sample, motion: Motion, found: Probabilities, place: int) -> Reading:
        emotion, au = (np.asarray(leaf)[:, place] for leaf in found)
        emotions = scores(self.ensemble.class_names, emotion)
        agreement = float(np.mean(emotion.argmax(1) == emotion.mean(0).argmax())) if emotions else 1.0
        doubts = (too_still(motion.strain, motion.head), disagreement(agreement, len(emotion)))
        reasons = tuple(doubt for doubt in doubts if doubt)
        return Reading(emotions, scores(self.ensemble.au_names, au), reasons, sample, agreement)


def scores(names: Sequence[str], probabilities: Float[np.ndarray, "networks names"]) -> dict[str, Score]:
    """Mean and spread of each column, by its name."""
    statistics = (probabilities.mean(0), probabilities.std(0), probabilities.min(0), probabilities.max(0))
    return {name: Score(*map(float, values)) for name, values in zip(names, np.transpose(statistics), strict=True)}


def grey(picture: Picture) -> UInt8[np.ndarray, "rows columns"]:
    """A picture as grey levels.

    Raises:
      ValueError: it is no picture of 8 bits, grey or of three colours.
    """
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"a picture must be uint8, [rows, columns] or [rows, columns, 3], not {picture.dtype} {list(picture.shape)}"
        )
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture, np.uint8)
