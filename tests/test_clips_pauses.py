"""A video's reading goes on from every pause as if it had not stopped."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from filmed_clips import smile, with_rests

from experiments.clips.faces import Faces
from experiments.clips.footage import Frame
from experiments.clips.parts import paused, write_part
from experiments.clips.pauses import Pause, arrays_of, held_again, pause_from, pause_of
from experiments.clips.spotting import Strictness
from experiments.clips.tracking import follow
from experiments.clips.windows import Chunk, chunks
from experiments.run.folder import RunFolder
from fedpsyau_jax.vision.sample import Settings

FPS = 10.0
SETTINGS = Settings()
STRICT = Strictness(1.0, 0.3)
LOST = range(43, 46)
"""Frames that show no face."""


class Film:
    """A face with two expressions, which is away for some frames."""

    def __init__(self) -> None:
        film = with_rests(smile(5), 20)
        self.landmarks = film.landmarks
        self.frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in film.frames]
        for number in LOST:
            self.frames[number - 1] = np.full_like(self.frames[0], 90)

    def after(self, skip: int) -> Iterator[Frame]:
        for number, picture in list(enumerate(self.frames, 1))[skip:]:
            yield Frame(number, number / FPS, picture)

    def find(self, number: int, picture: np.ndarray) -> Faces:
        faces = [] if number in LOST else [self.landmarks[number - 1]]
        return Faces(np.array(faces).reshape(-1, 68, 2))

    def read(self, done: int = 0, pause: Pause | None = None) -> Iterator[Chunk]:
        skip, tracker = (done - pause.written, pause.tracker) if pause else (0, None)
        seen = follow(self.after(skip), self.find, SETTINGS.square, FPS, tracker)
        return chunks(seen, FPS, STRICT, SETTINGS, held_again(pause, seen) if pause else None)


@pytest.fixture(scope="module")
def film() -> Film:
    return Film()


def what_is_found(found: list[Chunk]) -> list[object]:
    """Numbers, places, motions and confidences of all frames, and the events."""
    frames = [
        (one.seen.number, one.seen.box, one.seen.confidence, one.motion) for part in found for one in part.entries
    ]
    events = [
        ([one.seen.number for one in event.entries], event.apex, event.strength)
        for part in found
        for event in part.events
    ]
    return [frames, events]


@pytest.mark.slow
def test_from_every_pause_the_same_is_read(film: Film):
    whole = list(film.read())
    assert len(whole) > 3
    assert any(part.events for part in whole[:2])
    assert any(part.events for part in whole[2:])
    done = 0
    for place, part in enumerate(whole):
        done += len(part.entries)
        pause = pause_from(arrays_of(pause_of(part.held)), SETTINGS.square)
        rest = list(film.read(done, pause))
        assert what_is_found(rest) == what_is_found(whole[place + 1 :])


def test_a_video_that_became_shorter_is_refused(film: Film):
    pause = pause_of(next(film.read()).held)
    with pytest.raises(ValueError, match="it has fewer frames than when its reading stopped: read it anew"):
        held_again(pause, islice(follow(film.after(0), film.find, SETTINGS.square, FPS), 3))


def test_a_damaged_pause_costs_its_part_only(film: Film, tmp_path: Path):

    folder, done = RunFolder(tmp_path), 0
    for part in list(film.read())[:2]:
        rows = pd.DataFrame({"frame": [one.seen.number for one in part.entries]})
        write_part(folder, done, rows, [], pause_of(part.held))
        done += len(rows)
    last = paused(folder, SETTINGS.square)
    assert last.frames == done
    assert last.pause
    (tmp_path / "parts" / f"{done:09d}.npz").write_bytes(b"damaged")
    assert paused(folder, SETTINGS.square).frames == done - len(rows)
    assert last.pause.tracker.anchor
