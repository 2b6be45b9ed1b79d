"""Evaluation as part of a client's round: what a client does with its test examples after local training."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory
from fedpsyau_jax.federated.client_data import ClientData
from fedpsyau_jax.types import Batch, ClientState, Int, Metrics, PRNGKeyArray, PyTree

__all__ = ["TrainTest", "evaluated", "in_chunks"]


class TrainTest(NamedTuple):
    """A client's training data and its test examples; ``id`` is that of the training data."""

    id: Int[jax.Array, "*clients"]
    train: ClientData
    test: Batch


def evaluated(client_update: ClientUpdate, evaluate: Callable[[ClientState, Batch], PyTree]) -> ClientUpdate:
    """A ClientUpdate for `TrainTest` data that also reports ``evaluate(client, test)`` after its training.

    The test examples reach nothing but this report.

    Args:
        client_update: the training.
        evaluate: of a client's state and a batch of all its test examples.

    Returns:
        A ClientUpdate; its metrics gain the entry ``evaluation``.
    """

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: TrainTest, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        client, memory, metrics = client_update.update(client, memory, broadcast, data.train, key)
        return client, memory, metrics | {"evaluation": evaluate(client, data.test)}

    return ClientUpdate(client_update.init, update)


def in_chunks(evaluate: Callable[[ClientState, Batch], PyTree], size: int) -> Callable[[ClientState, Batch], PyTree]:
    """``evaluate`` on ``size`` examples at a time, so that memory does not grow with the test set.

    Args:
        evaluate: independent for each example.
        size: examples at a time; the number of test examples must be a multiple.
    """

    def chunked(client: ClientState, batch: Batch) -> PyTree:
        chunks = jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), batch)
        outputs = jax.lax.map(lambda chunk: evaluate(client, chunk), chunks)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), outputs)

    return chunked
