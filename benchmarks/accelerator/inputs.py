"""What a federation starts from: examples on the host, who trains and tests on which of them, initial weights."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.problem import Problem, problem
from fedpsyau_jax.federated import ClientData, TrainTest
from fedpsyau_jax.packing import LARGE, Packed
from fedpsyau_jax.types import Batch, ClientState, Model, PyTree

STORED = 5000
"""Different examples; further ones repeat them."""


@cache
def stored_problem() -> Problem:
    """The examples that all cases share."""
    return problem(STORED)


def dealt(repeats: int, clients: int, examples: int, test: int, dtype: Any = np.float32) -> TrainTest:
    """Indices of everybody's examples, leaves [repeats, clients, ...]: training examples first, then test examples."""
    each = examples + test
    start = each * np.arange(clients)[:, None]
    indices: Any = np.broadcast_to(start + np.arange(each), (repeats, clients, each)) % STORED
    trained, tested = indices[..., :examples].astype(np.int32), indices[..., examples:].astype(np.int32)
    all_real: Any = np.ones(indices.shape, dtype)
    ids: Any = np.tile(np.arange(clients, dtype=np.int32), (repeats, 1))
    data = ClientData(ids, trained, all_real[..., :examples])
    return TrainTest(ids, data, Batch(tested, all_real[..., examples:]))


def initial_weights(model: Model, store: PyTree) -> ClientState:
    """Weights drawn by NumPy: the same on every device, to the last bit, and nothing to compile."""
    one = Batch(jax.tree.map(lambda leaf: leaf[:1], store), jnp.ones(1))
    shapes = jax.eval_shape(model.init, jax.random.key(0), one)
    draw = np.random.default_rng(6)
    dtype = store.flow.dtype

    def weights(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if len(leaf.shape) < 2:
            return np.full(leaf.shape, path[-1].key in ("scale", "var"), dtype)
        drawn = draw.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1]))
        return (drawn * (0.1 if path[-2].key == "classify" else 1)).astype(np.float32).astype(dtype)

    return jax.tree_util.tree_map_with_path(weights, shapes)


def packed(tree: PyTree) -> Packed:
    """What ``packing`` does, on the host."""
    leaves = jax.tree.leaves(tree)
    small: Any = np.concatenate([leaf.ravel() for leaf in leaves if leaf.size < LARGE])
    return Packed(small, tuple(leaf for leaf in leaves if leaf.size >= LARGE))


def as_floats(tree: PyTree, dtype: Any) -> PyTree:
    """The tree with its floating-point arrays of a dtype."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree)
