"""Pictures of every kind, in any case: read, or named in the sentence that says what to do."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.picture_types import PICTURE_SUFFIXES
from data.pictures import PictureError, check_frame, read_colour, read_grey
from tests.test_data_damage import CASME2_HEADER, film, look, write_table

GREY = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (48, 40), np.uint8), (0, 0), 2)


def copy_with(root: Path, *names: str, content: bytes = b"x") -> Path:
    write_table(root / "coding.csv", CASME2_HEADER, [1, "EP01_01", 5, 8, 12, "4", "disgust"])
    folder = root / "sub01" / "EP01_01"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    "suffix", [".tif", ".TIFF", ".webp", ".bmp", ".PNG", ".jpg", ".JPEG", ".jp2", ".pgm", ".gif", ".avif"]
)
def test_pictures_are_read_whatever_their_kind(suffix: str, tmp_path: Path):
    folder = copy_with(tmp_path)
    for number in (5, 8, 12):
        picture = GREY if suffix == ".pgm" else cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)
        (folder / f"img{number}{suffix}").write_bytes(cv2.imencode(suffix.lower(), picture)[1].tobytes())
    (clip,) = look("casme2", tmp_path).clips
    assert clip.onset.frame == folder / f"img5{suffix}"
    assert np.abs(read_grey(folder / f"img5{suffix}").astype(int) - GREY).mean() < (
        30 if suffix == ".gif" else 8
    )  # which has few colours
    assert read_colour(folder / f"img8{suffix}").shape == (48, 40, 3)


def test_16_bits_a_pixel_become_8(tmp_path: Path):
    assert cv2.imwrite(str(tmp_path / "img1.tif"), GREY.astype(np.uint16) * 257)
    assert np.abs(read_grey(tmp_path / "img1.tif").astype(int) - GREY).max() <= 1


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_picture_that_was_cut_off_is_refused(suffix: str, share: float, tmp_path: Path):
    path = tmp_path / f"img1{suffix}"
    content = cv2.imencode(suffix, GREY)[1].tobytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        PictureError, match=rf"img1\{suffix}: (the picture is truncated|cannot be decoded); copy it again"
    ):
        read_grey(path)
    if suffix != ".tif" or share < 0.5:  # the end of a TIFF is only missed by decoding it
        with pytest.raises(PictureError, match="the picture is truncated"):
            check_frame(path)


@pytest.mark.parametrize("suffix", [".heic", ".HEIF", ".cr2", ".dng", ".jxl", ".mat"])
def test_kinds_that_cannot_be_read_are_named(suffix: str, tmp_path: Path):
    folder = copy_with(tmp_path, f"img5{suffix}", f"img8{suffix}", f"img12{suffix}")
    (problem,) = look("casme2", tmp_path).problems
    assert problem.endswith(
        f"{folder}: has {suffix.lower()} pictures, which cannot be read: "
        "convert them to .png or .jpg with the same names"
    )


def test_one_picture_of_a_kind_that_cannot_be_read_is_told_with_the_drop(tmp_path: Path):
    folder = copy_with(tmp_path, "img8.heic")
    film(folder, 5, 12)
    (dropped,) = look("casme2", tmp_path).dropped
    told = "the same picture; its folder has .heic pictures, which cannot be read: convert them to .png or .jpg"
    assert told in dropped.reason


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "the folder is empty"),
        (["onset.png", "apex.png"], "its pictures, such as apex.png, have no frame number in their names"),
        (["EP01_01.zip"], "holds the archive EP01_01.zip and no picture: unpack it"),
        (["EP01_01.mp4"], "holds the video EP01_01.mp4 where pictures are expected: extract its frames"),
        (["Thumbs.db"], "holds no picture, only files of the kind .db"),
        (
            ["a.b1", "a.b2", "a.b3", "a.b4", "README"],
            "holds no picture, only files of the kind no suffix, .b1, .b2 and 2 more",
        ),
    ],
)
def test_a_folder_without_pictures_says_what_it_holds(names: list[str], told: str, tmp_path: Path):
    folder = copy_with(tmp_path, *names)
    if names == ["EP01_01.mp4"]:
        (folder / "EP01_01.mp4").rename(folder / "other.mp4")
        told = told.replace("EP01_01.mp4", "other.mp4")
    (problem,) = look("casme2", tmp_path).problems
    assert f"{folder}: {told}" in problem
    assert "\n" not in problem


def test_every_kind_that_is_promised_can_be_decoded_here():
    written = {suffix for suffix in PICTURE_SUFFIXES if cv2.haveImageWriter(f"x{suffix}")}
    assert written >= PICTURE_SUFFIXES - {".jfif"}
