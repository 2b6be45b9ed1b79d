import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax.checkpoint import OtherState, open_checkpoints
from fedpsyau_jax.types import PyTree

# a read that fails in orbax leaves something unclosed; the collector finds it during any later test
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class State(NamedTuple):
    round: jax.Array
    weights: dict[str, jax.Array]
    memory: tuple[jax.Array, ...]


def state_after(step: int) -> State:
    """Incompressible enough that its data is in files of its own, not in an index."""
    key = jax.random.key(step)
    half = jax.random.normal(key, (5,), jnp.float16)
    weights = {"w": jax.random.normal(key, (64, 64)), "mask": jnp.array([True, False])}
    return State(jnp.int32(step), weights, (half, jnp.float32(step), jnp.uint8(7)))


def assert_same(one: PyTree, other: PyTree) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True), one, other)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the checkpoints of rounds 1 and 2."""
    with open_checkpoints(tmp_path / "run") as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state_after(step))
    return tmp_path / "run"


def test_nothing_saved_gives_none(tmp_path: Path):
    with open_checkpoints(tmp_path / "deep" / "new") as checkpoints:
        assert checkpoints.restore(state_after(0)) is None


def test_reading_says_nothing(folder: Path, caplog: pytest.LogCaptureFixture):
    with open_checkpoints(folder) as checkpoints:
        checkpoints.restore(state_after(0))
    assert not [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")]


def test_newest_state_comes_back_bit_for_bit_with_its_dtypes(folder: Path):
    with open_checkpoints(folder) as checkpoints:
        restored = checkpoints.restore(jax.eval_shape(lambda: state_after(0)))
    assert (restored.step, restored.passed_over) == (2, ())
    assert isinstance(restored.state, State)
    assert_same(restored.state, state_after(2))


def test_more_than_ten_leaves_keep_their_order(tmp_path: Path):
    leaves = [jnp.full(2, number) for number in range(12)]
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, leaves)
        assert_same(checkpoints.restore(leaves).state, leaves)


def test_only_the_newest_are_kept(folder: Path):
    with open_checkpoints(folder) as checkpoints:
        checkpoints.save(3, state_after(3))
    assert sorted(path.name for path in folder.iterdir() if path.name.isdigit()) == ["2", "3"]


def test_saving_a_step_again_replaces_it(folder: Path):
    with open_checkpoints(folder) as checkpoints:
        checkpoints.save(2, state_after(20))
    with open_checkpoints(folder) as checkpoints:
        assert_same(checkpoints.restore(state_after(0)).state, state_after(20))


def data_files(step: Path) -> list[Path]:
    return sorted(path for path in (step / "state").rglob("*") if path.is_file() and path.parent.name == "d")


def truncate(step: Path) -> None:
    for path in data_files(step):
        path.write_bytes(path.read_bytes()[:10])


def overwrite(step: Path) -> None:
    for path in data_files(step):
        path.write_bytes(bytes(path.stat().st_size))


def flip_bits(step: Path) -> None:
    for path in data_files(step):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def lose_arrays(step: Path) -> None:
    shutil.rmtree(step / "state")


def lose_checksums(step: Path) -> None:
    shutil.rmtree(step / "checks")


def change_checksums(step: Path) -> None:
    """As if an array had changed without its file becoming unreadable."""
    (path,) = (path for path in (step / "checks").iterdir() if "float32" in path.read_text())
    path.write_text(path.read_text().replace("float32", "float64"))


DAMAGES = [truncate, overwrite, flip_bits, lose_arrays, lose_checksums, change_checksums]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(folder: Path, damage: Callable[[Path], None]):
    damage(folder / "2")
    with open_checkpoints(folder) as checkpoints:
        restored = checkpoints.restore(state_after(0))
        assert restored.step == 1
        assert_same(restored.state, state_after(1))
        (sentence,) = restored.passed_over
        assert sentence.startswith("the checkpoint of round 2 is corrupt (")
        assert "\n" not in sentence
        checkpoints.save(2, state_after(2))
        assert_same(checkpoints.restore(state_after(0)).state, state_after(2))


@pytest.mark.parametrize("other", [{"w": np.zeros(7, np.float32)}, {"w": np.zeros((2, 3), np.int32)}, {}])
def test_a_state_of_another_kind_is_told_and_left_alone(tmp_path: Path, other: dict[str, np.ndarray]):
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"w": np.ones((2, 3), np.float32)})
    with open_checkpoints(tmp_path) as checkpoints, pytest.raises(OtherState, match=r"/1 was saved by another version"):
        checkpoints.restore(other)
    with open_checkpoints(tmp_path) as checkpoints:
        assert checkpoints.restore({"w": np.zeros((2, 3), np.float32)}).step == 1


def test_without_a_good_checkpoint_all_are_named_and_there_is_room_for_new_ones(folder: Path):
    truncate(folder / "1")
    truncate(folder / "2")
    with open_checkpoints(folder) as checkpoints:
        restored = checkpoints.restore(state_after(0))
        assert (restored.step, restored.state, len(restored.passed_over)) == (0, None, 2)
        checkpoints.save(1, state_after(1))
        assert checkpoints.restore(state_after(0)).step == 1
