"""Weights to and from the released PyTorch implementation of FED-PsyAU, as NumPy arrays by name."""

from collections.abc import Iterator, Mapping
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from fedpsyau_jax.interop.table import ENTRIES
from fedpsyau_jax.models.fedpsyau import FedPsyAU
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import ClientState, Examples

StateDict = Mapping[str, np.ndarray]

EMOTION_LAYER = ("mer_feature_extractor.fc.bias", "mer_feature_extractor.fc.weight")


def is_unused(name: str) -> bool:
    """Whether the released module stores this array without using it: a spare encoder layer, batch counts."""
    return name.endswith("num_batches_tracked") or name.startswith("au_model.transformer.encoder_layer.")


def template(num_classes: int) -> ClientState:
    """Shapes of the variables of the whole network."""
    examples = Examples(
        flow=jnp.zeros((1, 28, 28, 3)),
        patches=jnp.zeros((1, 65, 5, 5, 3)),
        au=jnp.zeros((1, 12)),
        au_mask=jnp.zeros((1, 12)),
        emotion=jnp.zeros(1, int),
    )
    init = partial(FedPsyAU(num_classes).init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), examples, jnp.ones(1), published(), 1.0)
    return ClientState(variables["params"], variables["batch_stats"])


def to_released(state: ClientState) -> dict[str, np.ndarray]:
    """Convert our variables, or values of the same structure such as gradients, to a released state dict.

    Args:
        state: parameters and batch statistics of the whole network, without a client axis.

    Returns:
        A state dict without the arrays that the released module does not use (load it with ``strict=False``).
    """
    flat = flatten_dict({"params": state.params, "batch_stats": state.model_state})
    released: dict[str, np.ndarray] = {}
    for path, names, layout, join in ENTRIES:
        parts = join.apart(np.asarray(flat[path]), len(names))
        released |= {name: layout.to_released(part) for name, part in zip(names, parts, strict=True)}
    return released


@cache
def released_shapes(num_classes: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a released state dict."""
    empty = jax.tree.map(lambda leaf: np.empty(leaf.shape), template(num_classes))
    return {name: array.shape for name, array in to_released(empty).items()}


def from_released(state_dict: StateDict) -> ClientState:
    """Convert a released state dict to our variables.

    Args:
        state_dict: ``{name: tensor.numpy() for name, tensor in module.state_dict().items()}``; it determines the
            number of classes. Arrays that the released module does not use are optional.

    Returns:
        Parameters and batch statistics of the whole network, in the precision of the given arrays.

    Raises:
        ValueError: names every array that is missing, unknown, of a wrong shape or not floating-point.
    """
    given = {name: np.asarray(array) for name, array in state_dict.items() if not is_unused(name)}
    rows = [len(given[name]) for name in EMOTION_LAYER if np.ndim(given.get(name, 0)) > 0]
    num_classes = rows[0] if rows else 7
    problems = list(misfits(given, released_shapes(num_classes)))
    if problems:
        raise ValueError(f"not a state dict of the released network: {'; '.join(problems)}")
    flat = {
        path: join.together([layout.to_ours(given[name]) for name in names]) for path, names, layout, join in ENTRIES
    }
    variables = unflatten_dict(flat)
    return ClientState(variables["params"], variables["batch_stats"])


def misfits(given: StateDict, expected: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """The problems of a state dict: for each kind, the names of the arrays."""
    common = [name for name in expected if name in given]
    kinds = {
        "missing": [name for name in expected if name not in given],
        "unknown": [name for name in given if name not in expected],
        "of a wrong shape": [
            f"{name} {given[name].shape}, expected {expected[name]}"
            for name in common
            if given[name].shape != expected[name]
        ],
        "not of floating point (multiply quantised weights by their scale first)": [
            f"{name} {given[name].dtype}" for name in common if not np.issubdtype(given[name].dtype, np.floating)
        ],
    }
    for kind, names in kinds.items():
        if names:
            yield f"{len(names)} {kind}: {', '.join(names)}"
