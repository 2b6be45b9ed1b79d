"""What is drawn into pictures and the annotated video can be read."""

from types import SimpleNamespace

import numpy as np

from experiments.clips.annotated import annotated
from experiments.clips.lettering import lines_of, plain, write
from experiments.clips.pictures import EDGE, KEY, with_key

INK = (0, 0, 0)


def row(event: int) -> SimpleNamespace:
    """Of frames.csv, without a face."""
    return SimpleNamespace(frame=1, timestamp=0.0, success=0, event=event, face_left=0, face_top=0, face_side=0)


def inked(picture: np.ndarray) -> np.ndarray:
    """(rows, columns) of the pixels that are not those of the grey frame."""
    return np.argwhere((picture != 90).any(axis=-1))


def test_letters_are_ascii():
    assert plain("Überraschung 0.50 ± 0.10") == "Uberraschung 0.50 +- 0.10"
    assert plain("笑") == "?"


def test_lines_fit_and_nothing_is_lost():
    text = "event 1: disgust 0.50 ± 0.50: AU1 0.62, AU5 0.55, AU6 0.51, AU7 0.57"
    lines = lines_of(text, 240, 0.45)
    assert len(lines) > 1
    assert " ".join(lines) == plain(text)
    for line in lines:
        picture = np.full((40, 300, 3), 90, np.uint8)
        write(picture, line, (6, 20), 0.45, INK)
        assert inked(picture)[:, 1].max() < 6 + 240 + 6


def test_a_long_label_does_not_leave_the_video():
    frame = np.full((240, 200, 3), 90, np.uint8)
    without, with_label = (
        inked(annotated(frame, row(event), {1: "event 1: " + "AU12 0.99, " * 6})) for event in (0, 1)
    )
    assert with_label[:, 0].max() > without[:, 0].max() + 18
    assert with_label[:, 1].max() < 200 - 1


def test_the_key_of_directions_has_another_colour_on_each_side():
    picture = with_key(np.full((100, 100, 3), 90, np.uint8))
    middle, far = 100 - EDGE - KEY // 2 - 1, KEY // 2 - 2
    sides = [picture[middle + y * far, middle + x * far] for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    assert len({tuple(side) for side in sides}) == 4
    assert (picture[:40] == 90).all()
