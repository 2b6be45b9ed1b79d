"""Reading a golden file: numbers of the released network, numpy arrays by name in PyTorch's layouts.

``w/NAME``, or ``w_int8/NAME`` times ``w_scale/NAME``, are its state dict; ``NAME/f32`` and ``NAME/f64`` were computed
in float32 and float64; ``.../in``, the images and the labels were given.
"""

import re
import zipfile
import zlib
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fedpsyau_jax.interop import from_released, released_shapes
from fedpsyau_jax.priors import Prior, Priors, published
from fedpsyau_jax.types import ClientState

Arrays = dict[str, np.ndarray]

INPUT = re.compile(r"(w|w_int8|w_scale|grad_idx)/.*|.*/in|whole/(flow|patches|au_labels|emo_labels)|inc/au_features")
KNOWN = re.compile(r"(const|gat|l2a|fe|tr|whole|inc|grad)/.*")
CLASSES = ("mer_feature_extractor.fc.bias", "mer_feature_extractor.fc.weight")


class Golden(NamedTuple):
    """A golden file in one precision."""

    arrays: Arrays
    weights: frozenset[str]  # released names that the file holds
    state: ClientState  # the others are zeros
    num_classes: int
    priors: Priors
    dtype: np.dtype

    def holds(self, *names: str) -> bool:
        """Whether all these arrays are in the file."""
        return all(name in self.arrays for name in names)

    def has_weights(self, prefix: str = "") -> bool:
        """Whether the file holds all weights whose released name starts so."""
        shapes = released_shapes(self.num_classes)
        return all(name in self.weights for name in shapes if name.startswith(prefix))

    def given(self, name: str) -> np.ndarray:
        """An input, in this precision."""
        return self.arrays[name].astype(self.dtype)

    def ratios(self, prefix: str) -> list[str]:
        """The prior ratios that the file has numbers for under ``prefix``, as its names write them."""
        found = re.compile(re.escape(prefix) + r"/ratio([0-9.]+)/")
        return sorted({match[1] for name in self.arrays if (match := found.match(name))})

    def variables(self, *path: str) -> dict:
        """The variables for flax of the network, or of its module at this path."""
        collections = {"params": self.state.params, "batch_stats": self.state.model_state}
        return {name: reduce(getitem, path, tree) for name, tree in collections.items()}


def is_input(name: str) -> bool:
    """Whether an array is something to compute with, not something to agree with."""
    return INPUT.fullmatch(name) is not None


def read(path: Path) -> Arrays:
    """The arrays of a golden file.

    Raises:
        OSError: if there is no such file, or it cannot be read.
        ValueError: if it is no archive of numpy arrays, or holds none of the documented groups.
    """
    try:
        with path.open("rb") as file, np.load(file) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise OSError(f"{path} cannot be read ({error.strerror or error}): give a golden .npz file") from error
    except (ValueError, EOFError, TypeError, AttributeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not an .npz archive of numpy arrays: give a golden file") from error
    if not any(KNOWN.fullmatch(name) and not is_input(name) for name in arrays):
        raise ValueError(f"{path} holds nothing to agree with (const/, gat/, whole/, ...): give a golden file")
    textual = [name for name, array in arrays.items() if array.dtype.kind not in "fiub"]
    if textual:
        raise ValueError(f"{path} holds arrays that are not numbers: {', '.join(textual)}")
    return arrays


def state_dict(arrays: Arrays) -> Arrays:
    """The released state dict of a file, quantised weights restored in float32.

    Raises:
        ValueError: if quantised weights have no scale.
    """
    quantised = [name.removeprefix("w_int8/") for name in arrays if name.startswith("w_int8/")]
    without = [name for name in quantised if f"w_scale/{name}" not in arrays]
    if without:
        raise ValueError(f"no w_scale/ for the quantised weights {', '.join(without)}")
    plain = {name.removeprefix("w/"): array for name, array in arrays.items() if name.startswith("w/")}
    return plain | {name: arrays[f"w_int8/{name}"].astype(np.float32) * arrays[f"w_scale/{name}"] for name in quantised}


def prior(arrays: Arrays, region: str, ours: Prior) -> Prior:
    """The prior of a graph as the released network held it: of the file, or ours rounded to 4 digits."""
    statistics = arrays.get(f"const/{region}_prior", ours.statistics.round(4).astype(np.float32))
    return Prior(arrays.get(f"const/{region}_adj", ours.topology) > 0, statistics)


def golden(arrays: Arrays, dtype: str) -> Golden:
    """A file's weights and priors, ready for one precision.

    Raises:
        ValueError: if its weights are not (part of) a state dict of the released network.
    """
    weights = state_dict(arrays)
    num_classes = next((len(weights[name]) for name in CLASSES if name in weights), 7)
    absent = {name: np.zeros(shape) for name, shape in released_shapes(num_classes).items() if name not in weights}
    ours = published()
    return Golden(
        arrays=arrays,
        weights=frozenset(weights),
        state=jax.tree.map(lambda array: array.astype(dtype), from_released(absent | weights)),
        num_classes=num_classes,
        priors=Priors(
            *(prior(arrays, name, each) for name, each in zip(("upper", "lower", "global"), ours, strict=True))
        ),
        dtype=np.dtype(dtype),
    )
