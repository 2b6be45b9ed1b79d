"""Landmarks as other programs write them: 300-W ``.pts``, OpenFace's CSV, mediapipe's 468 or 478 points."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float

from fedpsyau_jax.vision.landmarks import read_landmarks

Points = Float[np.ndarray, "points 2"]
Faces = Mapping[int | None, list[Points]]
"""Frame number (None where a file is of one picture) -> the points of every face in it; none where none was found."""

NUM_68, NUM_MESH = 68, (468, 478)
MESH_68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Which point of mediapipe's face mesh stands for each of the 68: the table in common use."""

_WIDE = (r"x_(\d+)", r"x(\d+)", r"(\d+)_x", r"(?:landmark|point|lm)_?(\d+)_x")
_FRAME = ("frame", "frame_number", "frame_id", "frame_idx", "frame_index")
_FACE = ("face", "face_id", "face_index")
_INDEX = ("landmark", "landmark_id", "landmark_index", "index", "id", "point", "idx")
_WORDS = re.compile("[A-DF-Za-df-z]")  # not 1.5e+02
_FEWEST = 20
_NUM_POINTS = (NUM_68, *NUM_MESH)


def parse_faces(text: str, suffix: str) -> Faces:
    """The faces of a file by its kind: ``.json``, ``.pts``, ``.csv``, or a ``.txt`` in one of these forms.

    Args:
        text: of the file.
        suffix: of its name, lower case.

    Returns:
        Points in the file's unit, 68, 468 or 478 of them a face.

    Raises:
        ValueError: it is none of these, in a sentence without the file's name.
    """
    if suffix == ".json":
        return _from_json(text)
    if suffix == ".pts" or text.lstrip().startswith("version"):
        return {None: [read_pts(text)]}
    first = text.lstrip("\ufeff \n\r").partition("\n")[0]
    if suffix == ".csv" or _WORDS.search(first):
        return _from_table(text)
    return {None: [read_landmarks(text)]}


def read_pts(text: str) -> Points:
    """The points between the braces of a ``.pts`` file, which counts pixels from 1: one is taken off.

    Raises:
        ValueError: there are no braces, or not 68 points between them.

    Source: the annotations of 300-W (Sagonas et al. 2013), and menpo's reader of them.

    >>> read_pts("version: 1\\nn_points: 68\\n{\\n" + "1.5 2\\n" * 68 + "}")[0].tolist()
    [0.5, 1.0]
    """
    inside = re.search(r"\{(.*?)\}", text, re.DOTALL)
    if inside is None:
        raise ValueError("a .pts file must hold `{`, 68 lines `x y`, and `}`")
    try:
        points = np.array([[float(cell) for cell in line.split()] for line in inside[1].splitlines() if line.strip()])
    except ValueError as error:
        raise ValueError("a .pts file must hold lines `x y` of numbers between its braces") from error
    return _checked(points, "it") - 1


def to_68(points: Points, height: int, width: int) -> Float[np.ndarray, "68 2"]:
    """The 68 points of 68, 468 or 478, in pixels; points of which all lie in 0 to 1 are shares of the picture.

    >>> to_68(np.full((478, 2), 0.5), 100, 200)[0].tolist()
    [100.0, 50.0]
    """
    chosen = points if len(points) == NUM_68 else points[list(MESH_68)]
    return chosen * (width, height) if (np.abs(points - 0.5) <= 1).all() else chosen


def largest(faces: Sequence[Points]) -> int:
    """Which of several faces has the largest bounding box."""
    return int(np.argmax([np.prod(np.ptp(points, axis=0)) for points in faces]))


def _checked(points: np.ndarray, what: str) -> Points:
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) not in _NUM_POINTS:
        count = f"{len(points)} points" if points.ndim == 2 else "no list of points"
        raise ValueError(f"{what} holds {count}, not 68 in the order of 300-W, or 468 or 478 of mediapipe")
    if not np.isfinite(points).all():
        raise ValueError(f"{what} holds points that are no finite numbers")
    return points[:, :2]


def _from_table(text: str) -> Faces:
    """A row a face (OpenFace: ``x_0`` ... ``x_67``, ``y_0`` ...), or a row a point (``x``, ``y``)."""
    lines = text.lstrip("\ufeff").splitlines()
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(row)]
    if not filled:
        raise ValueError("the file is empty")
    header = filled[0][1]
    places = {name: place for place, name in reversed([*enumerate(header)])}
    wide = next((found for pattern in _WIDE if len(found := _axis(header, pattern)) >= NUM_68), None)
    if wide:
        ys = [places.get(header[place].replace("x", "y")) for place in wide]
        return _wide_rows(filled[1:], places, [*zip(wide, ys, strict=True)])
    if {"x", "y"} <= places.keys():
        return _long_rows(filled[1:], places)
    if not _WORDS.search("".join(header)):
        return {None: [_checked(np.array([_numbers(number, row, range(len(row))) for number, row in filled]), "it")]}
    raise ValueError("its header has neither x_0, x_1, ... and y_0, y_1, ... as OpenFace writes them, nor x and y")


def _axis(header: Sequence[str], pattern: str) -> list[int]:
    """Places of the columns of one axis, in the order of their numbers; 3D columns are in capitals."""
    found = [(int(match[1]), place) for place, name in enumerate(header) if (match := re.fullmatch(pattern, name))]
    return [place for _, place in sorted(found)]


def _wide_rows(
    rows: Sequence[tuple[int, list[str]]], places: Mapping[str, int], columns: Sequence[tuple[int, int | None]]
) -> Faces:
    faces: defaultdict[int | None, list[Points]] = defaultdict(list)
    pairs = [(x, y) for x, y in columns if y is not None]
    for number, row in rows:
        if len(pairs) < len(columns) or len(row) <= max(max(pair) for pair in pairs):
            raise ValueError(f"row {number} has no y for every x")
        frame = _whole(number, row, places, _FRAME)
        faces.setdefault(frame, [])
        if _whole(number, row, places, ("success",)) != 0:
            xs, ys = (_numbers(number, row, axis) for axis in zip(*pairs, strict=True))
            faces[frame].append(_checked(np.column_stack([xs, ys]), f"row {number}"))
    return dict(faces)


def _long_rows(rows: Sequence[tuple[int, list[str]]], places: Mapping[str, int]) -> Faces:
    faces: defaultdict[int | None, list[Points]] = defaultdict(list)
    where = [(_whole(*row, places, _FRAME), _whole(*row, places, _FACE)) for row in rows]
    axes = (places["x"], places["y"])
    for (frame, _), group in groupby(zip(where, rows, strict=True), key=lambda item: item[0]):
        own = [row for _, row in group]
        order = [_whole(*row, places, _INDEX) for row in own]
        if None not in order:
            own = [row for _, row in sorted(zip(order, own, strict=True), key=lambda pair: pair[0] or 0)]
        points = np.array([_numbers(number, row, axes) for number, row in own])
        faces[frame].append(_checked(points, f"what begins in row {own[0][0]}"))
    return dict(faces)


def _whole(number: int, row: Sequence[str], places: Mapping[str, int], names: Sequence[str]) -> int | None:
    """A row's whole number in the first column of some names; None without such a column, or where it is no number."""
    place = next((places[name] for name in names if name in places), None)
    if place is None or place >= len(row):
        return None
    try:
        return int(float(row[place]))
    except (ValueError, OverflowError):
        return None


def _numbers(number: int, row: Sequence[str], places: Sequence[int]) -> list[float]:
    try:
        return [float(row[place]) for place in places]
    except (ValueError, IndexError) as error:
        raise ValueError(f"row {number} holds a cell that is no number") from error


def _from_json(text: str) -> Faces:
    """Lists of points (``{"x": ..., "y": ...}`` or ``[x, y, z]``) at any place of the document, or by frame."""
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg} in line {error.lineno})") from error
    framed = list(_framed(document))
    if framed:
        return {frame: [_checked(points, f"frame {frame}") for points in _lists(part)] for frame, part in framed}
    found = [_checked(points, "it") for points in _lists(document)]
    if not found:
        raise ValueError("it holds no list of 68, 468 or 478 points")
    return {None: found}


def _framed(document: Any) -> Iterator[tuple[int, Any]]:
    """(frame, what is known of it) of a list of objects that name their frames, or an object of numbered frames."""
    if isinstance(document, list):
        for part in document:
            frame = next((part[name] for name in _FRAME if name in part), None) if isinstance(part, dict) else None
            if isinstance(frame, int):
                yield frame, {name: value for name, value in part.items() if name not in _FRAME}
    elif isinstance(document, dict):
        if document and all(re.fullmatch(r"\d+", name) for name in document):
            yield from ((int(name), part) for name, part in document.items())
        elif isinstance(document.get("frames"), list | dict):
            yield from _framed(document["frames"])


def _lists(part: Any) -> Iterator[np.ndarray]:
    """The lists of points inside a part of a document."""
    if isinstance(part, dict):
        part = list(part.values())
    if not isinstance(part, list) or not part:
        return
    points = [_point(item) for item in part]
    if all(point is not None for point in points):
        if len(points) >= _FEWEST:  # fewer are a box or the like
            yield np.array(points, float)
    else:
        for item in part:
            yield from _lists(item)


def _point(item: Any) -> list[float] | None:
    if isinstance(item, dict):
        item = [item.get("x"), item.get("y")]
    if isinstance(item, list) and len(item) in (2, 3) and all(isinstance(one, int | float) for one in item):
        return [float(one) for one in item[:2]]
    return None
