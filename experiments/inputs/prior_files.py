"""The priors of a run, stored in its folder to check that they have not changed when it is resumed or explained."""

import io
from collections.abc import Sequence

import jax
import numpy as np

from experiments.run import arrays
from experiments.run.folder import RunFolder
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.types import Float

FILE = "priors.npz"
TOLERANCE = 1e-5
"""Largest difference that rounding on another machine can cause."""


def keep_priors(folder: RunFolder, priors: Sequence[tuple[str, Priors]]) -> None:
    """Write the priors of a run; in a resumed run, check that they have not changed.

    Args:
        folder: of the run.
        priors: of every training, with its name for the message.

    Raises:
        ValueError: a prior has changed.
    """
    check_priors_unchanged(folder, priors)
    if not folder.has(FILE):
        content = io.BytesIO()
        np.savez_compressed(content, priors=_numbers([prior for _, prior in priors]))
        folder.write_bytes(FILE, content.getvalue())


def check_priors_unchanged(folder: RunFolder, priors: Sequence[tuple[str, Priors]]) -> None:
    """Check that the priors are those that ``keep_priors`` wrote, if there is such a file.

    Raises:
        ValueError: which one has changed; or the file is damaged.
    """
    if not folder.has(FILE):
        return
    before = _stored_numbers(folder)
    now = _numbers([prior for _, prior in priors])
    same = before.shape == now.shape and np.isclose(before, now, rtol=0, atol=TOLERANCE).all(axis=1)
    if not np.all(same):
        which = priors[int(np.argmin(same))][0]
        raise ValueError(
            f"{folder.path} was run with another prior than {which} has now: put back the function that makes it, or "
            "run again"
        )


def _numbers(priors: Sequence[Priors]) -> Float[np.ndarray, "priors numbers"]:
    return np.stack([np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(prior)]) for prior in priors])


def _stored_numbers(folder: RunFolder) -> Float[np.ndarray, "priors numbers"]:
    path = folder.path / FILE
    try:
        return arrays.load(path)["priors"].astype(float)
    except arrays.Damaged as error:
        reason = str(error)
    except (KeyError, ValueError):
        reason = f"{path} holds no priors"
    raise ValueError(
        f"{reason}; restore it; or, if the function that makes them and the code are still those of the run, delete it"
    )
