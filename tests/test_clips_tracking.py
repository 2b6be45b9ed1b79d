"""A face is followed from frame to frame, lost, found again, and told apart from others."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from experiments.clips.faces import Faces
from experiments.clips.footage import Frame
from experiments.clips.tracking import anchor_at, follow
from fedpsyau_jax.synthesis.filming import Conditions, Take, film
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.vision.crop import landmark_square

STILL = Conditions(shift=0.0, turn=0.0, zoom=0.0)
Shift = tuple[int, int]


@pytest.fixture(scope="module")
def take() -> Take:
    return film(portrait(FEDERATED, 1), [], STILL, np.random.default_rng(0))


def wide(take: Take, shift: Shift | None) -> np.ndarray:
    """The face on a larger grey canvas; None for nobody."""
    canvas = np.full((300, 500, 3), 90, np.uint8)
    if shift is not None:
        x, y = shift
        canvas[y : y + 256, x : x + 256] = cv2.cvtColor(take.onset, cv2.COLOR_RGB2BGR)
    return canvas


def frames(take: Take, shifts: list[Shift | None]) -> Iterator[Frame]:
    for number, shift in enumerate(shifts, 1):
        yield Frame(number, number / 10, wide(take, shift))


def finder(take: Take, shifts: list[Shift | None], asked: list[int]):
    def find(number: int, picture: np.ndarray) -> Faces:
        asked.append(number)
        shift = shifts[number - 1]
        faces = [] if shift is None else [take.onset_landmarks + shift, 0.2 * take.onset_landmarks]
        return Faces(np.array(faces).reshape(-1, 68, 2))

    return find


def test_a_face_is_followed_without_looking_for_it_in_every_frame(take: Take):
    shifts: list[Shift | None] = [(100 + 2 * step, 20) for step in range(10)]
    asked: list[int] = []
    seen = list(follow(frames(take, shifts), finder(take, shifts, asked), landmark_square, 10.0))
    assert asked == [1, 6]
    assert all(one.success and one.confidence > 0.9 and one.faces == 2 for one in seen)
    assert {one.segment for one in seen} == {1}
    boxes = np.array([(one.box.left, one.box.top) for one in seen if one.box])
    np.testing.assert_allclose(boxes - boxes[0], [(2 * step, 0) for step in range(10)], atol=1.0)


def test_a_lost_face_is_told_and_found_again(take: Take):
    shifts: list[Shift | None] = [(100, 20)] * 3 + [None] * 3 + [(200, 30)] * 3
    asked: list[int] = []
    seen = list(follow(frames(take, shifts), finder(take, shifts, asked), landmark_square, 10.0))
    assert [one.success for one in seen] == [True] * 3 + [False] * 3 + [True] * 3
    assert all(one.picture is None and one.confidence == 0 and one.faces == 0 for one in seen[3:6])
    assert seen[6].segment == seen[0].segment + 1
    assert seen[6].box
    assert seen[0].box
    assert seen[6].box.left - seen[0].box.left == pytest.approx(100, abs=1)


def test_landmarks_that_are_no_face_are_named_with_their_frame(take: Take):
    nothing = Faces(np.zeros((1, 68, 2)))
    with pytest.raises(
        ValueError, match=r"the landmarks of frame 1: the two inner eye corners .* coincide: not a face"
    ):
        next(follow(frames(take, [(0, 0)]), lambda *_: nothing, landmark_square, 10.0))


def test_landmarks_of_the_patch_are_those_of_the_frame(take: Take):
    picture = cv2.cvtColor(wide(take, (100, 20)), cv2.COLOR_BGR2GRAY)
    points = take.onset_landmarks + np.array([100, 20])
    anchor = anchor_at(points, picture, landmark_square)
    np.testing.assert_allclose(anchor.patch.outside(anchor.points), points)
    left, top = anchor.patch.left, anchor.patch.top
    assert (anchor.picture == picture[top : anchor.patch.bottom, left : anchor.patch.right]).all()


def test_a_large_face_is_kept_small(take: Take):
    large = cv2.resize(cv2.cvtColor(take.onset, cv2.COLOR_RGB2GRAY), None, fx=5, fy=5)
    anchor = anchor_at(5 * take.onset_landmarks, large, landmark_square)
    assert max(anchor.picture.shape) <= 401
    np.testing.assert_allclose(anchor.patch.outside(anchor.points), 5 * take.onset_landmarks)
