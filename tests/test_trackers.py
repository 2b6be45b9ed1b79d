"""Trackers: what they are given, which there are, and what happens if one fails."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from test_records import FED, prepared, trained

from experiments.inputs.settings import MerSettings
from experiments.run.folder import RunFolder
from experiments.trackers.named import FILE, trackers_of
from experiments.trackers.protocol import POOLED, End, Point, Start, Tracker
from experiments.trackers.tracking import Tracking, tracking
from experiments.training import experiment
from experiments.training.chunks import TrainingResult
from experiments.training.loop import Outcome, Report
from experiments.training.points import RoundPoints

CONFIG = {"experiment": "fed", "command": "", "settings": {"mu": [0.1], "network": {"variant": "full"}}}
POINT = Point("FedAvg", 0, POOLED, POOLED, 1, {"train/loss": 0.5})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.write_json("config.json", CONFIG)
    return run


def until(one: TrainingResult, rounds: int) -> TrainingResult:
    return one._replace(history={name: values[:rounds] for name, values in one.history.items()})


def keys(points: list[Point]) -> list[tuple[Any, ...]]:
    return [one[:5] for one in points]


def remembering(calls: list[Any]) -> Tracker:
    return Tracker(
        lambda start: calls.append(start) or "session",
        lambda session, points: calls.append((session, points)),
        lambda session, end: calls.append((session, end)),
    )


@pytest.mark.slow
def test_every_line_of_metrics_is_a_point_once():
    one = prepared(FED)
    everything = trained(one)
    points = RoundPoints(one)
    first = points.new([until(result, 1) for result in everything])
    second = points.new(everything)
    assert points.new(everything) == []
    assert {point.round for point in first} == {1}
    assert {point.round for point in second} == {2}
    parts = 2 * 2 * (2 + 1)  # rows, repeats, clients and all together
    assert len(first) == len(second) == len(set(keys(first))) == parts
    assert first[0].values["train/loss"] == 2.0
    assert first[0].values["test/uf1"] == 1.0


@pytest.mark.slow
def test_after_a_resume_the_points_begin_with_the_first_round():
    one = prepared(FED)
    assert sorted(keys(RoundPoints(one).new(trained(one)))) == sorted(set(keys(RoundPoints(one).new(trained(one)))))
    assert {point.round for point in RoundPoints(one).new(trained(one))} == {1, 2}


def test_a_repeat_is_pooled_when_all_its_folds_are_trained():
    one = prepared(MerSettings(folds=4, epochs=2))
    everything = trained(one)
    points = RoundPoints(one)
    half = points.new(everything[:2])
    assert POOLED not in {point.client for point in half}
    rest = points.new(everything)
    assert len(half) == 2 * 2
    assert [point.round for point in rest if point.client == POOLED] == [1, 2]
    assert len(rest) == 2 * 2 + 2


def test_three_functions_get_settings_points_and_scores(folder: RunFolder):
    calls: list[Any] = []
    tracked = Tracking(folder, {"mine:tracker": remembering(calls)})
    tracked.start()
    tracked.log([POINT])
    folder.write_table("summary.csv", pd.DataFrame({"algorithm": ["FedAvg"], "uf1": [0.5], "uf1_sd": [float("nan")]}))
    folder.write_bytes("figures/scores.png", b"")
    tracked.finish("finished")
    tracked.finish("failed")
    start, logged, (session, end) = calls
    assert start == Start("fed", folder.path.resolve(), {"mu": [0.1], "network.variant": "full"})
    assert logged == ("session", [POINT])
    figures = [folder.path / "figures" / "scores.png"]
    files = [folder.path / "config.json", folder.path / "summary.csv"]
    assert (session, end) == ("session", End("finished", {"FedAvg": {"uf1": 0.5}}, figures, files))


@pytest.mark.parametrize("failing", Tracker._fields)
def test_one_that_fails_is_dropped_and_the_others_go_on(
    folder: RunFolder, failing: str, capsys: pytest.CaptureFixture[str]
):
    def fail(*_: object) -> None:
        raise RuntimeError("no connection\nto anything")

    calls: list[Any] = []
    broken = remembering([])._replace(**{failing: fail})
    tracked = Tracking(folder, {"mine:broken": broken, "mine:good": remembering(calls)})
    tracked.start()
    tracked.log([POINT])
    tracked.log([POINT])
    tracked.finish("finished")
    assert len(calls) == 4
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning == (
        f"Warning: --tracker=mine:broken: its {failing} failed (RuntimeError: no connection); the run goes on without "
        f"it, and --resume {folder.path} tells it everything again."
    )


def test_rounds_are_told_as_they_end(folder: RunFolder, monkeypatch: pytest.MonkeyPatch):
    one, calls = prepared(FED), []
    everything = trained(one)

    def train(job: None, stages: None, report: Report) -> Outcome:
        for rounds in (1, 2):
            report([until(result, rounds) for result in everything])
            assert max(point.round for point in calls[-1][1]) == rounds
        return Outcome(everything, 2, True)

    nothing = {"_job": None, "networks_to_keep": {group.name: frozenset() for group in one.table.groups}}
    for name, value in (nothing | {"store_with_detectors": (None, None)}).items():
        monkeypatch.setattr(experiment, name, lambda *_, value=value: value)
    monkeypatch.setattr(experiment, "train", train)
    experiment.run_trainings(one, folder, None, Tracking(folder, {"mine:tracker": remembering(calls)}))  # type: ignore[arg-type]
    start, *logged = calls
    assert start.command == "fed"
    told = [point for _, points in logged for point in points]
    assert len(told) == len(set(keys(told))) == len(folder.read_table("metrics.csv"))


def test_trackers_are_told_if_the_run_fails(folder: RunFolder):
    calls: list[Any] = []

    def run() -> None:
        with tracking(folder, {"mine:tracker": remembering(calls)}) as tracked:
            tracked.start()
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        run()
    assert calls[-1][1].status == "failed"


def test_a_run_remembers_its_trackers(folder: RunFolder, monkeypatch: pytest.MonkeyPatch):
    assert trackers_of(folder, ()) == {}
    assert not folder.has(FILE)
    mine = SimpleNamespace(one=remembering([]), two=remembering([]))
    monkeypatch.setitem(__import__("sys").modules, "mine", mine)
    trackers_of(folder, ["mine:one"])
    assert list(trackers_of(folder, ["mine:two", "mine:one"])) == ["mine:one", "mine:two"]
    folder.write_text(FILE, json.dumps({"no": "list"}))
    with pytest.raises(ValueError, match=r"trackers\.json is not a list of trackers; delete it"):
        trackers_of(folder, ())


def three() -> tuple[Any, ...]:
    return (print, print, print)


class Functions:
    start = log = finish = staticmethod(print)


NOT_THREE = (print, print)


@pytest.mark.parametrize("name", ["three", "Functions"])
def test_ones_own_is_three_functions_in_a_tuple_or_by_name(folder: RunFolder, name: str):
    assert trackers_of(folder, [f"test_trackers:{name}"]) == {f"test_trackers:{name}": Tracker(print, print, print)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tensorbord", "--tracker=tensorbord: did you mean tensorboard? there are tensorboard, mlflow, and your own"),
        ("test_trackers:thre", "--tracker=test_trackers:thre: did you mean three? module test_trackers has no 'thre'"),
        ("nowhere:tracker", "--tracker=nowhere:tracker: there is no module 'nowhere'"),
        ("test_trackers:NOT_THREE", "NOT_THREE is not three functions start, log and finish"),
    ],
)
def test_a_mistyped_tracker_is_one_sentence(folder: RunFolder, name: str, said: str):
    with pytest.raises(ValueError, match=r"^--tracker=") as mistake:
        trackers_of(folder, [name])
    assert said in str(mistake.value)
    assert not folder.has(FILE)


def test_a_library_that_is_not_installed_is_named(folder: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("experiments.trackers.named.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"mlflow is not installed; pip install 'fedpsyau-jax\[mlflow\]'"):
        trackers_of(folder, ["mlflow"])
