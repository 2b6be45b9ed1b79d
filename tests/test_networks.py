"""Trained networks in the folder of a run: read as they were written, or named as damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.run import networks
from experiments.run.folder import RunFolder
from fedpsyau_jax.types import ClientState

LINEAR = ClientState(jax.ShapeDtypeStruct((6, 7), jnp.float32), ())


def weights_of(folder: Path, number: int) -> np.ndarray:
    return networks.read(RunFolder(folder), "folds", number, LINEAR).params


def test_a_network_is_read_as_it_was_written_by_the_paths_of_its_arrays(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=shape).astype(np.float32) for shape in ((3, 2), (), (4,))]
    client = ClientState({"dsi": {"kernel": arrays[0], "scale": arrays[1]}}, {"mean": arrays[2]})
    networks.write(RunFolder(tmp_path), "folds", 2, client)
    again = networks.read(RunFolder(tmp_path), "folds", 2, jax.eval_shape(lambda: client))
    assert jax.tree.structure(again) == jax.tree.structure(client)
    jax.tree.map(np.testing.assert_array_equal, again, client)
    with np.load(tmp_path / "networks" / "folds-2.npz") as stored:
        assert set(stored) == {"params/dsi/kernel", "params/dsi/scale", "model_state/mean", "origin"}


def another_fold(path: Path) -> None:
    folder = RunFolder(path.parents[1])
    networks.write(folder, "folds", 1, ClientState(np.zeros((6, 7), np.float32), ()))
    shutil.copy(path.with_name("folds-1.npz"), path)


def test_a_network_of_another_shape_is_named(tmp_path: Path) -> None:
    networks.write(RunFolder(tmp_path), "folds", 0, ClientState(np.zeros((6, 3), np.float32), ()))
    with pytest.raises(ValueError, match=r"folds-0.npz holds another network than its run trained; restore it"):
        weights_of(tmp_path, 0)


DAMAGES = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-40]), "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "flipped": (lambda path: path.write_bytes(flipped(path.read_bytes())), "cannot be read"),
    "missing": (Path.unlink, "is missing"),
    "another": (lambda path: np.savez(path, params=np.zeros((6, 3), np.float32)), "is of another run"),
    "of another fold": (another_fold, "is of another run, or of another part of this one"),
}


def flipped(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_network_is_named_and_what_to_do(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    networks.write(RunFolder(tmp_path), "folds", 0, ClientState(np.ones((6, 7), np.float32), ()))
    damage(tmp_path / "networks" / "folds-0.npz")
    with pytest.raises(ValueError, match=rf"networks/folds-0.npz {said}.*restore it, or run again"):
        weights_of(tmp_path, 0)
