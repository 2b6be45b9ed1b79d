"""What is held while a clip is read does not grow with its length."""

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filmed_clips import smile, with_rests

from experiments.clips import reading, session, tracking
from experiments.clips.conclusion import summary_of
from experiments.clips.faces import Faces
from experiments.clips.footage import Footage, Frame
from experiments.clips.outputs import Probabilities
from experiments.clips.parts import Earlier, earlier_parts
from experiments.clips.predictor import BATCH, Reading
from experiments.clips.reading import Reader
from experiments.clips.windows import most_held
from experiments.run.folder import RunFolder
from fedpsyau_jax.vision.sample import Settings

FPS = 10.0
AUS = ("AU1", "AU12")
BESIDE = 4
"""Pictures of the anchor, of the frame at hand, and of the onset and apex of an event."""


class Picture(np.ndarray):
    """An array that a weak set can hold."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return self is other


class Alive:
    """Counts the parts of frames that are held at once."""

    def __init__(self) -> None:
        self.now: weakref.WeakSet[Picture] = weakref.WeakSet()
        self.most = 0

    def counted(self, picture: np.ndarray) -> np.ndarray:
        own = picture.view(Picture)
        self.now.add(own)
        self.most = max(self.most, len(self.now))
        return own


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Alive:
    found, seen = Alive(), tracking._seen

    def counted(*arguments: Any) -> tracking.Seen:
        one = seen(*arguments)
        return one if one.picture is None else one._replace(picture=found.counted(one.picture))

    monkeypatch.setattr(tracking, "_seen", counted)
    return found


class Networks:
    """Answers without any network."""

    settings = Settings()
    ensemble = SimpleNamespace(au_names=AUS, datasets=(), class_names=())

    def probabilities(self, samples: list[Any]) -> Probabilities:
        return Probabilities(np.zeros((1, len(samples), 0)), np.full((1, len(samples), len(AUS)), 0.5))

    def __call__(self, *_: Any) -> Reading:
        return Reading({}, {}, (), None)


def film_of(repeats: int) -> tuple[Reader, Footage]:
    """A face with two expressions, over and over."""
    once = with_rests(smile(5), 20)
    count = repeats * len(once.frames)

    def read(skip: int) -> Iterator[Frame]:
        for place in range(skip, count):
            yield Frame(place + 1, place / FPS, once.frames[place % len(once.frames)])

    def find(number: int, picture: np.ndarray) -> Faces:
        return Faces(once.landmarks[(number - 1) % len(once.frames)][None])

    return Reader(Networks(), find, 20.0), Footage("film", Path("film"), FPS, count, read)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_long_video_holds_the_frames_of_its_window_only(
    alive: Alive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """However many rows wait to be written: there is one part here, with the whole video."""
    monkeypatch.setattr(session, "distances", lambda *_: [])
    reader, footage = film_of(3)
    stage: Any = SimpleNamespace(advance=lambda count: None)
    session._read_parts(reader, footage, RunFolder(tmp_path), Earlier(0, []), np.zeros(0), stage)
    frames, events, _ = earlier_parts(RunFolder(tmp_path))
    assert frames == footage.stated > 2 * most_held(FPS)
    assert len(events) > 3
    assert alive.most <= most_held(FPS) + round(1.2 * FPS) + BESIDE


@pytest.mark.slow
def test_a_short_clip_holds_one_batch_of_frames_however_long_it_is(alive: Alive):
    reader, footage = film_of(1)
    part = reading.read_clip(reader, replace(footage, fps=None), None, None)
    assert len(part.entries) == footage.stated > 3 * BATCH
    assert len(part.marks) == footage.stated
    assert alive.most <= 2 * BATCH + BESIDE


def test_the_median_of_a_table_is_counted_and_not_collected(tmp_path: Path):
    table = pd.DataFrame({"success": [1, 1, 1, 0], "faces": [1, 2, 1, 0], "face_side": [7.5, 9.0, 8.0, np.nan]})
    table.to_csv(tmp_path / "frames.csv")
    expected = {"num_frames": 4, "num_seen": 3, "most_faces": 2, "face_side": 8.0}
    assert summary_of(tmp_path / "frames.csv") == expected
    table[3:].to_csv(tmp_path / "frames.csv")
    assert summary_of(tmp_path / "frames.csv")["face_side"] is None
