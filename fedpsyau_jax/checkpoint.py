"""Checkpoints with orbax: written atomically, verified on read; the newest valid one is restored."""

import shutil
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from fedpsyau_jax.types import PyTree


@dataclass(frozen=True)
class Restored:
    """A restored state: the number of completed rounds, the state, and a sentence for each invalid checkpoint skipped.

    If no checkpoint was valid, ``step`` is 0 and ``state`` is None.
    """

    step: int
    state: PyTree | None
    passed_over: tuple[str, ...]


class OtherState(ValueError):
    """A checkpoint is valid, but its state has another structure than expected."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run."""

    manager: ocp.CheckpointManager
    read_only: bool = False

    def save(self, step: int, state: PyTree) -> None:
        """Write the state after ``step`` rounds, replacing any of the same step; return when it is on disk.

        Because this waits, the caller may donate the state's memory to the next round.

        Raises:
          OSError: it cannot be written, for example because the disk is full.
        """
        if step in self.manager.all_steps():
            self._remove(step)
        content = ocp.args.Composite(
            state=ocp.args.StandardSave(_leaves_by_path(state)), checks=ocp.args.JsonSave(_checksums(state))
        )
        try:
            self.manager.save(step, args=content)
            self.manager.wait_until_finished()
        except Exception as error:  # orbax and tensorstore raise many types
            reason = "no space left" if "No space left" in str(error) else _first_line(error)
            raise OSError(
                f"no checkpoint can be written to {self.manager.directory} ({reason}); make room there, or make it "
                "accessible; earlier checkpoints are still valid"
            ) from None

    def restore(self, like: PyTree) -> Restored | None:
        """Restore the newest valid state.

        Args:
          like: structure, shapes, dtypes (and shardings) of the state.

        Returns:
          None if nothing was saved. Checkpoints that cannot be read, or whose arrays differ from what was saved, are
          moved to a folder ``corrupt``, so that the run can save these rounds again, unless ``read_only`` is set.

        Raises:
          OtherState: the newest valid checkpoint has arrays of other shapes or dtypes; it is not moved.
        """
        passed_over: list[str] = []
        for step in sorted(self.manager.all_steps(), reverse=True):
            try:
                return Restored(step, self._read(step, like), tuple(passed_over))
            except OtherState:
                raise
            except Exception as error:  # orbax, tensorstore and zstd raise many types for broken files
                passed_over.append(f"the checkpoint of round {step} is corrupt ({_first_line(error)})")
                if not self.read_only:
                    self._quarantine(step)
        return Restored(0, None, tuple(passed_over)) if passed_over else None

    def _read(self, step: int, like: PyTree) -> PyTree:
        place = Path(self.manager.directory) / str(step)
        if _dtypes_and_shapes(_saved_metadata(place)) != _dtypes_and_shapes(_leaves_by_path(like)):
            raise OtherState(
                f"{place} was saved by another version of this package, whose state has other arrays: continue with "
                "that version (see environment.json), or start a new run"
            )
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, _leaves_by_path(like))
        content = ocp.args.Composite(state=ocp.args.StandardRestore(abstract), checks=ocp.args.JsonRestore())
        restored = self.manager.restore(step, args=content)
        state = jax.tree.unflatten(jax.tree.structure(like), list(restored["state"].values()))
        if _checksums(state) != restored["checks"]:
            raise ValueError("its arrays differ from those that were saved")
        return state

    def _quarantine(self, step: int) -> None:
        directory = Path(self.manager.directory)
        aside = directory.parent / "corrupt" / f"{directory.name}-{step}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(directory / str(step), aside)
        self.manager.reload()

    def _remove(self, step: int) -> None:
        shutil.rmtree(Path(self.manager.directory) / str(step))
        self.manager.reload()


@contextmanager
def open_checkpoints(directory: Path, keep: int = 2, *, read_only: bool = False) -> Iterator[Checkpoints]:
    """Open the checkpoints in a folder, which is created if missing.

    Args:
      directory: their folder; made absolute, as orbax requires.
      keep: number of checkpoints to keep, the newest ones.
      read_only: change nothing, because another process may be writing there.
    """
    if not read_only:
        directory.mkdir(parents=True, exist_ok=True)
    own = jax.process_index()  # of several processes, each reads and writes by itself
    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        enable_async_checkpointing=False,
        create=False,
        multiprocessing_options=ocp.options.MultiprocessingOptions(primary_host=own, active_processes={own}),
    )
    with ocp.CheckpointManager(directory.resolve(), options=options) as manager:
        yield Checkpoints(manager, read_only)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _leaves_by_path(state: PyTree) -> dict[str, Any]:
    """Leaves by path, numbered with leading zeros to keep the order of the tree."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {f"{i:04d}{jax.tree_util.keystr(path)}": leaf for i, (path, leaf) in enumerate(leaves)}


def _saved_metadata(place: Path) -> dict[str, Any]:
    """Orbax's metadata of the arrays of a checkpoint, without reading them."""
    with closing(ocp.StandardCheckpointHandler()) as handler:
        return dict(handler.metadata(place / "state").tree)


def _dtypes_and_shapes(leaves: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of each leaf."""
    return {name: (str(leaf.dtype), tuple(leaf.shape)) for name, leaf in leaves.items()}


def _checksums(state: PyTree) -> list[list[Any]]:
    """Dtype, shape and CRC-32 of each leaf."""
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    return [
        [
            str(a.dtype),
            list(a.shape),
            zlib.crc32(np.ascontiguousarray(a).view(np.uint8).data if a.ndim else a.tobytes()),
        ]
        for a in arrays
    ]
