"""Evaluation of a client on its test examples, as the last part of its round."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from fedpsyau_jax.federated.client import Broadcast, ClientUpdate, Memory
from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.types import Batch, ClientState, Int, Metrics, PRNGKeyArray, PyTree

__all__ = ["TrainTest", "evaluated", "in_chunks", "of_tested_models"]


class TrainTest(NamedTuple):
    """A client's training data and its test examples; ``id`` is that of the training data.

    >>> import jax.numpy as jnp
    >>> from fedpsyau_jax.federated import ClientData
    >>> train = ClientData(jnp.int32(3), jnp.zeros((10, 2)), jnp.ones(10))
    >>> TrainTest(train.id, train, test=Batch(jnp.zeros((4, 2)), jnp.ones(4))).test.examples.shape
    (4, 2)
    """

    id: Int[jax.Array, "*clients"]
    train: Identified
    test: Batch


def evaluated(
    client_update: ClientUpdate,
    evaluate: Callable[[ClientState, Batch], PyTree],
    model: Callable[[ClientState, Memory], ClientState] = lambda client, memory: client,
) -> ClientUpdate:
    """A ClientUpdate for `TrainTest` data that also reports ``evaluate(client, test)`` after its training.

    The test examples affect nothing else.

    Args:
        client_update: the training.
        evaluate: a function of a model and a batch of all the client's test examples.
        model: which model is evaluated, of the client and its memory.

    Returns:
        A ClientUpdate; its metrics have an additional entry ``evaluation``.

    >>> import jax.numpy as jnp
    >>> idle = ClientUpdate(lambda client: (), lambda client, memory, broadcast, data, key: (client, memory, {}))
    >>> update = evaluated(idle, lambda client, test: test.mask.sum()).update
    >>> from fedpsyau_jax.federated import ClientData
    >>> train, test = ClientData(jnp.int32(0), (), jnp.ones(10)), Batch((), jnp.ones(4))
    >>> broadcast = Broadcast((), jnp.array(0.0), jnp.int32(0))
    >>> update(ClientState((), ()), (), broadcast, TrainTest(train.id, train, test), jax.random.key(0))[2]
    {'evaluation': Array(4., dtype=float32)}
    """

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: TrainTest, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        client, memory, metrics = client_update.update(client, memory, broadcast, data.train, key)
        return client, memory, metrics | {"evaluation": evaluate(model(client, memory), data.test)}

    return client_update._replace(update=update)


def of_tested_models(
    tested: Int[jax.Array, "*models"] | None, evaluate: Callable[[ClientState, Batch], PyTree]
) -> Callable[[ClientState, Batch], PyTree]:
    """What evaluates a client: ``evaluate`` itself, or each of its models where a ``Strategy`` tests several.

    Args:
        tested: as of the strategy.
        evaluate: a function of a model and a batch.

    Returns:
        A function of a model, or of models with leaves [models, ...], and a batch.

    >>> import jax.numpy as jnp
    >>> total = lambda model, batch: model.params * batch.mask.sum()
    >>> both = of_tested_models(jnp.array([1, 0]), total)
    >>> both(ClientState(jnp.array([1.0, 2.0]), ()), Batch((), jnp.ones(4))).tolist()
    [4.0, 8.0]
    """
    if tested is None or tested.ndim == 0:
        return evaluate
    return lambda models, batch: jax.lax.map(lambda model: evaluate(model, batch), models)


def in_chunks(evaluate: Callable[[ClientState, Batch], PyTree], size: int) -> Callable[[ClientState, Batch], PyTree]:
    """Apply ``evaluate`` to ``size`` examples at a time, so that memory does not grow with the test set.

    Args:
        evaluate: treats each example independently; its outputs have a leading axis of examples.
        size: examples at a time; the number of test examples must be a multiple of it.

    >>> import jax.numpy as jnp
    >>> double = in_chunks(lambda client, batch: 2 * batch.examples, size=2)
    >>> double(ClientState((), ()), Batch(jnp.arange(4.0), jnp.ones(4))).tolist()
    [0.0, 2.0, 4.0, 6.0]
    """

    def chunked(client: ClientState, batch: Batch) -> PyTree:
        chunks = jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), batch)
        outputs = jax.lax.map(lambda chunk: evaluate(client, chunk), chunks)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), outputs)

    return chunked
