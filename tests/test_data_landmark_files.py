"""Landmark files of other programs beside a copy: found for the right picture, read, or refused in a sentence."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.landmark_files import faces_in
from data.pipeline import Prepared, Recipe, prepare
from data.survey import Choices, Survey
from fedpsyau_jax.synthesis.anatomy import mean_shape
from fedpsyau_jax.vision.landmark_formats import MESH_68, to_68
from fedpsyau_jax.vision.sample import Settings
from tests.test_data_damage import CASME2_HEADER, look, write_table

SIZE = 64
FACE = mean_shape() * 30 + (32, 26)
NOISE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (SIZE, SIZE), np.uint8), (0, 0), 1)


def points_of(number: int) -> np.ndarray:
    """A face that drifts."""
    return FACE + 0.1 * number


def copy_of(root: Path, *numbers: int, name: str = "img{}.png") -> Path:
    root.mkdir(exist_ok=True)
    apex, offset = numbers[len(numbers) // 2], numbers[-1]
    write_table(root / "coding.csv", CASME2_HEADER, [1, "EP01_01", numbers[0], apex, offset, "4", "disgust"])
    folder = root / "sub01" / "EP01_01"
    folder.mkdir(parents=True)
    for number in numbers:
        assert cv2.imwrite(str(folder / name.format(number)), NOISE)
    return root


def openface(path: Path, rows: dict[int, np.ndarray], success: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ["frame", " timestamp", " confidence", " success", *(f" {axis}_{i}" for axis in "xy" for i in range(68))]
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = [[frame, 0.0, 0.9, success, *points.T.ravel()] for frame, points in rows.items()]
        csv.writer(stream).writerows([header, *lines])


def onset_points(found: Survey) -> np.ndarray:
    (clip,) = found.clips
    return to_68(faces_in(clip.marks[clip.onset.number])[0], SIZE, SIZE)


def look_with(root: Path, marks: Path | None = None) -> Survey:
    return look("casme2", root, choices=Choices(landmarks=marks))


@pytest.mark.parametrize("suffix", [".txt", ".pts", ".csv", ".json"])
def test_a_file_a_picture_in_every_form(suffix: str, tmp_path: Path):
    root = copy_of(tmp_path / "copy", 5, 8, 12)
    for number in (5, 8):
        x, y = points_of(number).T
        mesh = np.full((478, 2), 0.5)
        mesh[list(MESH_68)] = points_of(number) / SIZE
        lines = "".join(f"{a} {b}\n" for a, b in zip(x, y, strict=True))
        text = {
            ".txt": lines,
            ".pts": "version: 1\nn_points: 68\n{\n"
            + "".join(f"{a + 1} {b + 1}\n" for a, b in zip(x, y, strict=True))
            + "}",
            ".csv": "x,y,z\n" + "".join(f"{a},{b},0\n" for a, b in mesh),
            ".json": json.dumps({"face_landmarks": [[{"x": a, "y": b, "z": 0} for a, b in mesh.tolist()]]}),
        }[suffix]
        place = root / "landmarks" / "sub01" / "EP01_01" / f"img{number}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-16" if suffix == ".txt" else "utf-8-sig")
    found = look_with(root)
    assert found.problems == ()
    assert sorted(found.clips[0].marks) == [5, 8]
    np.testing.assert_allclose(onset_points(found), points_of(5))
    assert isinstance(prepare(found.clips[0], Recipe(Settings())), Prepared)


@pytest.mark.parametrize(
    "place", ["sub01/EP01_01.csv", "sub01_EP01_01.csv", "processed/sub01/EP01_01.csv", "sub01/EP01_01/EP01_01.csv"]
)
def test_a_table_a_clip_as_openface_writes_it(place: str, tmp_path: Path):
    root = copy_of(tmp_path / "copy", 46, 47, 48, 49)
    openface(tmp_path / "marks" / place, {row: points_of(45 + row) for row in (1, 2, 3, 4)})
    found = look_with(root, tmp_path / "marks")
    assert found.problems == ()
    np.testing.assert_allclose(onset_points(found), points_of(46))
    assert found.clips[0].marks[48].frame == 3
    for path in (tmp_path / "marks").rglob("*.csv"):
        openface(path, {number: points_of(number) for number in range(40, 60)})  # numbered as the pictures are
    np.testing.assert_allclose(onset_points(look_with(root, tmp_path / "marks")), points_of(46))


@pytest.mark.parametrize("by_name", [True, False])
def test_rows_in_the_order_of_names_are_told_by_the_faces_rest(by_name: bool, tmp_path: Path):
    """OpenFace sorts names: img1, img10, img11, img12, img2 ...; the numbers 1 to 12 fit both ways."""
    numbers = range(1, 13)
    root = copy_of(tmp_path / "copy", *numbers)
    order = sorted(numbers, key=lambda number: f"img{number}.png") if by_name else list(numbers)
    openface(tmp_path / "marks" / "sub01_EP01_01.csv", {row: points_of(number) for row, number in enumerate(order, 1)})
    found = look_with(root, tmp_path / "marks")
    (clip,) = found.clips
    for number, marks in clip.marks.items():
        np.testing.assert_allclose(faces_in(marks)[0], points_of(number))


def test_rows_that_are_not_those_of_the_pictures_are_refused(tmp_path: Path):
    root = copy_of(tmp_path / "copy", 46, 47, 48, 49)
    openface(tmp_path / "marks" / "sub01_EP01_01.csv", dict.fromkeys((1, 2, 3), FACE))
    (problem,) = look_with(root, tmp_path / "marks").problems
    assert "sub01_EP01_01.csv: has frames 1 to 3, not 46, which is one of the 4 that are needed of" in problem
    assert "give a row for each picture, or the picture's number in a column `frame`" in problem


def test_pts_files_may_lie_beside_the_pictures(tmp_path: Path):
    root = copy_of(tmp_path / "copy", 5, 8, 12)
    for number in (5, 8):
        lines = "".join(f"{a + 1} {b + 1}\n" for a, b in points_of(number))
        (root / "sub01" / "EP01_01" / f"img{number}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}}}\n")
        (root / "sub01" / "EP01_01" / f"img{number}.txt").write_text("1 0.5 0.5\n")  # of another kind
    found = look_with(root)
    assert found.problems == ()
    np.testing.assert_allclose(onset_points(found), points_of(5))


def test_a_frame_in_which_the_other_program_found_no_face_drops_the_clip(tmp_path: Path):
    root = copy_of(tmp_path / "copy", 5, 8, 12)
    openface(tmp_path / "marks" / "sub01_EP01_01.csv", dict.fromkeys((1, 2, 3), FACE * 0), success=0)
    (clip,) = look_with(root, tmp_path / "marks").clips
    told = prepare(clip, Recipe(Settings()))
    assert getattr(told, "reason", "") == "no face found in the onset frame"


def test_the_largest_of_several_faces_of_a_file_is_taken_and_noted(tmp_path: Path):
    root = copy_of(tmp_path / "copy", 5, 8, 12)
    place = root / "landmarks" / "sub01" / "EP01_01" / "img5.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps([(FACE * 0.3).tolist(), FACE.tolist()]))
    (clip,) = look_with(root).clips
    made = prepare(clip, Recipe(Settings()))
    assert isinstance(made, Prepared)
    assert made.clip.notes == ("another face in the onset frame: the largest is taken",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe\xff\xff\xff", "not a text file in UTF-8"),
        (b"version: 1\n{\n1 2\n}", "it holds 1 points, not 68 in the order of 300-W, or 468 or 478 of mediapipe"),
        (b"", "68 lines"),
    ],
)
def test_a_landmark_file_that_cannot_be_read_is_named(content: bytes, told: str, tmp_path: Path):
    root = copy_of(tmp_path / "copy", 5, 8, 12)
    place = root / "landmarks" / "sub01" / "EP01_01" / "img5.txt"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    (problem,) = look_with(root).problems
    assert f"row 2, clip sub01_EP01_01: {place}: " in problem
    assert told in problem


def test_landmarks_of_nothing_in_the_copy_say_how_they_should_lie(tmp_path: Path):
    root = copy_of(tmp_path / "copy", 5, 8, 12)
    openface(tmp_path / "marks" / "sub09" / "EP01_01.csv", {1: FACE})
    (problem,) = look_with(root, tmp_path / "marks").problems
    assert "holds no landmark file of any clip" in problem
    assert problem.endswith("e.g. sub01/EP01_01/img5.txt")
