import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.frames import VideoFrame
from data.landmark_files import faces_of
from data.pictures import PictureError, check_frame, read_colour, read_grey


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_are_read_or_refused_whole(tmp_path: Path, suffix: str):
    picture = np.random.default_rng(0).integers(0, 255, (40, 30), np.uint8)
    path = tmp_path / f"00109{suffix}"
    assert cv2.imwrite(str(path), picture)
    assert read_grey(path).shape == (40, 30)
    path.write_bytes(path.read_bytes()[:-200])
    for read in (read_grey, check_frame):
        with pytest.raises(PictureError, match=rf"00109\{suffix}: the picture is truncated"):
            read(path)


@pytest.mark.parametrize(("suffix", "told"), [(".png", "cannot be decoded"), (".jpg", "the picture is damaged inside")])
@pytest.mark.parametrize("colour", [False, True])
def test_damage_between_intact_ends_is_found(tmp_path: Path, suffix: str, told: str, colour: bool):
    path = tmp_path / f"00109{suffix}"
    smooth = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8), (0, 0), 2)
    assert cv2.imwrite(str(path), smooth if colour else smooth[..., 0])
    read_grey(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    path.write_bytes(content)
    check_frame(path)
    for read in (read_grey, read_colour):
        with pytest.raises(PictureError, match=rf"00109\{suffix}: {told}"):
            read(path)


def test_frames_of_a_video_are_found_by_number(tmp_path: Path):
    path, bits = tmp_path / "video.avi", np.arange(6)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20, (96, 48))
    for number in range(1, 61):
        bands = np.repeat(20 + 200 * (number >> bits & 1), 16).astype(np.uint8)
        video.write(np.broadcast_to(bands[:, None], (48, 96, 3)).copy())
    video.release()
    for number in (1, 37, 36, 60):
        bands = read_grey(VideoFrame(path, number)).reshape(48, 6, 16).mean(axis=(0, 2))
        assert int(((bands > 128) << bits).sum()) == number
    check_frame(VideoFrame(path, 60))
    with pytest.raises(PictureError, match=r"video\.avi, frame 61: the video ends after 60 frames"):
        check_frame(VideoFrame(path, 61))
    cut = tmp_path / "cut.avi"
    cut.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(PictureError, match=r"cut\.avi: the video is truncated; copy it again"):
        check_frame(VideoFrame(cut, 1))
    cut.write_bytes(b"RIFF" + b"\xff" * 4 + path.read_bytes()[8:])
    check_frame(VideoFrame(cut, 1))  # a recorder that states no length
    (tmp_path / "empty.avi").touch()
    with pytest.raises(PictureError, match=r"empty\.avi: not a video"):
        check_frame(VideoFrame(tmp_path / "empty.avi", 1))


@pytest.mark.parametrize("content", [bytes(500), b"<html>not found</html>"])
def test_the_check_finds_files_that_are_no_pictures(tmp_path: Path, content: bytes):
    path = tmp_path / "img1.jpg"
    path.write_bytes(content)
    for read in (read_grey, check_frame):
        with pytest.raises(PictureError, match=r"img1\.jpg: not a picture that OpenCV can read; copy it again"):
            read(path)


def test_other_kinds_of_pictures_are_read(tmp_path: Path):
    path = tmp_path / "img1.bmp"
    assert cv2.imwrite(str(path), np.eye(9, dtype=np.uint8) * 200)
    check_frame(path)
    assert read_grey(path).max() == 200


@pytest.mark.filterwarnings("ignore")
def test_a_picture_of_impossible_size_is_no_picture(tmp_path: Path):
    path = tmp_path / "img1.png"
    content = bytearray(cv2.imencode(".png", np.eye(9, dtype=np.uint8))[1].tobytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(PictureError, match=r"img1\.png: cannot be decoded"):
        read_grey(path)


def test_files_that_are_no_pictures_are_named(tmp_path: Path):
    with pytest.raises(PictureError, match=r"absent\.png: cannot be read"):
        read_grey(tmp_path / "absent.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(PictureError, match=r"empty\.png: not a picture"):
        read_grey(tmp_path / "empty.png")
    (tmp_path / "points.txt").write_text("1 2\n")
    with pytest.raises(PictureError, match=r"points\.txt: a landmark file must hold 68"):
        faces_of(tmp_path / "points.txt")
