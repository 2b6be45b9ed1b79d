"""Pretrained AU detectors in folders: written by experiments.pretrain, read by ``--au-init``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.configs import NetworkSettings
from experiments.runfolder import RunFolder
from experiments.tasks import Detector
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.models.fedpsyau import au_detector
from fedpsyau_jax.priors import Priors, published
from fedpsyau_jax.types import Batch, ClientState, Examples

FACTS, WEIGHTS = "detector.json", "detector"
NETWORK = ("variant", "attention", "masking")
"""Settings that a detector's weights belong to."""


def save_detector(
    folder: RunFolder, detector: Detector, network: NetworkSettings, subjects: Sequence[str], databases: Sequence[str]
) -> None:
    """Write a detector with what must be known to use it: its network, and whom it has seen.

    Args:
      folder: of the run.
      detector: its weights, as the network itself has them, and the priors that it was trained with.
      network: which network.
      subjects: everybody whose pictures decided its weights, validation included.
      databases: names, for the user.
    """
    with open_checkpoints(folder.path / WEIGHTS, keep=1) as checkpoints:
        checkpoints.save(0, detector.client)
    facts = {
        "network": {name: getattr(network, name) for name in NETWORK},
        "databases": list(databases),
        "subjects": sorted(subjects),
        "priors": [leaf.tolist() for leaf in jax.tree.leaves(jax.tree.map(np.asarray, detector.priors))],
    }
    folder.write_json(FACTS, facts)


def detector_from(path: Path, network: NetworkSettings) -> ClientState:
    """Read a detector.

    Args:
      path: folder of a run of experiments.pretrain.
      network: that it is to be used in.

    Raises:
      ValueError: no detector there, one of another network, or one that cannot be read.
    """
    trained = _facts(path)["network"]
    for name in NETWORK:
        if trained[name] != (wanted := getattr(network, name)):
            raise ValueError(
                f"--au-init={path}: it was pretrained with --network.{name}={trained[name]}, but this run has "
                f"{wanted}: choose the same, or another detector"
            )
    with open_checkpoints(path / WEIGHTS, keep=1) as checkpoints:
        restored = checkpoints.restore(_like(network))
    if restored is None or restored.state is None:
        why = f" ({'; '.join(restored.passed_over)})" if restored else ""
        raise ValueError(f"--au-init={path}: its weights cannot be read{why}; pretrain again")
    return restored.state


def detector_subjects(path: Path) -> list[str]:
    """Whom a detector has seen: they must not be among those whom anything is tested on.

    Raises:
      ValueError: no detector there.
    """
    return list(_facts(path)["subjects"])


def detector_priors(path: Path) -> Priors:
    """The priors that a detector was trained with, and that it goes on seeing through while it is frozen.

    Raises:
      ValueError: no detector there.
    """
    return jax.tree.unflatten(jax.tree.structure(published()), map(np.array, _facts(path)["priors"]))


def _facts(path: Path) -> dict[str, Any]:
    if not (path / FACTS).is_file():
        raise ValueError(
            f"--au-init={path}: there is no {FACTS} in it; give the folder of a finished run of experiments.pretrain"
        )
    return RunFolder(path).read_json(FACTS)


def _like(network: NetworkSettings) -> ClientState:
    model = au_detector(network.architecture(), published(), 1.0)
    patches, aus, flow = jnp.zeros((1, 65, 5, 5, 3)), jnp.zeros((1, 12)), jnp.zeros((1, 28, 28, 3))
    examples = Examples(flow, patches, aus, aus, jnp.zeros(1, jnp.int32))
    return jax.eval_shape(model.init, jax.random.key(0), Batch(examples, jnp.ones(1)))
