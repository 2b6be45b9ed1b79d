"""What an algorithm may know of a client's problem beyond how to train on it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fedpsyau_jax.federated.client import LossFn
from fedpsyau_jax.federated.client_data import ClientData
from fedpsyau_jax.federated.groups import Labels
from fedpsyau_jax.federated.loops import BatchLoop, fori_batches
from fedpsyau_jax.federated.minibatch import Batch, num_batches, shuffled, split_order, take_batch
from fedpsyau_jax.types import Array, Float, Int, ModelState, Params, PRNGKeyArray, PyTree

__all__ = ["Problem", "Representation", "over_batches"]


class Representation(NamedTuple):
    """What a network makes of examples before its last layer, and their classes.

    ``features(params, model_state, batch, key)``: [batch, size]; ``label(batch)``: [batch] classes from 0.

    >>> identity = Representation(lambda params, state, batch, key: batch.examples, lambda batch: None, 2, 3)
    >>> identity.size, identity.num_classes
    (2, 3)
    """

    features: Callable[[Params, ModelState, Batch, PRNGKeyArray], Float[Array, "batch feat"]]
    label: Callable[[Batch], Int[Array, "batch"]]
    size: int
    num_classes: int


class Problem(NamedTuple):
    """What an algorithm may know of a client's problem; each field is needed by some of them only.

    ``labels``: the groups of the weights; ``lambda params: label_by_path(params, {})`` says that all are one;
    ``loss``: as given to ``local_training``; ``representation``: of MOON and FedProto; ``batch_size``: for passes over
    a client's data, all examples by default; ``loop``: as given to ``local_training``.

    >>> Problem().needed("loss", "FedALA")
    Traceback (most recent call last):
    ValueError: FedALA needs the loss of a client's problem: federated(..., problem=Problem(loss=...))
    """

    labels: Labels | None = None
    loss: LossFn | None = None
    representation: Representation | None = None
    batch_size: int | None = None
    loop: BatchLoop = fori_batches

    def needed(self, field: str, by: str) -> Any:
        """The value of a field.

        Raises:
            ValueError: there is none; in one sentence.
        """
        if (value := getattr(self, field)) is None:
            raise ValueError(
                f"{by} needs the {field} of a client's problem: federated(..., problem=Problem({field}=...))"
            )
        return value

    def groups_of(self, params: Params) -> PyTree:
        """The group of each leaf, by the labels, which must be given."""
        return self.needed("labels", "an algorithm with groups of weights")(params)


def over_batches(
    body: Callable[[PyTree, Batch, PRNGKeyArray], PyTree],
    start: PyTree,
    data: ClientData,
    key: PRNGKeyArray,
    problem: Problem,
    share: float | Array = 1.0,
) -> PyTree:
    """One pass ``start <- body(start, batch, key)`` over a client's batches, in random order.

    Args:
        body: takes a batch.
        start: of any structure.
        data: of the client; without a real example nothing happens.
        key: of the order and of each batch.
        problem: its batch size and loop.
        share: of the batches, at least one.

    >>> data = ClientData(jnp.int32(0), jnp.arange(5.0), jnp.ones(5))
    >>> add = lambda total, batch, key: total + batch.examples.sum()
    >>> float(over_batches(add, jnp.array(0.0), data, jax.random.key(0), Problem(batch_size=2)))
    10.0
    """
    size = problem.batch_size or data.mask.shape[-1]
    order_key, step_key = jax.random.split(key)
    batches, _ = split_order(shuffled(order_key, data.mask), size, tail=False)
    num_real = jnp.ceil(num_batches(data.mask, size) * share).astype(jnp.int32)

    def step(index: Int[Array, ""], state: PyTree) -> PyTree:
        batch = take_batch(data.examples, data.mask, batches[index])
        return body(state, batch, jax.random.fold_in(step_key, index))

    return problem.loop(step, start, num_real, batches.shape[0])
