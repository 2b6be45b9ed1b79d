"""FedAvg with DrJAX: one program for a round, clients mapped by ``drjax.map_fn`` and averaged by ``drjax.reduce_mean``.

Each client's epochs and batches are a scan, as DrJAX's authors write them; a last batch that is not full
is padded and masked.
"""

from functools import partial
from time import perf_counter

import drjax
import jax
import jax.numpy as jnp
import numpy as np
from protocol import serve_training


def apply(kind, weights, images):
    """Logits."""
    if kind == "mlp":
        return jax.nn.relu(images @ weights["hidden"] + weights["hidden_bias"]) @ weights["out"] + weights["out_bias"]
    pixels = images.reshape(-1, 8, 8)
    windows = [pixels[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3)]
    found = jax.nn.relu(jnp.stack(windows, axis=-1) @ weights["kernel"] + weights["kernel_bias"])
    largest = found.reshape(-1, 3, 2, 3, 2, 16).max(axis=(2, 4))
    return largest.reshape(len(images), -1) @ weights["out"] + weights["out_bias"]


def train(problem, weights, images, labels, key):
    """A round of one client."""
    count = len(labels)
    steps = -(-count // problem.batch)

    def loss(weights, batch):
        logits = apply(problem.network, weights, images[batch])
        each = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[batch][:, None], axis=1)[:, 0]
        return jnp.where(batch >= 0, each, 0).sum() / (batch >= 0).sum()

    def step(weights, batch):
        slopes = jax.grad(loss)(weights, batch)
        return jax.tree.map(lambda weight, slope: weight - problem.rate * slope, weights, slopes), None

    def epoch(weights, key):
        order = jnp.pad(jax.random.permutation(key, count), (0, steps * problem.batch - count), constant_values=-1)
        return jax.lax.scan(step, weights, order.reshape(steps, problem.batch))[0], None

    return jax.lax.scan(epoch, weights, jax.random.split(key, problem.epochs))[0]


def round_of(problem):
    """The program of a round."""

    @drjax.program(clients=len(problem.images))
    def one_round(weights, images, labels, keys):
        received = drjax.broadcast(weights)
        return drjax.reduce_mean(drjax.map_fn(partial(train, problem), (received, images, labels, keys)))

    return jax.jit(one_round)


PROGRAMS = {}


def trained(problem):
    """All rounds; the program is compiled once."""
    if "round" not in PROGRAMS:
        PROGRAMS["round"] = round_of(problem)
    weights, seconds = jax.tree.map(jnp.asarray, problem.weights), []
    images, labels = jnp.asarray(problem.images), jnp.asarray(problem.labels)
    for round_ in range(problem.rounds):
        start = perf_counter()
        keys = jax.random.split(jax.random.key(round_), len(images))
        weights = jax.block_until_ready(PROGRAMS["round"](weights, images, labels, keys))
        seconds.append(perf_counter() - start)
    found = apply(problem.network, weights, jnp.asarray(problem.test_images)).argmax(axis=1)
    return seconds, np.mean(np.asarray(found) == problem.test_labels)


if __name__ == "__main__":
    serve_training(trained, ["drjax", "jax"])
