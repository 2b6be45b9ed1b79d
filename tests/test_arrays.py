"""Intermediate arrays of a run: read as they were written, or known as damaged."""

from pathlib import Path

import numpy as np
import pytest

from experiments.run import arrays as stored
from experiments.run.folder import RunFolder

ARRAYS = {"loss": np.arange(3.0), "logits": np.eye(2, dtype=np.float32)}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Of a run with arrays of a part ``a`` and a part ``b``."""
    made = RunFolder(tmp_path)
    made.write_json("config.json", {"settings": {"seed": 0}})
    made.write_json("data.json", {"databases": [{"fingerprint": "abc"}]})
    for part in "ab":
        stored.write(made, f"finished/{part}.npz", part, ARRAYS)
    return made


def test_what_was_written_is_read(folder: RunFolder):
    arrays = stored.read_or_discard(folder, "finished/a.npz", "a", consequence="it is lost")
    assert arrays is not None
    assert arrays.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], values)
    assert stored.read_or_discard(folder, "finished/c.npz", "c", consequence="it is lost") is None


@pytest.mark.parametrize("bit", [4, *(pytest.param(bit, marks=pytest.mark.slow) for bit in (0, 7))])
def test_no_flipped_bit_changes_a_number(folder: RunFolder, bit: int):
    place = folder.path / "finished" / "a.npz"
    whole = place.read_bytes()
    num_refused = 0
    for where in range(len(whole)):
        place.write_bytes(whole[:where] + bytes([whole[where] ^ 1 << bit]) + whole[where + 1 :])
        try:
            arrays = stored.read(folder, "finished/a.npz", "a")
        except stored.Damaged:
            num_refused += 1
        else:
            assert arrays.keys() == ARRAYS.keys(), where
            for name, values in ARRAYS.items():
                np.testing.assert_array_equal(arrays[name], values)
    assert num_refused > len(whole) / 2


def test_every_beginning_of_a_file_is_damaged(folder: RunFolder):
    place = folder.path / "finished" / "a.npz"
    whole = place.read_bytes()
    for length in range(0, len(whole), 7):
        place.write_bytes(whole[:length])
        with pytest.raises(stored.Damaged, match=r"a.npz cannot be read \("):
            stored.read(folder, "finished/a.npz", "a")


@pytest.mark.parametrize(("file", "facts"), [("config.json", {"settings": {"seed": 1}}), ("data.json", {})])
def test_the_file_of_another_run_or_part_is_none(folder: RunFolder, file: str, facts: dict[str, object]):
    with pytest.raises(stored.Damaged, match=r"b.npz is of another run, or of another part of this one"):
        stored.read(folder, "finished/b.npz", "a")
    folder.write_json(file, facts)
    with pytest.raises(stored.Damaged, match=r"a.npz is of another run"):
        stored.read(folder, "finished/a.npz", "a")


@pytest.mark.parametrize("damage", ["file", "folder"])
def test_what_is_damaged_is_told_and_put_aside(folder: RunFolder, damage: str, capsys: pytest.CaptureFixture[str]):
    place = folder.path / "finished" / "a.npz"
    for _ in range(2):
        place.unlink(missing_ok=True)
        place.mkdir() if damage == "folder" else place.write_text("nonsense")
        assert stored.read_or_discard(folder, "finished/a.npz", "a", consequence="it is made again") is None
        assert not place.exists()
        told = " ".join(capsys.readouterr().err.split())
        assert told.startswith(f"Warning: {place} cannot be read (")
        assert told.endswith(f"it is put aside as {folder.path / 'corrupt' / 'a.npz'}, and it is made again.")
        assert (folder.path / "corrupt" / "a.npz").exists()
