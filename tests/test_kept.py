from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_mer_training import SETTINGS, at_once, dataset, logits_of, trained  # noqa: F401 fixtures

from data.dataset import Dataset
from experiments.run import arrays as kept
from experiments.run.folder import RunFolder
from experiments.training import chunks

pytestmark = pytest.mark.usefixtures("quick_compilation")
ARRAYS = {"loss": np.arange(3.0), "logits": np.eye(2, dtype=np.float32)}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Of a run that keeps a part ``a`` and a part ``b``."""
    made = RunFolder(tmp_path)
    made.write_json("config.json", {"settings": {"seed": 0}})
    made.write_json("data.json", {"fingerprint": "abc"})
    for part in "ab":
        kept.write(made, f"finished/{part}.npz", part, ARRAYS)
    return made


def test_what_is_kept_is_read_again(folder: RunFolder):
    arrays = kept.found(folder, "finished/a.npz", "a", so="it is lost")
    assert arrays is not None
    assert arrays.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], values)
    assert kept.found(folder, "finished/c.npz", "c", so="it is lost") is None


@pytest.mark.parametrize("bit", [0, 4, 7])
def test_no_flipped_bit_changes_a_number(folder: RunFolder, bit: int):
    place = folder.path / "finished" / "a.npz"
    whole = place.read_bytes()
    num_refused = 0
    for where in range(len(whole)):
        place.write_bytes(whole[:where] + bytes([whole[where] ^ 1 << bit]) + whole[where + 1 :])
        try:
            arrays = kept.read(folder, "finished/a.npz", "a")
        except kept.Damaged:
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
        with pytest.raises(kept.Damaged, match=r"a.npz cannot be read \("):
            kept.read(folder, "finished/a.npz", "a")


@pytest.mark.parametrize(("file", "facts"), [("config.json", {"settings": {"seed": 1}}), ("data.json", {})])
def test_the_file_of_another_run_or_part_is_none(folder: RunFolder, file: str, facts: dict[str, object]):
    with pytest.raises(kept.Damaged, match=r"b.npz is of another run, or of another part of this one"):
        kept.read(folder, "finished/b.npz", "a")
    folder.write_json(file, facts)
    with pytest.raises(kept.Damaged, match=r"a.npz is of another run"):
        kept.read(folder, "finished/a.npz", "a")


@pytest.mark.parametrize("damage", ["file", "folder"])
def test_what_is_damaged_is_told_and_put_aside(folder: RunFolder, damage: str, capsys: pytest.CaptureFixture[str]):
    place = folder.path / "finished" / "a.npz"
    for _ in range(2):
        place.unlink(missing_ok=True)
        place.mkdir() if damage == "folder" else place.write_text("nonsense")
        assert kept.found(folder, "finished/a.npz", "a", so="it is made again") is None
        assert not place.exists()
        told = " ".join(capsys.readouterr().err.split())
        assert told.startswith(f"Warning: {place} cannot be read (")
        assert told.endswith(f"it is put aside as {folder.path / 'corrupt' / 'a.npz'}, and it is made again.")
        assert (folder.path / "corrupt" / "a.npz").exists()


@pytest.mark.parametrize("damage", ["nonsense", "another chunk"])
def test_a_damaged_chunk_is_trained_again_bit_identically(
    dataset: Dataset,  # noqa: F811
    tmp_path: Path,
    at_once: list[chunks.Finished],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    damage: str,
):
    settings = replace(SETTINGS, folds_at_once=4)
    trained(dataset, tmp_path, settings)
    first, second = (tmp_path / "finished" / f"folds-{number}.npz" for number in (0, 1))
    second.write_bytes(b"PK" if damage == "nonsense" else first.read_bytes())
    np.testing.assert_array_equal(logits_of(trained(dataset, tmp_path, settings)), logits_of(at_once))
    assert f"Warning: {second}" in capsys.readouterr().err
    np.testing.assert_array_equal(logits_of(trained(dataset, tmp_path, settings)), logits_of(at_once))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"trials_at_once": 0}', '{"trials_at_once": "4"}'])
def test_a_damaged_number_of_folds_is_named(dataset: Dataset, tmp_path: Path, content: str):  # noqa: F811
    (tmp_path / "finished").mkdir()
    (tmp_path / "finished" / "folds.json").write_text(content)
    with pytest.raises(ValueError, match=r"folds.json does not say how many folds train at once; delete it"):
        trained(dataset, tmp_path)
