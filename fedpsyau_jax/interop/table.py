"""The correspondence of released arrays and ours, built module by module.

Convolutions are (out, in, height, width) there and (height, width, in, out) here; matrices are (out, in)
there and (in, out) here; images flatten channel-major there and channels-last here; attention heads, and the
convolutions of one image, are separate there and joined here. ``ENTRIES`` defines both directions.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

Path = tuple[str, ...]


class Layout(NamedTuple):
    """A change of layout and its inverse."""

    to_ours: Callable[[np.ndarray], np.ndarray]
    to_released: Callable[[np.ndarray], np.ndarray]


class Join(NamedTuple):
    """How to join several released arrays in one of ours, and split it again; ``apart`` also takes their number."""

    together: Callable[[Sequence[np.ndarray]], np.ndarray]
    apart: Callable[[np.ndarray, int], Sequence[np.ndarray]]


class Entry(NamedTuple):
    """One of our arrays (its path starts with its collection) and the released arrays that correspond to it."""

    path: Path
    released: tuple[str, ...]
    layout: Layout
    join: Join


REGIONS = {
    "brow": "landmark_to_au1_2_4",
    "eye": "landmark_to_au5_6_7",
    "nose": "landmark_to_au9_10",
    "mouth": "landmark_to_au12_14_15_17",
}

AS_IS = Layout(lambda x: x, lambda x: x)
MATRIX = Layout(lambda w: w.T, lambda w: w.T)
KERNEL = Layout(lambda w: w.transpose(2, 3, 1, 0), lambda w: w.transpose(3, 2, 0, 1))
COLUMN = Layout(lambda a: a[:, 0], lambda a: a[:, None])

STACKED = Join(np.stack, lambda joined, num: list(joined))
SIDE_BY_SIDE = Join(partial(np.concatenate, axis=-1), partial(np.split, axis=-1))


def matrix_of_image(channels: int, height: int, width: int, others: int = 0) -> Layout:
    """A matrix whose inputs are a flattened image, then ``others``."""
    channel_major = np.arange(channels * height * width).reshape(channels, height, width)
    order = np.append(channel_major.transpose(1, 2, 0), channels * height * width + np.arange(others))
    inverse = np.argsort(order)
    return Layout(lambda w: w[:, order].T, lambda w: w.T[:, inverse])


def parameter(path: Path, released: tuple[str, ...], layout: Layout = AS_IS, join: Join = SIDE_BY_SIDE) -> Entry:
    """A parameter that corresponds to the released parameters of these names."""
    return Entry(("params", *path), released, layout, join)


def dense(path: Path, released: str, layout: Layout = MATRIX, bias: bool = True) -> Iterator[Entry]:
    """A linear layer."""
    yield parameter((*path, "kernel"), (f"{released}.weight",), layout)
    if bias:
        yield parameter((*path, "bias"), (f"{released}.bias",))


def convolution(path: Path, *released: str) -> Iterator[Entry]:
    """One convolution, or several of one image."""
    yield parameter((*path, "kernel"), tuple(f"{name}.weight" for name in released), KERNEL)
    yield parameter((*path, "bias"), tuple(f"{name}.bias" for name in released))


def norm(path: Path, *released: str) -> Iterator[Entry]:
    """Batch normalisation with its running statistics, of one image or several."""
    for collection, ours, theirs in (
        ("params", "scale", "weight"),
        ("params", "bias", "bias"),
        ("batch_stats", "mean", "running_mean"),
        ("batch_stats", "var", "running_var"),
    ):
        yield Entry((collection, *path, ours), tuple(f"{name}.{theirs}" for name in released), AS_IS, SIDE_BY_SIDE)


def feature_extractor(path: Path, released: str) -> Iterator[Entry]:
    """LFE: three convolutions."""
    for number in (1, 2, 3):
        yield from convolution((*path, f"conv_{number}", "conv"), f"{released}.conv{number}")
        yield from norm((*path, f"conv_{number}", "norm"), f"{released}.bn{number}")


def structure_encoder(path: Path, released: str) -> Iterator[Entry]:
    """SSE: a transformer encoder layer and a feed-forward network."""
    layer = f"{released}.transformer_encoder.layers.0"
    yield parameter((*path, "attention", "project", "kernel"), (f"{layer}.self_attn.in_proj_weight",), MATRIX)
    yield parameter((*path, "attention", "project", "bias"), (f"{layer}.self_attn.in_proj_bias",))
    yield from dense((*path, "attention", "merge"), f"{layer}.self_attn.out_proj")
    yield from dense((*path, "layer_expand"), f"{layer}.linear1")
    yield from dense((*path, "layer_contract"), f"{layer}.linear2")
    yield from dense((*path, "expand"), f"{released}.feed_forward.0")
    yield from dense((*path, "contract"), f"{released}.feed_forward.2")
    for number in (1, 2):
        yield parameter((*path, f"norm_{number}", "scale"), (f"{layer}.norm{number}.weight",))
        yield parameter((*path, f"norm_{number}", "bias"), (f"{layer}.norm{number}.bias",))


def au_extractor(path: Path, released: str) -> Iterator[Entry]:
    """AFE of one facial region."""
    yield from dense((*path, "excitation", "squeeze"), f"{released}.se.fc.0", bias=False)
    yield from dense((*path, "excitation", "excite"), f"{released}.se.fc.2", bias=False)
    for number in (1, 2):
        yield from convolution((*path, f"conv_{number}", "conv"), f"{released}.conv{number}")
        yield from norm((*path, f"conv_{number}", "norm"), f"{released}.bn{number}")


def graph_attention(path: Path, released: str) -> Iterator[Entry]:
    """One DPK-GAT with three heads."""
    heads = [f"{released}.attention_{number}" for number in range(3)]
    yield parameter((*path, "W"), tuple(f"{head}.W" for head in heads), AS_IS, STACKED)
    yield parameter((*path, "a"), tuple(f"{head}.a" for head in heads), COLUMN, STACKED)
    yield parameter((*path, "out_W"), (f"{released}.out_att.W",))
    yield parameter((*path, "out_a"), (f"{released}.out_att.a",), COLUMN)


def au_prediction(path: Path, released: str) -> Iterator[Entry]:
    """An AP head."""
    yield from dense((*path, "hidden"), f"{released}.0")
    yield from dense((*path, "logits"), f"{released}.3")


def inception(path: Path, released: str) -> Iterator[Entry]:
    """An inception block; the 1 x 1 convolutions of its input are joined, and the norms of the other branches."""
    pointwise = [f"{released}_{branch}" for branch in (1, 2, 3)]
    yield from convolution((*path, "reduce", "conv"), *(f"{branch}.0" for branch in pointwise))
    yield from norm((*path, "reduce", "norm"), *(f"{branch}.1" for branch in pointwise))
    for name, theirs in {"three": "_2.3", "five": "_3.3", "pool": "_4.1"}.items():
        yield from convolution((*path, name), f"{released}{theirs}")
    yield from norm((*path, "norm"), *(f"{released}{theirs}" for theirs in ("_2.4", "_3.4", "_4.2")))


def network() -> Iterator[Entry]:
    """The whole network."""
    yield from feature_extractor(("au", "local"), "au_model.FeatureExtractor")
    yield from structure_encoder(("au", "spatial"), "au_model.transformer")
    for ours, theirs in REGIONS.items():
        yield from au_extractor(("au", "features", ours), f"au_model.{theirs}")
    for ours in ("upper", "lower", "global"):
        yield from graph_attention(("au", ours), f"au_model.{ours}_gat")
    for ours, theirs in {"main": "predict_fc", "auxiliary": "auxiliary_predict_fc"}.items():
        yield from au_prediction(("au", ours), f"au_model.{theirs}")
    for number, ours in enumerate(("au_1", "au_2", "flow_1", "flow_2"), start=1):
        yield from inception(("dsi", ours), f"mer_feature_extractor.conv{number}")
    yield from dense(("dsi", "face"), "mer_feature_extractor.face_fc.0", matrix_of_image(64, 7, 7))
    yield from dense(("dsi", "classify"), "mer_feature_extractor.fc", matrix_of_image(192, 2, 2, others=1024))


ENTRIES = tuple(network())
