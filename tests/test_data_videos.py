"""Clips that are videos, videos that are pictures: which frame is which."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.apex import spot
from data.clips import pictures_of
from data.disfa.layout import LABELLED
from data.frames import VideoFrame
from data.survey import Choices
from tests.test_data_damage import CASME2_HEADER, film, label, look, write_table


def write_video(path: Path, count: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (16, 16))
    for number in range(1, count + 1):
        video.write(np.full((16, 16, 3), number % 250, np.uint8))
    video.release()
    return path


def casme2(root: Path, onset: int, apex: int | None, offset: int) -> Path:
    write_table(root / "coding.csv", CASME2_HEADER, [1, "EP02_01f", onset, apex, offset, "12", "happiness"])
    return root


@pytest.mark.parametrize("place", ["sub01/EP02_01f.avi", "CASME2_compressed/CASME2_compressed/sub01/EP02_01f.avi"])
@pytest.mark.parametrize(("count", "first"), [(86, 46), (300, 46), (85, 46), (41, 1), (40, 1)])
def test_a_video_of_casme2_begins_with_the_recording_or_at_the_onset(
    place: str, count: int, first: int, tmp_path: Path
):
    video = write_video(casme2(tmp_path, 46, 59, 86) / place, count)
    (clip,) = look("casme2", tmp_path).clips
    assert clip.apex is not None
    assert clip.onset.frame == VideoFrame(video, first)
    assert clip.apex.frame == VideoFrame(video, first + 13)
    begins = f"the video has {count} frames: its first is the onset 46"
    assert clip.notes == ((begins,) if first == 1 else ())


def test_a_video_of_another_length_is_refused(tmp_path: Path):
    write_video(casme2(tmp_path, 46, 59, 86) / "sub01" / "EP02_01f.avi", 60)
    write_table(
        tmp_path / "coding.csv",
        CASME2_HEADER,
        [1, "EP02_01f", 46, 59, 86, "12", "happiness"],
        [2, "EP02_01f", 5, 8, 9, "12", "happiness"],
    )
    film(tmp_path / "sub02" / "EP02_01f", 5, 8, 9)
    (problem,) = look("casme2", tmp_path).problems
    assert (
        "EP02_01f.avi: has 60 frames, neither the 86 of a recording up to the clip's last frame nor the 41" in problem
    )


@pytest.mark.slow
def test_the_same_name_of_another_subject_is_not_taken(tmp_path: Path):
    write_video(casme2(tmp_path, 46, 59, 86) / "sub02" / "EP02_01f.avi", 86)
    assert "none of 1 clips is there, e.g. folder sub01" in look("casme2", tmp_path).problems[0]
    video = write_video(tmp_path / "videos" / "sub01_EP02_01f.mp4.avi", 86)
    video.rename(video.with_name("sub01_EP02_01f.avi"))
    assert len(look("casme2", tmp_path).clips) == 1


def test_pictures_are_taken_rather_than_the_video(tmp_path: Path):
    write_video(casme2(tmp_path, 46, 59, 86) / "compressed" / "sub01" / "EP02_01f.avi", 86)
    film(tmp_path / "raw" / "sub01" / "EP02_01f", 46, 59, 86)
    (clip,) = look("casme2", tmp_path).clips
    assert clip.onset.frame == tmp_path / "raw" / "sub01" / "EP02_01f" / "img46.png"


@pytest.mark.parametrize(("count", "first"), [(86, 46), (41, 1)])
def test_an_apex_is_sought_among_a_videos_frames(count: int, first: int, tmp_path: Path):
    video = write_video(casme2(tmp_path, 46, None, 86) / "sub01" / "EP02_01f.avi", count)
    (clip,) = look("casme2", tmp_path, choices=Choices(apex=spot, detects=True)).clips
    sought = pictures_of(clip)
    assert [picture.number for picture in sought] == list(range(46, 87))
    assert [picture.frame for picture in sought[:2]] == [VideoFrame(video, first), VideoFrame(video, first + 1)]


def disfa(root: Path, num_frames: int = 60) -> Path:
    for au in LABELLED:
        label(root / "ActionUnit_Labels" / "SN001", au, 0, 3, *[0] * (num_frames - 2))
    return root


@pytest.mark.parametrize(
    "place",
    [
        "Videos_LeftCamera/LeftVideoSN001_comp",
        "frames/LeftVideoSN001",
        "images/left/SN001",
        "SN001/LeftVideoSN001_comp",
    ],
)
@pytest.mark.parametrize("name", ["{:04d}.png", "frame_{}.jpg", "LeftVideoSN001_comp_{:05d}.png"])
def test_frames_of_disfa_may_be_pictures(place: str, name: str, tmp_path: Path):
    film(disfa(tmp_path) / place, *range(1, 61), name=name)
    film(tmp_path / "Videos_RightCamera" / "RightVideoSN001_comp", *range(1, 61))
    (clip,) = look("disfa", tmp_path).clips
    assert clip.apex is not None
    assert (clip.onset.frame, clip.apex.frame) == tuple(tmp_path / place / name.format(n) for n in (1, 2))
    assert clip.notes == ()


def test_frames_of_disfa_counted_from_0_are_one_behind(tmp_path: Path):
    film(disfa(tmp_path) / "frames" / "SN001", *range(60), name="{}.png")
    marks = tmp_path / "landmarks" / "frames" / "SN001" / "0.txt"
    marks.parent.mkdir(parents=True)
    marks.write_text("".join(f"{x} 2\n" for x in range(68)))
    (clip,) = look("disfa", tmp_path).clips
    assert (clip.onset.number, clip.onset.frame) == (1, tmp_path / "frames" / "SN001" / "0.png")
    assert clip.notes == ("pictures count from 0 and labels from 1: each frame is the one before",)
    assert clip.landmarks == marks  # of the picture, not of its number in the labels


def test_every_other_frame_of_disfa_numbered_anew_is_refused(tmp_path: Path):
    film(disfa(tmp_path) / "frames" / "SN001", *range(1, 31), name="{}.png")
    told = look("disfa", tmp_path).problems[0]
    assert "SN001: its pictures end with frame 30, the labels of SN001 with 60: extract every frame" in told


def test_a_missing_video_says_what_may_stand_for_it(tmp_path: Path):
    told = look("disfa", disfa(tmp_path)).problems[0]
    assert "e.g. video Videos_LeftCamera/LeftVideoSN001_comp.avi, and a folder of its frames" in told
