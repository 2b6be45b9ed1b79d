"""The newest good checkpoint of an interrupted training."""

from typing import TYPE_CHECKING

from experiments.run.mistakes import warn

if TYPE_CHECKING:
    from fedpsyau_jax.checkpoint import Checkpoints
    from fedpsyau_jax.types import PyTree


def restore_newest(checkpoints: "Checkpoints", like: "PyTree", unit: str = "epoch") -> "tuple[int, PyTree] | None":
    """The state to go on from, and after how many rounds or epochs it is; None where training starts anew.

    A warning names each checkpoint that is broken.

    Args:
      checkpoints: of the interrupted training.
      like: structure, shapes and dtypes of the state.
      unit: "epoch" or "round".
    """
    if (restored := checkpoints.restore(like)) is None:
        return None
    for broken in restored.passed_over:
        warn(f"{broken.replace('round', unit)}; going on from {unit} {restored.step}")
    return None if restored.state is None else (restored.step, restored.state)
