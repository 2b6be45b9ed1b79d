"""The bound on a face's motion: no expression reaches it, and what is no face's does."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis.filming import Take, film
from fedpsyau_jax.synthesis.muscles import MOTION, Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.vision.crop import crop, crop_points
from fedpsyau_jax.vision.plausible import MotionBound, MotionError, face_region, unbounded
from fedpsyau_jax.vision.sample import Settings, make_sample
from fedpsyau_jax.vision.stabilise import as_filmed

STRICTEST = MotionBound(half=-1.0, agreement=2.0)


def grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def take_of(subject: int, intensity: float, head: float, seed: int = 0) -> Take:
    aus = np.random.default_rng(seed).choice(list(MOTION), 3, replace=False)
    usual = FEDERATED.conditions
    moved = replace(usual, shift=head * usual.shift, turn=head * usual.turn, zoom=head * usual.zoom)
    actions = [Action(int(au), intensity) for au in aus]
    return film(portrait(FEDERATED, subject), actions, moved, np.random.default_rng(seed))


def with_jaw_dropped(picture: np.ndarray, points: np.ndarray, share: float) -> np.ndarray:
    """All below the upper lip lower by a share of the face's width, the mouth dark between."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    lip, chin, width = points[62, 1], points[8, 1], np.linalg.norm(points[16] - points[0])
    aside, drop = (x - points[8, 0]) / width, share * width
    fade = np.exp(-((aside / 0.42) ** 4)) * np.clip(1 - (y - chin - drop) / (1.2 * drop + 1), 0, 1)
    source = np.where(y > lip, np.maximum(y - drop * fade, lip), y).astype(np.float32)
    moved = cv2.remap(picture, x, source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opening = (y > lip) & (y < lip + drop * np.sqrt(np.clip(1 - (aside / 0.2) ** 2, 0, 1)))
    return np.where(opening, 35, moved).astype(np.uint8)


def with_eyes_closed(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    closed = picture.copy()
    for eye in (points[36:42], points[42:48]):
        column, row = eye.max(axis=0).astype(int)
        lid = int(picture[row + 4, column])
        cv2.fillConvexPoly(closed, cv2.convexHull(np.round(eye).astype(np.int32)), (lid,))
    return closed


def measured(onset: np.ndarray, apex: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """How far half of the face moves, as a share of the square, and how well the frames agree with that undone."""
    settings = Settings()
    box, size = settings.square(points), settings.face_size
    placed = crop_points(points, box, size)
    before = crop(onset, box, size)
    after = settings.stabilise(before, crop(apex, box, size), placed)
    motion = settings.flow(before, after)
    told = [
        MotionBound(half=-1.0)(before, after, motion, placed),
        replace(STRICTEST, half=9.0)(before, after, motion, placed),
    ]
    half, agreement = told[0].split("moves by ")[1].split("%")[0], told[1].split("correlate by ")[1].split(",")[0]
    return float(half) / 100, float(agreement)


def hardest(subject: int, seed: int) -> Iterator[np.ndarray]:
    """Surprise as it is posed: jaw dropped by up to a third of the face's width, brows raised, then the eyes closed."""
    take = take_of(subject, 1.0, 2.0, seed)
    for share in (0.1, 0.2, 0.36):
        dropped = with_jaw_dropped(grey(take.apex), take.apex_landmarks, share)
        yield dropped
        yield with_eyes_closed(dropped, take.apex_landmarks)


@pytest.mark.slow
@pytest.mark.parametrize(("intensity", "head"), [(0.35, 1.0), (1.0, 2.0)])
def test_expressions_stay_within_the_bound(intensity: float, head: float):
    for subject in (1, 2):
        take = take_of(subject, intensity, head, subject)
        make_sample(grey(take.onset), grey(take.apex), take.onset_landmarks)


@pytest.mark.slow
def test_a_dropped_jaw_and_closed_eyes_stay_within_the_bound():
    take = take_of(1, 1.0, 2.0, 3)
    for apex in list(hardest(1, 3))[-2:]:
        make_sample(grey(take.onset), apex, take.onset_landmarks)


def test_a_head_that_is_left_to_move_stays_within_the_bound():
    take = take_of(2, 0.3, 4.0, 5)
    make_sample(grey(take.onset), grey(take.apex), take.onset_landmarks, Settings(stabilise=as_filmed))


@pytest.mark.slow
def test_another_scene_is_refused_unless_the_bound_is_lifted():
    take = take_of(1, 0.3, 1.0)
    scene = cv2.resize(np.random.default_rng(0).integers(0, 255, (9, 9), np.uint8), (256, 256))
    with pytest.raises(MotionError, match="no motion of a face") as error:
        make_sample(grey(take.onset), scene, take.onset_landmarks)
    assert "\n" not in str(error.value)
    sample = make_sample(grey(take.onset), scene, take.onset_landmarks, Settings(bound=unbounded))
    assert sample.flow.shape == (28, 28, 3)


def test_the_bound_is_part_of_the_recipe():
    described = Settings(bound=MotionBound(half=0.05)).description()
    assert described["bound"] == "MotionBound(half=0.05, agreement=0.65)"
    assert Settings(bound=unbounded).description()["bound"] == "unbounded"


def test_the_face_is_what_its_landmarks_enclose():
    points = take_of(1, 0.3, 1.0).onset_landmarks / 2
    region = face_region(points, 128)
    assert region[tuple(points[30].astype(int)[::-1])]
    assert not region[0, 0]
    assert 0.15 < region.mean() < 0.5


@pytest.mark.slow
def test_figures_of_the_bound():
    seen = {name: list[tuple[float, float]]() for name in ("micro", "posed", "jaw and eyes", "other people")}
    takes = [take_of(subject, 0.3, 1.0, subject) for subject in range(1, 9)]
    for subject, (intensity, head) in product(range(1, 9), [(0.35, 1), (0.35, 4), (1.0, 1), (1.0, 4)]):
        take = take_of(subject, intensity, head, 10 * subject)
        figures = measured(grey(take.onset), grey(take.apex), take.onset_landmarks)
        seen["micro" if intensity < 1 else "posed"].append(figures)
    for subject in range(1, 7):
        take = take_of(subject, 1.0, 2.0, subject)
        seen["jaw and eyes"] += [
            measured(grey(take.onset), apex, take.onset_landmarks) for apex in hardest(subject, subject)
        ]
    for one, other in zip(takes, takes[3:] + takes[:3], strict=True):
        seen["other people"].append(measured(grey(one.onset), grey(other.onset), one.onset_landmarks))
    bound, refused = MotionBound(), {}
    print()
    for name, figures in seen.items():
        halves, agreements = np.array(figures).T
        refused[name] = float(np.mean((halves > bound.half) | (agreements < bound.agreement)))
        print(f"{name}: half of the face {halves.min():.3f} to {halves.max():.3f}, ", end="")
        print(
            f"agreement {agreements.min():.2f} to {agreements.max():.2f}, refused {refused[name]:.0%} of {len(halves)}"
        )
    assert refused["micro"] == 0
    assert refused["posed"] <= 0.1
    assert refused["other people"] > 0.5
