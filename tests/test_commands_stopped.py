"""Commands that train, killed, interrupted or damaged: they end the same; and what they leave."""

import re
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
from commands import OPTIONS, Command, command, contents, one_sentence, rounds_written

__all__ = ["command"]
pytestmark = pytest.mark.slow


class Stopped:
    """For each command: its tests share an uninterrupted run."""

    name: str

    @pytest.fixture(scope="class")
    @classmethod
    def finished(cls, command: Command) -> tuple[Path, str]:
        """Its folder, and what it printed."""
        folder = command.folder / cls.name
        return folder, command.shown(cls.name, *OPTIONS[cls.name], f"--output={folder}")

    def test_a_run_leaves_every_file_and_nothing_half_done(self, finished: tuple[Path, str]):
        folder, shown = finished
        names = {path.name for path in folder.iterdir()}
        assert {"config.json", "data.json", "environment.json", "report.html", "figures"} <= names
        assert rounds_written(folder) == 4
        assert str(folder / "report.html") in shown
        assert not re.findall(r'(?:src|href)="(?!data:|#)', (folder / "report.html").read_text())
        assert not list(folder.rglob("*.unfinished"))
        assert not list((folder / "checkpoints").iterdir())
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 70e6

    def test_killed_interrupted_damaged_and_resumed_is_as_uninterrupted(
        self, command: Command, finished: tuple[Path, str], tmp_path: Path
    ):
        folder = tmp_path / "run"
        given = (*OPTIONS[self.name], f"--output={folder}")
        command.stop_at_round(self.name, given, folder, 1, signal.SIGKILL)
        assert not (folder / "summary.csv").exists()
        shown = command.stop_at_round(self.name, (f"--resume={folder}",), folder, 2, signal.SIGINT)
        assert f"--resume={folder}" in shown
        saved = [path for path in folder.glob("checkpoints/0-0/*") if path.name.isdigit()]
        for path in max(saved, key=lambda path: int(path.name)).rglob("d/*"):
            path.write_bytes(b"damaged")
        resumed = command(self.name, f"--resume={folder}")
        assert resumed.returncode == 0, resumed.stderr
        assert "is corrupt" in resumed.stderr
        assert contents(folder) == contents(finished[0])

    def test_damaged_results_of_a_chunk_are_trained_again(
        self, command: Command, finished: tuple[Path, str], tmp_path: Path
    ):
        folder = tmp_path / "run"
        shutil.copytree(finished[0], folder)
        (file,) = list(folder.glob("finished/0-0.npz"))
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 8
        file.write_bytes(bytes(content))
        done = command(self.name, f"--resume={folder}")
        assert done.returncode == 0, done.stderr
        assert "it is trained again, with the same numbers" in " ".join(done.stderr.split())
        assert contents(folder) == contents(finished[0])


class Scored:
    """For each command that tests its networks on held-out examples."""

    def test_every_example_is_tested_once_by_each_row_and_repeat(self, finished: tuple[Path, str]):
        predictions, splits = (pd.read_csv(finished[0] / f"{table}.csv") for table in ("predictions", "splits"))
        counts = predictions.groupby(["algorithm", "repeat"]).size().to_numpy()
        assert (counts == splits.groupby("repeat")["num_test"].sum().iloc[0]).all()
        assert not predictions.duplicated(["algorithm", "repeat", "clip"]).any()
        assert predictions.filter(regex="^p_").sum(axis=1).between(1 - 1e-6, 1 + 1e-6).all()


class TestFed(Stopped, Scored):
    name = "fed"


class TestMer(Stopped, Scored):
    name = "mer"


class TestAblate(Stopped, Scored):
    name = "ablate"


class TestPretrain(Stopped):
    name = "pretrain"


@pytest.mark.parametrize("name", ["fed", "mer"])
def test_a_loss_that_is_not_finite_names_where(command: Command, tmp_path: Path, name: str):
    folder = tmp_path / "nan"
    message = one_sentence(command(name, *OPTIONS[name], "--learning-rate=1e30", f"--output={folder}"))
    assert re.search(r"repeat 0, (client|fold) [01], was not finite in (round|epoch) \d", message)
