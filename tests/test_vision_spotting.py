"""Apex spotting on filmed synthetic faces whose apex is known."""

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.apex import Filmed, Options, errors, filmed, main, midpoints
from fedpsyau_jax.vision.plausible import unbounded
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.spotting import magnitude, motion_curve, smooth, spot_apex
from fedpsyau_jax.vision.stabilise import as_filmed


@cache
def slow_camera() -> tuple[Filmed, ...]:
    return tuple(filmed(30, 5, 3))


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


@pytest.mark.slow
def test_a_fast_camera_costs_a_few_frames(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "errors.json"
    assert main(Options((200,), subjects=2, clips=2, ways=("DIS, strain", "frame difference"), json=file)) == 0
    ways = {way["way"]: way for way in json.loads(file.read_text())["fps"]["200"]}
    assert list(ways) == ["DIS, strain", "frame difference", "midpoint"]
    assert np.mean(ways["DIS, strain"]["errors"]) < min(3, np.mean(ways["midpoint"]["errors"]))
    assert ways["DIS, strain"]["milliseconds"] > 0
    assert "4 clips of" in capsys.readouterr().out


def test_an_unknown_way_is_told():
    with pytest.raises(SystemExit, match="unknown gaze; known are DIS, strain"):
        main(Options(ways=("gaze",)))
