"""Checkpoints of a chunk: written at a limited share of the time, and read back when an interrupted run is resumed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from experiments.run import arrays as stored
from experiments.run.checkpoints import restore_newest
from experiments.run.folder import RunFolder, require_space
from experiments.run.progress import Stage
from experiments.training import chunks
from experiments.training.chunks import Chunk, History
from experiments.training.program import Program, State, num_bytes
from fedpsyau_jax.checkpoint import Checkpoints, open_checkpoints
from fedpsyau_jax.types import Int

SAVING_SHARE = 0.1
"""Writing checkpoints takes at most about this share of the time."""


@dataclass
class Progress:
    """How far the training of a chunk has got."""

    states: State
    history: History
    rounds: int

    @property
    def so_far(self) -> History:
        """The metrics of the finished rounds."""
        return {name: values[: self.rounds] for name, values in self.history.items()}


@dataclass
class ChunkCheckpoints:
    """Checkpoints of a chunk: its states and metrics, and the run and chunk that they belong to.

    Attributes:
      folder: of the run.
      chunk: which trainings.
      stage: the progress stage whose clock is used.
      seconds: minimum time between two checkpoints.
      unit: "round" or "epoch", for messages.
      manager: writes and reads the files.
      origin: digest of the run and the chunk.
    """

    folder: RunFolder
    chunk: Chunk
    stage: Stage
    seconds: float
    unit: str
    manager: Checkpoints
    origin: Int[np.ndarray, "bytes"]
    saved_rounds: int = 0
    saved_at: float = 0.0
    cost: float = 0.0

    @property
    def path(self) -> Path:
        """Their folder."""
        return place(self.folder, self.chunk)

    def restore(self, program: Program) -> Progress | None:
        """The last good checkpoint; None if there is none, and the disk has room for two.

        Raises:
          ValueError: the checkpoint belongs to another run or to other trainings.
          OSError: the disk is too full.
        """
        history = chunks.empty_history(self.chunk.group.recipe.rounds, program.counts)
        like = (program.like, history, self.origin)
        if (restored := restore_newest(self.manager, like, self.unit)) is None:
            require_space(self.folder, 2 * num_bytes(like), "two checkpoints of the training")
            return None
        rounds, (states, history, origin) = restored
        if not np.array_equal(origin, self.origin):
            raise ValueError(
                f"{self.path} is of another run, or of other trainings; delete it, and --resume trains these anew"
            )
        self.saved_rounds = rounds
        return Progress(states, jax.tree.map(np.array, history), rounds)

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return self.stage.elapsed - self.saved_at > max(self.seconds, self.cost / SAVING_SHARE)

    def save(self, at: Progress) -> None:
        """Save, unless there are no new rounds."""
        if at.rounds == self.saved_rounds:
            return
        begun = self.stage.elapsed
        self.manager.save(at.rounds, (at.states, at.history, self.origin))
        self.saved_rounds, self.saved_at = at.rounds, self.stage.elapsed
        self.cost = self.saved_at - begun


@contextmanager
def checkpoints_of(
    folder: RunFolder, chunk: Chunk, stage: Stage, seconds: float, unit: str
) -> Iterator[ChunkCheckpoints]:
    """Open the checkpoints of a chunk; see ``ChunkCheckpoints``."""
    with open_checkpoints(place(folder, chunk), keep=2) as manager:
        yield ChunkCheckpoints(folder, chunk, stage, seconds, unit, manager, stored.origin(folder, chunk.identity))


def place(folder: RunFolder, chunk: Chunk) -> Path:
    """Folder of a chunk's checkpoints."""
    return folder.checkpoints / chunk.name
