"""A disk without room: one sentence, and what was written before is still there."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.run import mistakes
from experiments.run.folder import RunFolder, require_space

SAVING = """
import pathlib, resource, sys
import numpy as np
from experiments.run import lifecycle
from fedpsyau_jax.checkpoint import open_checkpoints

numbers = {"weights": np.random.default_rng(0).random(100_000)}

def main(arguments):
    with open_checkpoints(pathlib.Path(arguments[0])) as checkpoints:
        if arguments[1] == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
            checkpoints.save(2, numbers)
        checkpoints.save(1, numbers)
        return checkpoints.restore(numbers).step

lifecycle.exit_with(main)
"""


def saved(folder: Path, disk: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-c", SAVING, str(folder), disk]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=Path(__file__).parents[1])
    return done.returncode, done.stderr.splitlines()


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_is_one_sentence_and_spoils_none(tmp_path: Path):
    assert saved(tmp_path / "kept", "empty") == (1, [])  # the step
    status, (sentence,) = saved(tmp_path / "kept", "full")
    assert status == mistakes.MISTAKE
    assert sentence.startswith(f"Error: no checkpoint can be written to {tmp_path / 'kept'} (")
    assert sentence.endswith("make room there, or make it accessible; earlier checkpoints are still valid")
    assert saved(tmp_path / "kept", "empty") == (1, [])


def test_a_table_that_does_not_fit_is_named_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write() -> int:
        folder.write_text("summary.csv", "new")
        return 0

    folder = RunFolder(tmp_path)
    folder.write_text("summary.csv", "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert mistakes.exit_status(write) == mistakes.MISTAKE
    (sentence,) = capsys.readouterr().err.splitlines()
    place = tmp_path / "summary.csv"
    assert sentence == f"Error: {place}: No space left on device; make room there, or give another place"
    assert place.read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_in_the_place_of_a_table_is_named(tmp_path: Path):
    (tmp_path / "summary.csv").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        RunFolder(tmp_path).write_text("summary.csv", "new")
    assert mistakes.sentence(caught.value).startswith(f"{tmp_path / 'summary.csv'}: Is a directory; give another")


def test_what_would_not_fit_is_refused_before_it_is_written(tmp_path: Path):
    require_space(RunFolder(tmp_path), 1, "two checkpoints")
    with pytest.raises(OSError, match=r"two checkpoints take 1000000000000 MB, but \d+ MB are free there") as caught:
        require_space(RunFolder(tmp_path), 1e18, "two checkpoints")
    assert mistakes.sentence(caught.value).endswith("make room, or give another place with --output")
