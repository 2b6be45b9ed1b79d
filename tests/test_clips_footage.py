"""Frames of clips: each once, with the container's timestamps, from videos and folders of pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.clips.faces import Faces, from_files
from experiments.clips.footage import clips_at, two_pictures


def picture(level: int, size: tuple[int, int] = (32, 24)) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, np.uint8)


def write_video(path: Path, levels: list[int], fps: float = 25.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (32, 24))
    for level in levels:
        writer.write(picture(level))
    writer.release()
    return path


def write_pictures(folder: Path, numbers: list[int], size: tuple[int, int] = (32, 24)) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        cv2.imwrite(str(folder / f"img{number}.png"), picture(number, size))
    return folder


def test_a_video_has_each_frame_once_with_its_time(tmp_path: Path):
    (clip,) = clips_at(write_video(tmp_path / "a.mp4", [0, 60, 120, 180, 240]), None)
    frames = list(clip.frames())
    assert [frame.number for frame in frames] == [1, 2, 3, 4, 5]
    assert [frame.timestamp for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert [round(frame.picture.mean(), -1) for frame in frames] == pytest.approx([0, 60, 120, 180, 240], abs=10)
    assert clip.fps == 25
    later = list(clip.frames(skip=3))
    assert [frame.number for frame in later] == [4, 5]
    assert (later[0].picture == frames[3].picture).all()
    assert later[0].timestamp == frames[3].timestamp


def test_a_frame_rate_of_the_user_overrules_the_container(tmp_path: Path):
    (clip,) = clips_at(write_video(tmp_path / "a.mp4", [0, 60, 120]), 200.0)
    assert clip.fps == 200
    assert [frame.timestamp for frame in clip.frames()] == [0, 0.005, 0.01]


def test_pictures_are_ordered_by_number_and_gaps_are_told(tmp_path: Path):
    (clip,) = clips_at(write_pictures(tmp_path / "clip", [9, 10, 12]), 100.0)
    assert [(frame.number, frame.timestamp) for frame in clip.frames()] == [(9, 0), (10, 0.01), (12, 0.03)]
    assert clip.notes == ("1 numbers are missing between 9 and 12",)
    assert clip.stated == 3


def test_a_folder_of_clips(tmp_path: Path):
    write_pictures(tmp_path / "b", [1, 2])
    write_video(tmp_path / "a.mp4", [0, 9])
    (tmp_path / "notes.txt").write_text("x")
    assert [clip.name for clip in clips_at(tmp_path, None)] == ["a", "b"]


def test_two_pictures_are_a_clip(tmp_path: Path):
    folder = write_pictures(tmp_path / "clip", [3, 7])
    clip = two_pictures(folder / "img3.png", folder / "img7.png")
    assert [(frame.number, int(frame.picture.mean())) for frame in clip.frames()] == [(1, 3), (2, 7)]
    with pytest.raises(ValueError, match=r"--apex=.*img9.png: there is no such picture; a frame's number needs --clip"):
        two_pictures(folder / "img3.png", folder / "img9.png")


def test_what_cannot_be_read_is_told(tmp_path: Path):
    with pytest.raises(ValueError, match="there is no such video or folder"):
        clips_at(tmp_path / "none.mp4", None)
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty.mp4: the file is empty"):
        clips_at(tmp_path / "empty.mp4", None)
    (tmp_path / "text.avi").write_text("not a video")
    with pytest.raises(ValueError, match=r"text.avi: not a video that OpenCV can read"):
        clips_at(tmp_path / "text.avi", None)
    write_pictures(tmp_path / "one", [1])
    with pytest.raises(ValueError, match=r"img1.png: it is one picture; give two, with --onset and --apex"):
        clips_at(tmp_path / "one" / "img1.png", None)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="the folder is empty"):
        clips_at(tmp_path / "nothing", None)
    mixed = write_pictures(tmp_path / "mixed", [1, 2])
    write_video(mixed / "b.mp4", [0, 1])
    with pytest.raises(ValueError, match=r"holds pictures \(img1.png\) beside clips \(b.mp4\)"):
        clips_at(mixed, None)


def test_frames_of_another_size_are_refused(tmp_path: Path):
    folder = write_pictures(tmp_path / "clip", [1])
    cv2.imwrite(str(folder / "img2.png"), picture(2, (40, 24)))
    (clip,) = clips_at(folder, None)
    with pytest.raises(ValueError, match=r"frame 2 has 40 x 24 pixels and those before it 32 x 24"):
        list(clip.frames())


FACE = np.stack([np.linspace(0, 1, 68), np.linspace(0, 1, 68) ** 2], 1)


def test_the_face_that_was_followed_stays_the_same_and_the_largest_is_first():
    small, large = 100 * FACE, 200 * FACE + 300
    faces = Faces(np.stack([small, large]))
    assert (faces.followed(None) == large).all()
    assert (faces.followed(small + 5) == small).all()
    assert (faces.followed(small - 900) == large).all()
    assert Faces(np.empty((0, 68, 2))).followed(small) is None


def test_landmark_files_of_a_clip(tmp_path: Path):
    header = ",".join(["frame", *(f"x_{i}" for i in range(68)), *(f"y_{i}" for i in range(68))])
    rows = [",".join(map(str, [frame, *(frame + FACE).T.ravel() * 10])) for frame in (1, 3)]
    (tmp_path / "clip.csv").write_text("\n".join([header, *rows]))
    for path in (tmp_path, tmp_path / "clip.csv"):
        find = from_files(path, "clip")
        found = find(3, np.zeros((100, 100), np.uint8))
        assert found is not None
        np.testing.assert_allclose(found.points[0], 10 * (3 + FACE))
        assert find(2, np.zeros((100, 100), np.uint8)) is None
    with pytest.raises(ValueError, match="there is no such file or folder"):
        from_files(tmp_path / "x", "clip")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="it holds no landmark files with frame numbers"):
        from_files(tmp_path / "none", "clip")
