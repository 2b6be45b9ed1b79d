"""scikit-learn's digits as a federation: data, two small networks and FedAvg, as in docs/federated_core.md."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from fedpsyau_jax.federated import (
    AxisMap,
    ClientData,
    ClientUpdate,
    FederatedAlgorithm,
    Strategy,
    fedavg,
    federated,
    local_training,
    masked_mean,
    num_examples,
    sequential,
)
from fedpsyau_jax.types import Array, Batch, Params

TRAINED, CLASSES, SIDE, CHANNELS = 1500, 10, 8, 16
BATCH, EPOCHS, RATE = 32, 3, 0.1

Weights = dict[str, np.ndarray]


class Digits(NamedTuple):
    """Images [clients, examples, 64] from 0 to 1 with labels, and those that test."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


class Network(NamedTuple):
    """``apply(weights, images [batch, 64]) -> logits``; ``weights`` to start from; ``operations`` forward."""

    apply: Callable[[Params, Array], Array]
    weights: Weights
    operations: int


def digits(num_clients: int, each: int | None = None) -> Digits:
    """1,500 images in equal parts, 297 to test; with ``each``, so many for a client, again and again the same ones."""
    whole: Any = load_digits()
    order = np.random.default_rng(0).permutation(len(whole.target))
    images, labels = (whole.data[order] / 16).astype(np.float32), whole.target[order].astype(np.int32)
    each = each or TRAINED // num_clients
    dealt = np.arange(num_clients * each).reshape(num_clients, each) % TRAINED
    return Digits(images[dealt], labels[dealt], images[TRAINED:], labels[TRAINED:])


def network(name: str) -> Network:
    """``mlp``: 64-64-10; ``cnn``: 16 kernels 3 x 3, the largest of each 2 x 2, and one layer."""
    return NETWORKS[name]()


def _drawn(seed: int, inputs: int, outputs: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(inputs, outputs)) * (2 / inputs) ** 0.5
    return drawn.astype(np.float32)


def _mlp() -> Network:
    def apply(weights: Params, images: Array) -> Array:
        hidden = jax.nn.relu(images @ weights["hidden"] + weights["hidden_bias"])
        return hidden @ weights["out"] + weights["out_bias"]

    pixels = SIDE * SIDE
    weights = {"hidden": _drawn(0, pixels, 64), "hidden_bias": np.zeros(64, np.float32)}
    weights |= {"out": _drawn(1, 64, CLASSES), "out_bias": np.zeros(CLASSES, np.float32)}
    return Network(apply, weights, 2 * (pixels * 64 + 64 * CLASSES))


def _cnn() -> Network:
    inner, pooled = SIDE - 2, (SIDE - 2) // 2

    def apply(weights: Params, images: Array) -> Array:
        pixels = images.reshape(-1, SIDE, SIDE)
        windows = [pixels[:, i : i + inner, j : j + inner] for i in range(3) for j in range(3)]
        found = jax.nn.relu(jnp.stack(windows, axis=-1) @ weights["kernel"] + weights["kernel_bias"])
        largest = found.reshape(-1, pooled, 2, pooled, 2, CHANNELS).max(axis=(2, 4))
        return largest.reshape(len(images), -1) @ weights["out"] + weights["out_bias"]

    last = pooled * pooled * CHANNELS
    weights = {"kernel": _drawn(2, 9, CHANNELS), "kernel_bias": np.zeros(CHANNELS, np.float32)}
    weights |= {"out": _drawn(3, last, CLASSES), "out_bias": np.zeros(CLASSES, np.float32)}
    return Network(apply, weights, 2 * (inner * inner * 9 * CHANNELS + last * CLASSES))


NETWORKS: Mapping[str, Callable[[], Network]] = {"mlp": _mlp, "cnn": _cnn}


def loss_of(apply: Callable[[Params, Array], Array]) -> Callable[..., Any]:
    """Mean cross entropy."""

    def loss(params: Params, model_state: Any, batch: Batch, key: Array) -> Any:
        images, labels = batch.examples
        each = optax.softmax_cross_entropy_with_integer_labels(apply(params, images), labels)
        return masked_mean(each, batch.mask), (model_state, {})

    return loss


def training(own: Network) -> ClientUpdate:
    """Three epochs of plain gradient descent in batches of 32; the last one has what is left."""
    rate = optax.constant_schedule(RATE)
    return local_training(loss_of(own.apply), optax.identity(), rate, batch_size=BATCH, local_epochs=EPOCHS, tail=True)


def clients_of(data: Digits) -> ClientData:
    """For the engine."""
    each = jnp.asarray(data.images), jnp.asarray(data.labels)
    return ClientData(jnp.arange(len(data.images)), each, jnp.ones(data.labels.shape))


def federation(
    own: Network,
    clients: ClientData,
    over: AxisMap = sequential,
    strategy: Callable[[Array], Strategy] = fedavg,
) -> FederatedAlgorithm:
    """FedAvg, or another strategy of the clients' sizes."""
    return federated(strategy(num_examples(clients)), training(own), over_clients=over)


def accuracy(own: Network, weights: Params, data: Digits) -> float:
    """On the test images."""
    return float((own.apply(weights, jnp.asarray(data.test_images)).argmax(axis=1) == data.test_labels).mean())


def operations(own: Network, num_images: int) -> float:
    """Of the matrix products of a round that trains on so many images: forward, and twice that backward."""
    return 3.0 * EPOCHS * num_images * own.operations
