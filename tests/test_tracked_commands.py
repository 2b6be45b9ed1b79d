"""Commands with trackers: what these are told, killed or not, and that a run without any is as it was."""

import doctest
import signal
from pathlib import Path

import pandas as pd
import pytest
from commands import Command, contents

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[1] / "docs" / "runs.md"
CHEAP = ("--network.variant=no-transformer-no-gat", "--checkpoint-seconds=0", "--pretraining.epochs=4", "--repeats=1")
OPTIONS = {
    "fed": (*CHEAP, "--clients=2", "--rounds=4", "--local-epochs=1", "--algorithms", "fedavg", "local"),
    "mer": (*CHEAP, "--folds=2", "--epochs=2"),
    "ablate": (*CHEAP[1:], "--variants", "no-transformer-no-gat", "--prior", "published", "--folds=2", "--epochs=2"),
    "pretrain": CHEAP,
}
OWN = "--tracker", "lines:tracker"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Commands that find the tracker that the page shows."""
    folder = tmp_path_factory.mktemp("tracked")
    examples = [one.source for one in doctest.DocTestParser().get_examples(PAGE.read_text())]
    functions = [source for source in examples if source.startswith(("def start", "def log", "def finish", "tracker"))]
    (folder / "lines.py").write_text("".join(functions))
    command = Command(folder)
    command.environment["PYTHONPATH"] = f"{folder}:{PAGE.parents[1]}"
    return command


def lines(folder: Path) -> list[str]:
    return (folder / "points.txt").read_text().splitlines()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_tracker_is_told_every_line_and_the_end(command: Command, tmp_path: Path, name: str):
    command.shown(name, *OPTIONS[name], *OWN, f"--output={tmp_path / 'run'}")
    *points, end = lines(tmp_path / "run")
    assert len(points) == len(set(points)) == len(pd.read_csv(tmp_path / "run" / "metrics.csv"))
    assert end.startswith("finished {")


def test_killed_and_resumed_it_has_each_point_once(command: Command, tmp_path: Path):
    plain, whole, killed = tmp_path / "plain", tmp_path / "whole", tmp_path / "killed"
    done = command("fed", *OPTIONS["fed"], f"--output={plain}")
    assert done.returncode == 0
    command.shown("fed", *OPTIONS["fed"], *OWN, f"--output={whole}")
    command.stop_at_round("fed", (*OPTIONS["fed"], *OWN, f"--output={killed}"), killed, 2, signal.SIGKILL)
    assert lines(killed)
    command.shown("fed", f"--resume={killed}")
    assert lines(killed) == lines(whole)
    assert contents(plain) == contents(whole) == contents(killed)
    assert files(whole) == files(plain) | {"points.txt", "trackers.json"}


def test_a_tracker_that_fails_does_not_lose_the_run(command: Command, tmp_path: Path):
    (command.folder / "broken.py").write_text("tracker = (lambda run: 1 / 0, print, print)\n")
    done = command("fed", *OPTIONS["fed"], "--tracker", "broken:tracker", f"--output={tmp_path / 'run'}")
    assert done.returncode == 0
    assert done.stderr.count("--tracker=broken:tracker: its start failed (ZeroDivisionError: division by zero)") == 1
    assert (tmp_path / "run" / "report.html").exists()


def test_a_mistyped_tracker_leaves_nothing(command: Command, tmp_path: Path):
    done = command("fed", *OPTIONS["fed"], "--tracker", "tensorbord", f"--output={tmp_path / 'run'}")
    assert done.returncode == 2
    assert "Error: --tracker=tensorbord: did you mean tensorboard?" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [(), ("--tensorboard",)], ids=["none", "tensorboard"])
def test_libraries_are_imported_only_if_they_are_asked_for(command: Command, tmp_path: Path, options: tuple[str, ...]):
    pytest.importorskip("tensorboard")
    shown = "print(*{'tensorboard', 'mlflow', 'tensorflow'} & sys.modules.keys(), file=sys.stderr)"
    (command.folder / "sitecustomize.py").write_text(f"import atexit, sys\natexit.register(lambda: {shown})\n")
    done = command("fed", *OPTIONS["fed"], *options, f"--output={tmp_path / 'run'}")
    (command.folder / "sitecustomize.py").unlink()
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == ("tensorboard" if options else "")
    assert (tmp_path / "run" / "tensorboard").exists() == bool(options)
