"""Synthetic clips as files, in the layout of the DFME challenge release.

``train_data/sub0003_01/00109.png`` (onset and apex frames), ``landmarks/sub0003_01/00109.txt`` (68 lines
``x y``) and the table ``DFME_train.csv``. A clip's pictures appear all at once, after its landmarks; the
table comes last.
"""

import csv
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fedpsyau_jax.synthesis.camera import record
from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.filming import film
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.population import (
    Clip,
    Population,
    clips,
    filming_generator,
    portrait,
    subject_numbers,
)
from fedpsyau_jax.synthesis.site import USUAL, Site

PICTURES = "train_data"
LANDMARKS = "landmarks"
TABLE = "DFME_train.csv"
COLUMNS = (
    "Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Emotion", "EmotionId", "Fps", "AU",
)  # fmt: skip


def write_subject(root: Path, population: Population, subject: int, site: Site = USUAL) -> int:
    """Film all clips of a subject at a site that are not on disk yet.

    Returns:
        How many clips were filmed now.

    Raises:
        OSError: a file cannot be written.
    """
    missing = [clip for clip in clips(population, subject, site) if not (root / PICTURES / clip.name).is_dir()]
    if not missing:
        return 0
    face = portrait(population, subject, site)
    for clip in missing:
        take = film(face, clip.actions, population.conditions, filming_generator(population, clip), clip.shown)
        numbers = (clip.onset, clip.apex)
        onset, before = record(take.onset, take.onset_landmarks, site.camera)
        apex, after = record(take.apex, take.apex_landmarks, site.camera)
        _write_landmarks(root / LANDMARKS / clip.name, numbers, (before, after))
        _write_pictures(root / PICTURES / clip.name, numbers, (onset, apex))
    return len(missing)


def write_table(root: Path, sites: Sequence[tuple[Population, Site]]) -> Path:
    """Write the annotation table of the people of some sites, whose pictures are written."""
    temporary = root / f".{TABLE}.{os.getpid()}"
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        for population, site in sites:
            for subject in subject_numbers(population):
                rows.writerows(_row(clip, site) for clip in clips(population, subject, site))
    return temporary.replace(root / TABLE)


def _row(clip: Clip, site: Site) -> tuple[str | int, ...]:
    emotion = ("", "") if clip.emotion is None else (EMOTIONS[clip.emotion], clip.emotion)
    actions = "+".join(_code(action) for action in site.annotators.coded(clip.actions))
    return (clip.subject, clip.name, clip.onset, clip.apex, clip.offset, *emotion, clip.fps, actions)


def _code(action: Action) -> str:
    return f"{action.side}{action.au}"


def _write_landmarks(folder: Path, numbers: tuple[int, ...], faces: tuple[Float[np.ndarray, "68 2"], ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, points in zip(numbers, faces, strict=True):
        text = "".join(f"{x:.3f} {y:.3f}\n" for x, y in points)
        (folder / f"{number:05d}.txt").write_text(text, encoding="utf-8")


def _write_pictures(
    folder: Path, numbers: tuple[int, ...], frames: tuple[UInt8[np.ndarray, "rows columns 3"], ...]
) -> None:
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for number, frame in zip(numbers, frames, strict=True):
        done, png = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise OSError(f"cannot encode frame {number} of {folder.name} as PNG")
        (temporary / f"{number:05d}.png").write_bytes(png.tobytes())
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(temporary)  # another run filmed the same clip first; the pictures are the same
