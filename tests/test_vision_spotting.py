from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis.filming import film_sequence
from fedpsyau_jax.synthesis.layouts.timing import expression_at
from fedpsyau_jax.synthesis.population import Population, clips, filming_generator, portrait, subject_numbers
from fedpsyau_jax.vision.flow import JaxTVL1
from fedpsyau_jax.vision.plausible import unbounded
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.spotting import magnitude, motion_curve, smooth, spot_apex
from fedpsyau_jax.vision.stabilise import as_filmed

ACTORS = Population(num_subjects=20, first_subject=2001, seed=5)


class Filmed(NamedTuple):
    frames: tuple[np.ndarray, ...]
    landmarks: np.ndarray
    apex: int


def filmed(fps: int, num_subjects: int, clips_of_each: int) -> Iterator[Filmed]:
    """Clips of micro-expressions whose apex is known: rise and fall 0.2 +- 0.04 s each."""
    for subject in list(subject_numbers(ACTORS))[:num_subjects]:
        face = portrait(ACTORS, subject)
        for clip in clips(ACTORS, subject)[:clips_of_each]:
            generator = filming_generator(ACTORS, clip)
            rise, fall = (max(2, round(fps * time)) for time in generator.normal(0.2, 0.04, 2).clip(0.1, 0.3))
            timed = clip._replace(onset=0, apex=rise, offset=rise + fall)
            curve = [expression_at(timed, frame) for frame in range(rise + fall + 1)]
            footage = film_sequence(face, clip.actions, curve, ACTORS.conditions, generator)
            frames = tuple(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in footage.frames)
            yield Filmed(frames, footage.landmarks[0], rise)


@cache
def slow_camera() -> tuple[Filmed, ...]:
    return tuple(filmed(30, 5, 3))


def errors(cases: Sequence[Filmed], spotted: Sequence[int]) -> np.ndarray:
    return np.abs([place - case.apex for place, case in zip(spotted, cases, strict=True)])


def midpoints(cases: Sequence[Filmed]) -> list[int]:
    return [len(case.frames) // 2 for case in cases]


@pytest.mark.slow
def test_the_apex_is_spotted_within_a_frame_at_30_fps():
    cases = slow_camera()
    error = errors(cases, [spot_apex(case.frames, case.landmarks) for case in cases])
    assert error.mean() < 0.5
    assert np.mean(error <= 1) >= 0.9
    assert error.mean() < errors(cases, midpoints(cases)).mean()


@pytest.mark.slow
def test_the_magnitude_of_the_flow_can_be_asked_for():
    cases = slow_camera()
    error = errors(cases, [spot_apex(case.frames, case.landmarks, strength=magnitude) for case in cases])
    assert 0 < error.mean() < 2


@pytest.mark.slow
def test_another_flow_can_be_asked_for():
    case = slow_camera()[0]
    lengths = iter([0.0, 0.0, 3.0, *[0.0] * len(case.frames)])

    def flow(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
        assert onset.shape == apex.shape == (128, 128)
        return np.full((*onset.shape, 2), next(lengths))

    assert spot_apex(case.frames, case.landmarks, Settings(bound=unbounded), magnitude, flow) == 3


@pytest.mark.slow
def test_head_motion_would_mislead_the_magnitude():
    cases = slow_camera()
    unsteady = Settings(stabilise=as_filmed)
    error = errors(cases, [spot_apex(case.frames, case.landmarks, unsteady, magnitude) for case in cases])
    assert error.mean() > 2


@pytest.mark.slow
def test_the_curve_rises_and_falls_with_the_expression():
    case = slow_camera()[6]
    curve = motion_curve(case.frames, case.landmarks)
    assert curve.shape == (len(case.frames),)
    assert curve[0] == 0
    assert curve[case.apex] > 1.4 * curve[-1]


def test_frames_are_taken_one_at_a_time():
    case = slow_camera()[0]
    assert spot_apex(iter(case.frames), case.landmarks) == spot_apex(case.frames, case.landmarks)


def test_the_number_of_threads_changes_nothing():
    case, threads = slow_camera()[1], cv2.getNumThreads()
    try:
        curves = []
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            curves.append(motion_curve(case.frames, case.landmarks))
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(curves[0], curves[1])
    np.testing.assert_array_equal(curves[0], curves[2])


@pytest.mark.parametrize("count", [0, 1])
def test_one_frame_has_no_apex(count: int):
    case = slow_camera()[0]
    with pytest.raises(ValueError, match="two frames"):
        spot_apex(case.frames[:count], case.landmarks)


def test_two_frames_leave_no_choice():
    case = slow_camera()[0]
    assert spot_apex(case.frames[:2], case.landmarks) == 1


def test_smoothing_keeps_length_and_level():
    curve = np.random.default_rng(0).random(40)
    assert smooth(curve).shape == curve.shape
    assert smooth(curve).std() < 0.6 * curve.std()
    np.testing.assert_allclose(smooth(np.full(7, 3.0)), 3)


def test_magnitude_is_a_length():
    np.testing.assert_array_equal(magnitude(np.array([[[3.0, -4.0]]])), [[5.0]])


def difference(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """Absolute difference of grey levels, in the place of u."""
    levels = np.abs(apex.astype(np.float32) - onset)
    return np.dstack([levels, np.zeros_like(levels)])


@pytest.mark.slow
@pytest.mark.parametrize(("fps", "num_subjects", "bound"), [(30, 20, 0.5), (200, 12, 3.0)])
def test_figures_of_spotting(fps: int, num_subjects: int, bound: float):
    cases = list(filmed(fps, num_subjects, 3 if fps == 30 else 2))
    ways: dict[str, dict[str, Any]] = {
        "strain": {},
        "magnitude": {"strength": magnitude},
        "TV-L1, strain": {"flow": JaxTVL1()},
        "TV-L1, magnitude": {"flow": JaxTVL1(), "strength": magnitude},
        "frame difference": {"flow": difference, "strength": magnitude, "settings": Settings(bound=unbounded)},
    }
    found = {name: [spot_apex(case.frames, case.landmarks, **way) for case in cases] for name, way in ways.items()} | {
        "midpoint": midpoints(cases)
    }
    print(f"\n{len(cases)} clips at {fps} fps, {np.mean([len(case.frames) for case in cases]):.0f} frames each")
    for name, spotted in found.items():
        error = errors(cases, spotted)
        print(
            f"{name}: error {error.mean():.2f} frames (median {np.median(error):.0f}, "
            f"90 % within {np.percentile(error, 90):.0f}) = {1000 * error.mean() / fps:.0f} ms"
        )
    assert errors(cases, found["strain"]).mean() < bound
