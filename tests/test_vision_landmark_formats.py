"""Landmarks as other programs write them, each file made here from known points."""

import json

import numpy as np
import pytest

from fedpsyau_jax.synthesis.anatomy import mean_shape
from fedpsyau_jax.vision.landmark_formats import MESH_68, largest, parse_faces, read_pts, to_68

FACE = mean_shape() * 100 + (150, 120)
HEIGHT, WIDTH = 240, 320


def mesh(points: np.ndarray, size: int = 478) -> np.ndarray:
    """Normalised points of mediapipe whose 68 are those given."""
    whole = np.full((size, 2), 0.4)
    whole[list(MESH_68)] = points / (WIDTH, HEIGHT)
    return whole


def wide(
    faces: dict[int, np.ndarray], *, before: str = "frame, face_id, timestamp, confidence, success", more: str = ""
):
    """As OpenFace writes it: blanks behind commas, 3D columns in capitals, gaze columns of like names."""
    count = len(next(iter(faces.values())))
    axes = [f"{axis}_{i}" for axis in "xy" for i in range(count)]
    header = ", ".join([*before.split(", "), "eye_lmk_x_0", *axes, *(f"X_{i}" for i in range(count))])
    lines = [header]
    for frame, points in faces.items():
        lines.append(
            ", ".join([str(frame), "0", "0.1", "0.98", "1", "7", *map(str, points.T.ravel()), *["-1"] * count])
        )
    return "\n".join([*lines, more])


def read(text: str, suffix: str) -> np.ndarray:
    (faces,) = parse_faces(text, suffix).values()
    return to_68(faces[0], HEIGHT, WIDTH)


@pytest.mark.parametrize("size", [468, 478])
@pytest.mark.parametrize(
    "shape",
    [
        lambda points: [{"x": x, "y": y, "z": 0.1} for x, y in points],
        lambda points: {"face_landmarks": [[{"x": x, "y": y, "z": 0, "visibility": 0} for x, y in points]]},
        lambda points: {"faceLandmarks": [[[x, y, 0] for x, y in points]], "faceBlendshapes": [{"categories": []}]},
        lambda points: {"multi_face_landmarks": [{"landmark": [{"x": x, "y": y} for x, y in points]}]},
        lambda points: [{"landmarks": [[x, y] for x, y in points], "box": [[0, 0], [1, 1]]}],
    ],
)
def test_json_of_mediapipe_is_mapped_to_68_points(size: int, shape):
    np.testing.assert_allclose(read(json.dumps(shape(mesh(FACE, size).tolist())), ".json"), FACE)


@pytest.mark.parametrize("header", ["x,y,z\n", "landmark_index,x,y,z\n", ""])
def test_csv_of_mediapipe_a_point_a_line(header: str):
    points = mesh(FACE)
    order = np.random.default_rng(0).permutation(478) if "index" in header else np.arange(478)
    lines = [
        f"{i},{points[i, 0]},{points[i, 1]},0" if "index" in header else f"{points[i, 0]},{points[i, 1]},0"
        for i in order
    ]
    np.testing.assert_allclose(read(header + "\n".join(lines), ".csv"), FACE)


def test_points_stand_for_their_mirror_images_too():
    """The table pairs left and right as the 68 points do: outer eye corners, mouth corners, chin."""
    assert [MESH_68[i] for i in (36, 45, 48, 54, 8, 33)] == [33, 263, 61, 291, 152, 2]
    assert len(set(MESH_68)) == 68


def test_openface_csv_has_a_row_a_frame():
    faces = parse_faces(wide({3: FACE, 4: FACE + 2}), ".csv")
    assert list(faces) == [3, 4]
    np.testing.assert_allclose(to_68(faces[4][0], HEIGHT, WIDTH), FACE + 2)


def test_a_frame_in_which_openface_lost_the_face_has_none():
    text = wide({1: FACE, 2: FACE * 0})
    lines = text.splitlines()
    lines[2] = lines[2].replace("0.98, 1, 7", "0.02, 0, 7")
    faces = parse_faces("\n".join(lines), ".csv")
    assert [len(faces[frame]) for frame in (1, 2)] == [1, 0]


def test_several_faces_of_a_frame_are_kept_apart():
    rows = wide({1: FACE * 0.5}).splitlines()
    rows.append(wide({1: FACE}).splitlines()[1])
    (faces,) = parse_faces("\n".join(rows), ".csv").values()
    assert len(faces) == 2
    assert largest(faces) == 1


def test_pts_counts_pixels_from_one():
    lines = "\n".join(f"{x} {y}" for x, y in FACE + 1)
    np.testing.assert_allclose(read_pts(f"version: 1\nn_points:  68\n{{\n{lines}\n}}\n"), FACE)
    np.testing.assert_allclose(read(f"version: 1\nn_points: 68\n{{\n{lines}\n}}", ".txt"), FACE)


@pytest.mark.parametrize("between", [" ", ", ", "\t"])
def test_plain_lines_are_read_in_scientific_notation_too(between: str):
    lines = "\n".join(f"{x:.7e}{between}{y:.7e}" for x, y in FACE)
    np.testing.assert_allclose(read(lines, ".txt"), FACE, rtol=1e-6)
    if "," in between:
        np.testing.assert_allclose(read(lines, ".csv"), FACE, rtol=1e-6)


def test_shares_of_the_picture_become_pixels_whatever_their_number():
    np.testing.assert_allclose(to_68(FACE / (WIDTH, HEIGHT), HEIGHT, WIDTH), FACE)
    np.testing.assert_allclose(to_68(mesh(FACE) * (WIDTH, HEIGHT), HEIGHT, WIDTH), FACE)


@pytest.mark.parametrize(
    ("text", "suffix", "told"),
    [
        (
            "version: 1\nn_points: 51\n{\n" + "1 2\n" * 51 + "}",
            ".pts",
            "51 points, not 68 in the order of 300-W, or 468",
        ),
        ("version: 1\nn_points: 68\n", ".pts", "must hold `{`, 68 lines"),
        ("version: 1\n{\n1 x\n}", ".pts", "lines `x y` of numbers"),
        ("", ".csv", "the file is empty"),
        ("a,b\n1,2\n", ".csv", "neither x_0, x_1, ... and y_0"),
        (wide({1: FACE[:60]}), ".csv", "neither x_0, x_1"),
        (wide({1: FACE}).replace(str(FACE[0, 0]), "nan"), ".csv", "row 2 holds points that are no finite numbers"),
        (wide({1: FACE}).replace(str(FACE[0, 0]), ""), ".csv", "row 2 holds a cell that is no number"),
        ("{", ".json", "it is no JSON .* in line 1"),
        ("{}", ".json", "no list of 68, 468 or 478 points"),
        (json.dumps([[1, 2]] * 33), ".json", "33 points, not 68"),
        ("x,y\n" + "1,2\n" * 30, ".csv", "what begins in row 2 holds 30 points"),
    ],
)
def test_what_is_no_landmark_file_is_said_in_one_sentence(text: str, suffix: str, told: str):
    with pytest.raises(ValueError, match=told) as error:
        parse_faces(text, suffix)
    assert "\n" not in str(error.value)


def test_json_by_frame():
    document = {"frames": [{"frame": 5, "landmarks": FACE.tolist()}, {"frame": 6, "landmarks": []}]}
    faces = parse_faces(json.dumps(document), ".json")
    assert [len(faces[frame]) for frame in (5, 6)] == [1, 0]
    numbered = parse_faces(json.dumps({"7": FACE.tolist(), "8": FACE.tolist()}), ".json")
    assert list(numbered) == [7, 8]
