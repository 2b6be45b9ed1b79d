"""How much of the muscles' motion is left readable when the head moves too."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis.filming import Conditions, Take, film
from fedpsyau_jax.synthesis.population import FEDERATED, clips, filming_generator, portrait
from fedpsyau_jax.vision.crop import crop_points
from fedpsyau_jax.vision.sample import Settings, flow_image
from fedpsyau_jax.vision.stabilise import as_filmed

FACE_SQUARE = Settings().square


def grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def head_moving(factor: float) -> Conditions:
    usual = FEDERATED.conditions
    return replace(usual, shift=factor * usual.shift, turn=factor * usual.turn, zoom=factor * usual.zoom)


def takes(factor: float, num_subjects: int, clips_of_each: int) -> list[Take]:
    return [
        film(portrait(FEDERATED, subject), clip.actions, head_moving(factor), filming_generator(FEDERATED, clip))
        for subject in range(1, num_subjects + 1)
        for clip in clips(FEDERATED, subject)[:clips_of_each]
    ]


def muscle_motion(take: Take) -> np.ndarray:
    """At the inner landmarks, pixels of a 128-pixel face."""
    return take.muscle_motion[17:] * 128 / FACE_SQUARE(take.onset_landmarks).side


def error(take: Take, settings: Settings) -> float:
    """Root mean square of (measured - true muscle motion) at the inner landmarks."""
    points = crop_points(take.onset_landmarks, FACE_SQUARE(take.onset_landmarks), 128)[17:]
    measured = flow_image(grey(take.onset), grey(take.apex), take.onset_landmarks, settings)
    columns, rows = np.rint(points).astype(int).clip(0, 127).T
    return float(np.sqrt(((measured[rows, columns, :2] - muscle_motion(take)) ** 2).sum(1).mean()))


@pytest.mark.slow
def test_a_head_that_moves_twice_as_far_costs_little():
    filmed = takes(2.0, 3, 1)
    with_it = np.mean([error(take, Settings()) for take in filmed])
    without = np.mean([error(take, Settings(stabilise=as_filmed)) for take in filmed])
    assert with_it < 0.35
    assert without > 4 * with_it


@pytest.mark.slow
def test_figures_of_head_motion():
    print()
    for factor in (0, 1, 2, 4):
        filmed = takes(factor, 10, 2)
        size = np.mean([np.sqrt((muscle_motion(take) ** 2).sum(1).mean()) for take in filmed])
        head = np.mean([np.linalg.norm(take.apex_landmarks - take.onset_landmarks, axis=1).mean() for take in filmed])
        without = np.mean([error(take, Settings(stabilise=as_filmed)) for take in filmed])
        with_it = np.mean([error(take, Settings()) for take in filmed])
        print(
            f"head motion x {factor} ({head:.2f} frame pixels): muscles {size:.2f}, "
            f"error as filmed {without:.2f}, head taken out {with_it:.2f}"
        )
        assert with_it < 0.25
