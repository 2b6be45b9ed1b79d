"""Folders of pretrained detectors, for tests."""

import json
from pathlib import Path

import jax
import numpy as np

from experiments.inputs.network_settings import NetworkSettings
from fedpsyau_jax.priors import published

NETWORK = NetworkSettings(variant="no-transformer-no-gat")
PRIORS = jax.tree.map(lambda leaf: leaf / 2, published())
SEEN = ("synthetic/pretraining00", "synthetic/pretraining01")


def changed(folder: Path, **facts: object) -> None:
    path = folder / "detector.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def same(one: object, other: object) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
