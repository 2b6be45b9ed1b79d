"""Commands that train, killed, interrupted or damaged: they end the same; and what they leave."""

import re
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
from commands import OPTIONS, Command, command, contents, each, finished, one_sentence, rounds_written

__all__ = ["command", "finished"]
pytestmark = pytest.mark.slow
every = each(*OPTIONS)


@every
def test_a_run_leaves_every_file_and_nothing_half_done(finished, name: str):
    folder, shown = finished(name)
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "data.json", "environment.json", "report.html", "figures"} <= names
    assert rounds_written(folder) == 4
    assert str(folder / "report.html") in shown
    assert not re.findall(r'(?:src|href)="(?!data:|#)', (folder / "report.html").read_text())
    assert not list(folder.rglob("*.unfinished"))
    assert not list((folder / "checkpoints").iterdir())
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 70e6


@each("fed", "mer", "ablate")
def test_every_example_is_tested_once_by_each_row_and_repeat(finished, name: str):
    folder, _ = finished(name)
    predictions, splits = pd.read_csv(folder / "predictions.csv"), pd.read_csv(folder / "splits.csv")
    counts = predictions.groupby(["algorithm", "repeat"]).size().to_numpy()
    assert (counts == splits.groupby("repeat")["num_test"].sum().iloc[0]).all()
    assert not predictions.duplicated(["algorithm", "repeat", "clip"]).any()
    assert predictions.filter(regex="^p_").sum(axis=1).between(1 - 1e-6, 1 + 1e-6).all()


@every
def test_killed_interrupted_damaged_and_resumed_is_as_uninterrupted(
    command: Command, finished, tmp_path: Path, name: str
):
    folder = tmp_path / "run"
    command.stop_at_round(name, (*OPTIONS[name], f"--output={folder}"), folder, 1, signal.SIGKILL)
    assert not (folder / "summary.csv").exists()
    shown = command.stop_at_round(name, (f"--resume={folder}",), folder, 3, signal.SIGINT)
    assert f"--resume={folder}" in shown
    saved = [path for path in folder.glob("checkpoints/0-0/*") if path.name.isdigit()]
    for path in max(saved, key=lambda path: int(path.name)).rglob("d/*"):
        path.write_bytes(b"damaged")
    resumed = command(name, f"--resume={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert "is corrupt" in resumed.stderr
    assert contents(folder) == contents(finished(name)[0])


@every
def test_damaged_results_of_a_chunk_are_trained_again(command: Command, finished, tmp_path: Path, name: str):
    folder = tmp_path / "run"
    shutil.copytree(finished(name)[0], folder)
    (file,) = list(folder.glob("finished/0-0.npz"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 8
    file.write_bytes(bytes(content))
    done = command(name, f"--resume={folder}")
    assert done.returncode == 0, done.stderr
    assert "it is trained again, with the same numbers" in " ".join(done.stderr.split())
    assert contents(folder) == contents(finished(name)[0])


@each("fed", "mer")
def test_a_loss_that_is_not_finite_names_where(command: Command, tmp_path: Path, name: str):
    folder = tmp_path / "nan"
    message = one_sentence(command(name, *OPTIONS[name], "--learning-rate=1e30", f"--output={folder}"))
    assert re.search(r"repeat 0, (client|fold) [01], was not finite in (round|epoch) \d", message)
