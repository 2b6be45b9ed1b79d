"""A reading that was stopped anywhere ends as one that was not, byte for byte."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from explained_runs import DATASET, finished_run, on_random_data, random_weights
from filmed_clips import smile, with_rests, write_clip

from experiments import predict
from experiments.clips import session
from experiments.clips.predictor import Predictor
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import FedSettings
from experiments.run import mistakes
from experiments.run.folder import RunFolder

pytestmark = pytest.mark.slow
SETTINGS = FedSettings(
    clients=2, repeats=1, algorithms=("local",), rounds=1, network=NetworkSettings(variant="no-transformer-no-gat")
)
PART_ROWS = 8


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a run with networks, and of a video of two expressions."""
    folder = tmp_path_factory.mktemp("resumed")
    (folder / "data" / DATASET.name).mkdir(parents=True)
    finished_run(folder / "run", "fed", SETTINGS, random_weights)
    write_clip(folder / "video", folder / "landmarks.csv", with_rests(smile(5), 20))
    with on_random_data() as patched:
        made = Predictor(folder / "run", data_dir=folder / "data")
        patched.setattr(session, "Predictor", lambda *_, **__: made)  # its program compiles once for all tests
        patched.setattr(session, "PART_ROWS", PART_ROWS)
        yield folder


def options(place: Path) -> list[str]:
    """Of the command; every reading has the same folder, as its page names it."""
    named = {"data-dir": "data", "landmarks": "landmarks.csv", "clip": "video", "output": "out"}
    files = [f"--{name}={place / file}" for name, file in named.items()]
    return [str(place / "run"), *files, "--fps=10", "--kind=video", "--false-events=20"]


def command(arguments: list[str]) -> int:
    return mistakes.exit_status(lambda: predict.main(arguments))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def moved(place: Path, name: str) -> Path:
    shutil.move(place / "out", place / name)
    return place / name


Write = Callable[[RunFolder, str, bytes], None]


def stopping(write: Write, when: Callable[[str], bool]) -> Write:
    """Write files, and stop as with Ctrl-C before the one that is named when it is due."""

    def stopped(folder: RunFolder, name: str, content: bytes) -> None:
        if when(name):
            raise KeyboardInterrupt
        write(folder, name, content)

    return stopped


@pytest.fixture(scope="module")
def whole(place: Path) -> dict[str, bytes]:
    """What an uninterrupted reading writes."""
    assert command(options(place)) == 0
    return content(moved(place, "whole"))


def test_a_reading_that_is_stopped_before_any_file_ends_the_same(
    place: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    assert whole["events.csv"].count(b"\n") == 3
    assert not any(name.startswith("parts") for name in whole)
    write, names = RunFolder.write_bytes, list[str]()
    monkeypatch.setattr(RunFolder, "write_bytes", stopping(write, lambda name: bool(names.append(name))))
    assert command(options(place)) == 0
    moved(place, "counted")
    parts = [name for name in names if name.endswith("csv") and name.startswith("parts")]
    assert len(parts) > 2
    for stop in range(names.index(parts[0]), len(names), 5):
        left = iter(range(stop))
        monkeypatch.setattr(RunFolder, "write_bytes", stopping(write, lambda _, left=left: next(left, None) is None))
        assert command(options(place)) == mistakes.INTERRUPTED
        monkeypatch.setattr(RunFolder, "write_bytes", write)
        assert command([f"--resume={place / 'out'}"]) == 0
        found = content(place / "out")
        shutil.rmtree(place / "out")
        assert found.keys() == whole.keys(), names[stop]
        assert [name for name, one in found.items() if one != whole[name]] == [], names[stop]


KILLED = """
import os, signal, sys
from pathlib import Path
from explained_runs import on_random_data
from experiments import predict
from experiments.clips import session
from experiments.run.lifecycle import exit_with
pattern, left, session.PART_ROWS = sys.argv.pop(1), [int(sys.argv.pop(1))], int(sys.argv.pop(1))
replace = Path.replace
def killed(path, target):
    left[0] -= Path(target).match(pattern)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)
Path.replace = killed
with on_random_data():
    exit_with(predict.main)
"""


def test_a_reading_that_is_killed_ends_the_same(place: Path):
    """Killed in the middle of writing the rows of its second part, and again before the end."""
    tests = Path(__file__).parent
    paths = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}

    def run(pattern: str, count: int, *arguments: str) -> int:
        script = [sys.executable, "-c", KILLED, pattern, str(count), str(PART_ROWS), *arguments]
        return subprocess.run(script, env=environment, capture_output=True, timeout=600, check=False).returncode

    assert run("never", 1, *options(place)) == 0
    expected = content(moved(place, "alive"))
    assert run("parts/*.csv", 2, *options(place)) == -signal.SIGKILL
    assert (place / "out" / "parts" / "000000000.json").is_file()
    assert run("events.csv", 1, f"--resume={place / 'out'}") == -signal.SIGKILL
    assert run("never", 1, f"--resume={place / 'out'}") == 0
    found = content(moved(place, "killed"))
    assert [name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name)] == []
