"""The measurements of memory and of fast flow say what they measure."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import frame_flow, video_memory


def test_fast_flow_is_compared_by_probability_decision_and_truth():
    exact = np.array([[0.9, 0.2], [0.6, 0.2]])
    fast = np.array([[0.8, 0.2], [0.4, 0.6]])
    shown = np.array([[True, False], [True, False]])
    table = frame_flow.compared(exact, fast, shown, ("AU1", "AU2"))
    assert table["difference"].tolist() == pytest.approx([0.15, 0.2, 0.175])
    assert table["decided otherwise"].tolist() == [0.5, 0.5, 0.5]
    assert table.loc["AU1", "F1 as trained"] == 1
    assert table.loc["AU1", "F1 fast"] == pytest.approx(2 / 3)


def test_a_video_has_the_length_and_the_face_that_are_said(tmp_path: Path):
    options = video_memory.Options(Path("run"), fps=20.0, size=64)
    video_memory.write_video(tmp_path / "video.mp4", 30, options)
    video = cv2.VideoCapture(str(tmp_path / "video.mp4"))
    pictures = [video.read()[1] for _ in range(30)]
    assert not video.read()[0]
    assert pictures[0].shape == (64, 64, 3)
    moving = [np.abs(one.astype(int) - pictures[-1]).mean() for one in pictures]
    assert int(np.argmax(moving)) in range(2, 7)
    points = video_memory.landmarks(np.zeros((64, 64)))
    assert points.shape == (68, 2)
    assert ((points > 0) & (points < 64)).all()


@pytest.mark.slow
def test_memory_is_sampled_while_a_process_reads(tmp_path: Path):
    (tmp_path / "000000040.npz").touch()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    held = dict(video_memory.resident(process.pid, tmp_path))
    os.wait4(process.pid, 0)
    process.returncode = 0
    assert list(held) == [40]
    assert held[40] > 1e6
