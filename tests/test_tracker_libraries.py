"""TensorBoard and MLflow: what they read is what was told, also after a kill."""

from pathlib import Path

import pytest

from experiments.trackers.named import tracker_named
from experiments.trackers.protocol import POOLED, End, Point, Start

ROWS = ("FedAvg", "own:line, mu = 0.1")
SETTINGS = {"mu": [0.1], "network.variant": "full"}


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return Start("fed", tmp_path, SETTINGS)


@pytest.fixture
def figure(tmp_path: Path) -> Path:
    from matplotlib.figure import Figure

    path = tmp_path / "figures" / "scores.png"
    path.parent.mkdir()
    Figure(figsize=(2, 1), dpi=50).savefig(path)
    return path


def points(rounds: range) -> list[Point]:
    pooled = [Point(row, 0, POOLED, POOLED, number, {"test/uf1": number / 10}) for row in ROWS for number in rounds]
    return [*pooled, Point(ROWS[0], 0, "all", "2", rounds[0], {"test/uf1": 0.9})]


def ending(figure: Path) -> End:
    return End("finished", {"FedAvg": {"uf1": 0.3}}, [figure], [figure])


def test_tensorboard_reads_every_point_once_after_a_kill(start: Start, figure: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    tracker = tracker_named("tensorboard")
    session = tracker.start(start)
    tracker.log(session, points(range(1, 4)))
    session = tracker.start(start)  # after a kill everything is told again
    tracker.log(session, points(range(1, 3)))
    tracker.log(session, points(range(3, 6)))
    tracker.finish(session, ending(figure))
    root = start.folder / "tensorboard"
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["FedAvg", "own_line, mu = 0.1"]
    for row in root.iterdir():
        if row.is_dir():
            curve = EventAccumulator(str(row / "repeat 0")).Reload()
            assert [(one.step, round(one.value, 4)) for one in curve.Scalars("test/uf1")] == [
                (number, number / 10) for number in range(1, 6)
            ]
    whole = EventAccumulator(str(root)).Reload()
    (settings,) = whole.Tensors("settings")
    assert b"| network.variant | full |" in make_ndarray(settings.tensor_proto).item()
    (image,) = whole.Images("scores")
    assert (image.width, image.height, image.encoded_image_string) == (100, 50, figure.read_bytes())
    (score,) = EventAccumulator(str(root / "FedAvg")).Reload().Scalars("score/uf1")
    assert score.value == pytest.approx(0.3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_keeps_every_point_once_after_a_kill(start: Start, figure: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mlflow")
    monkeypatch.chdir(start.folder)
    tracker = tracker_named("mlflow")
    session = tracker.start(start)
    tracker.log(session, points(range(1, 4)))
    session = tracker.start(start)
    tracker.log(session, points(range(1, 6)))
    tracker.finish(session, ending(figure))
    session = tracker.start(start)  # a finished run that is resumed
    tracker.log(session, points(range(1, 6)))
    tracker.finish(session, ending(figure))
    assert (start.folder / "mlflow.db").exists()
    client, number = session.client, session.run
    (run,) = client.search_runs([client.get_experiment_by_name("fedpsyau fed").experiment_id])
    assert run.info.run_id == number
    assert run.info.status == "FINISHED"
    assert run.data.params == {"mu": "[0.1]", "network.variant": "full"}
    for row in ("FedAvg", "own:line_ mu _ 0.1"):
        history = client.get_metric_history(number, f"test/uf1/{row}/repeat 0")
        assert sorted((one.step, one.value) for one in history) == [(step, step / 10) for step in range(1, 6)]
    assert [one.value for one in client.get_metric_history(number, "score/uf1/FedAvg")] == [0.3]
    assert {one.path for one in client.list_artifacts(number)} == {"scores.png", "figures"}
