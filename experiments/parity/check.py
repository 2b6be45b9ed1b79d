"""One group of checks, and the two ways to run a module for it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from experiments.parity.golden import Golden
from fedpsyau_jax.models.afr import RegionFeatures, SqueezeExcitation
from fedpsyau_jax.models.dpk_gat import DPKGAT
from fedpsyau_jax.models.lrm import LocalFeatures, SpatialEncoder
from fedpsyau_jax.types import Array


class Check(NamedTuple):
    """Our number for the reference ``name`` (with or without an ending such as /f64), and the row to report in."""

    row: str
    name: str
    ours: Any
    is_gradient: bool = False
    magnitude: float = 0.0  # at least this large were the numbers that a sum added up, and so is its error's measure


Group = Callable[[Golden], Iterator[Check]]

REPORTED = (LocalFeatures, SpatialEncoder, RegionFeatures, SqueezeExcitation, DPKGAT)


def evaluate(module: nn.Module) -> Callable[..., tuple[Any, Any]]:
    """A module in eval mode: its result, and what its parts returned."""

    @jax.jit
    def run(variables: Any, *inputs: Any) -> tuple[Any, Any]:
        apply = partial(module.apply, capture_intermediates=is_reported, mutable=["intermediates"])
        result, captured = apply(variables, *inputs, train=False)
        return result, captured.get("intermediates", {})

    return run


def train(module: nn.Module) -> Callable[..., tuple[Any, Any]]:
    """A module in training mode: its result, and its new batch statistics."""

    @jax.jit
    def run(variables: Any, *inputs: Any) -> tuple[Any, Any]:
        result, updated = module.apply(variables, *inputs, train=True, mutable=["batch_stats"])
        return result, updated["batch_stats"]

    return run


def is_reported(module: nn.Module, method: str) -> bool:
    """Whether golden files hold what this module returns."""
    return method == "__call__" and isinstance(module, REPORTED)


def result(captured: Any) -> Array:
    """What a captured module returned, the one time it ran."""
    (returned,) = captured["__call__"]
    return returned


def mask_of(batch: Array | np.ndarray) -> np.ndarray:
    """Every example is real."""
    return np.ones(len(batch), batch.dtype)


def as_maps(nodes: Array) -> Array:
    """Nodes of 25 features as maps of 5 x 5."""
    return nodes.reshape(*nodes.shape[:-1], 5, 5)
