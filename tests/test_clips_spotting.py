"""Events of long videos, the bound on what is held of them, and the parts that are written."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.clips import windows
from experiments.clips.motion import NONE, Motion
from experiments.clips.parts import Earlier, earlier_parts, join_parts, remove_parts, write_part
from experiments.clips.spotting import RATES, Strictness, lag_frames, rate_for, spot
from experiments.clips.tracking import Seen
from experiments.clips.windows import chunks, most_held
from experiments.run.folder import RunFolder
from fedpsyau_jax.vision.crop import FaceBox
from fedpsyau_jax.vision.sample import Settings

FPS = 30.0
LAG = lag_frames(FPS)
STRICT = Strictness(3.0, 0.25)


def motions(expression: np.ndarray, *, eyes: float = 0.0, lower: float = 0.0) -> list[Motion]:
    """What is measured of a face whose brows move so; lids and mouth move by a multiple of it."""
    before = np.concatenate([np.full(LAG, expression[0]), expression])[: len(expression)]
    strains = np.abs(expression - before)
    return [Motion(0.0, one, one, eyes * one, lower * one, 1.0) for one in strains.tolist()]


def bump(count: int, *places: int, width: int = 6, height: float = 0.1) -> np.ndarray:
    """Expressions that rise and fall in ``width`` frames each."""
    time = np.arange(count)
    return np.sum([height * np.clip(1 - np.abs(time - place) / width, 0, 1) for place in places], axis=0)


def test_an_expression_there_and_back_is_found_where_it_is():
    (event,) = spot(motions(bump(120, 60)), FPS, STRICT)
    assert abs(event.apex - 60) <= 1
    assert abs(event.onset - 54) <= 2
    assert abs(event.offset - 66) <= 3
    assert event.strength == pytest.approx(10, rel=0.05)


def test_what_is_no_event():
    step = np.where(np.arange(120) < 60, 0, np.clip((np.arange(120) - 60) / 6, 0, 1) * 0.1)
    assert spot(motions(step), FPS, STRICT) == []
    assert spot(motions(bump(120, 60), eyes=2.0), FPS, STRICT) == []
    assert len(spot(motions(bump(120, 60), eyes=2.0, lower=1.0), FPS, STRICT)) == 1
    assert spot(motions(bump(120, *range(5, 120, 11))), FPS, STRICT) == []
    assert spot(motions(bump(120, 60, height=0.02)), FPS, STRICT) == []
    assert spot([NONE] * 50, FPS, STRICT) == []


def test_the_head_raises_the_bar():
    moving = [one._replace(head=60.0) for one in motions(bump(120, 60))]
    assert spot(moving, FPS, STRICT) == []


def test_thresholds_have_fewer_false_events_the_stricter_they_are():
    assert [rate.found for rate in RATES] == sorted((rate.found for rate in RATES), reverse=True)
    assert [rate.false_events for rate in RATES] == sorted((rate.false_events for rate in RATES), reverse=True)
    assert rate_for(1e9) == RATES[0]
    assert rate_for(0.0) == RATES[-1]


class Film:
    """A made-up video of followed faces; it counts the pictures that are alive."""

    def __init__(self, expression: np.ndarray) -> None:
        self.expression = expression
        self.alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
        self.shown, self.most = 0, 0

    def seen(self) -> Iterator[Seen]:
        for number in range(1, len(self.expression) + 1):
            picture = np.full((2, 2), 7, np.uint8).view(Picture)
            self.alive.add(picture)
            self.shown, self.most = number, max(self.most, len(self.alive))
            yield Seen(number, (number - 1) / FPS, picture, np.zeros((68, 2)), FaceBox(0, 0, 9), 1.0, 1, 1)


class Picture(np.ndarray):
    """An array that a weak set can hold."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return self is other


@pytest.fixture
def film(monkeypatch: pytest.MonkeyPatch) -> Film:
    """Half a minute with events on both sides of every border between windows."""
    made = Film(bump(900, 100, 250, 391, 397 + 130, 700))
    measured = motions(made.expression)
    monkeypatch.setattr(windows, "_motion", lambda recent, one, settings: measured[one.number - 1])
    return made


@pytest.mark.slow
def test_a_long_video_is_read_with_bounded_memory_and_every_frame_comes_once(film: Film):
    numbers, apexes, held = list[int](), list[int](), 0
    for chunk in chunks(film.seen(), FPS, STRICT, Settings()):
        numbers += [entry.seen.number for entry in chunk.entries]
        apexes += [event.entries[event.apex].seen.number for event in chunk.events]
        held = max(held, film.shown - len(numbers))
        del chunk
        gc.collect()
    assert numbers == list(range(1, 901))
    assert np.abs(np.array(apexes) - 1 - [100, 250, 391, 527, 700]).max() <= 1
    assert held <= most_held(FPS)
    assert film.most <= 2 * most_held(FPS)


def test_windows_find_the_events_of_the_whole_video(film: Film):
    whole = [span.apex + 1 for span in spot(motions(film.expression), FPS, STRICT)]
    found = [
        event.entries[event.apex].seen.number
        for chunk in chunks(film.seen(), FPS, STRICT, Settings())
        for event in chunk.events
    ]
    assert found == whole


def test_parts_are_joined_into_one_table(tmp_path: Path):
    folder = RunFolder(tmp_path)
    table = pd.DataFrame({"frame": range(1, 8), "strain": np.linspace(0, 1, 7)})
    write_part(folder, 0, table[:3], [{"event": 1}])
    write_part(folder, 3, table[3:], [])
    assert earlier_parts(folder) == Earlier(7, [{"event": 1}])
    (tmp_path / "parts" / "000000003.json").write_text("{")
    assert earlier_parts(folder) == Earlier(3, [{"event": 1}])
    write_part(folder, 3, table[3:], [])
    join_parts(folder)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "frames.csv"), table)
    remove_parts(folder)
    assert not (tmp_path / "parts").exists()
