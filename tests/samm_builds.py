"""A small copy of SAMM and its builder, for the tests of builds."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.progress import silent
from data.samm.samm_dataset_builder import Builder
from fedpsyau_jax.synthesis.layouts import LAYOUTS, Truth, write_copy
from fedpsyau_jax.vision.detection import NoFaceError


def no_face(picture: np.ndarray) -> np.ndarray:
    """A detector that never finds any."""
    raise NoFaceError


def five_clips(folder: Path) -> Truth:
    """A copy of five clips, of which one shows no face and has no landmarks."""
    whole = write_copy(LAYOUTS["samm"], folder, num_subjects=2, clips_per_subject=2, quirks=False, faceless=True)
    assert len(whole.rows) == 5
    return whole


def builder(copy: Path | None, data_dir: Path, **options: Any) -> Callable[[], Builder]:
    options = {"landmarker": no_face, "progress": silent, "num_workers": 1} | options
    return partial(Builder, config="all", manual_dir=copy, data_dir=data_dir, **options)
