"""A federated round as a program: rows of a table x repeats x clients, as the experiments train them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.accelerator.inputs import as_floats, dealt, initial_weights, packed, stored_problem
from benchmarks.accelerator.problem import NUM_CLASSES
from benchmarks.shapes import xla_conv
from fedpsyau_jax.federated import (
    AxisMap,
    Broadcast,
    ClientUpdate,
    FederatedAlgorithm,
    FedState,
    Strategy,
    TrainTest,
    equal_batches,
    evaluated,
    fedavg,
    fedprox,
    fori_batches,
    in_chunks,
    local_only,
    local_training,
    num_examples,
    p_fedprox,
    sequential,
    stacked,
    sweep,
    vectorised,
)
from fedpsyau_jax.losses import classification_loss, joint_loss
from fedpsyau_jax.models.fedpsyau import Architecture, emotion_classifier, network
from fedpsyau_jax.packing import Packed, packing
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Array, Batch, ClientState, Metrics, Model, ModelState, Params, PRNGKeyArray, PyTree

OVER: dict[str, AxisMap] = {"sequential": sequential, "vectorised": vectorised}
Over = Literal["sequential", "vectorised"]
Precision = Literal["float64", "float32", "tf32", "bf16 products", "bf16"]
PRODUCTS = {
    "float64": "highest",
    "float32": "highest",
    "tf32": "tensorfloat32",
    "bf16 products": "BF16_BF16_F32",
    "bf16": "default",
}
"""JAX's matmul precision for each of ours; with ``bf16`` weights, examples and activations are bfloat16 too."""


@dataclass(frozen=True)
class Case:
    """A federation to train.

    Attributes:
      trained: DSI over frozen AU features, or the whole network.
      rows: Rows of a table.
      repeats: Repeats, or folds.
      clients: Clients of each; a fold has one.
      examples: Training examples of a client.
      test: Test examples of a client; 0 tests nothing.
      batch: Most examples in a batch.
      over_runs: Whether rows and repeats train one after another or all at once.
      over_clients: Likewise for clients.
      precision: Of arithmetic.
      lowering: How convolutions are computed.
      batches: Loop over the batches that hold an example, or over all of them.
    """

    trained: Literal["frozen", "end to end"] = "frozen"
    rows: int = 1
    repeats: int = 1
    clients: int = 5
    examples: int = 100
    test: int = 32
    batch: int = 32
    over_runs: Over = "vectorised"
    over_clients: Over = "vectorised"
    precision: Precision = "float32"
    lowering: Literal["package", "im2col", "xla"] = "package"
    batches: Literal["counted", "fixed"] = "counted"

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-self.examples // equal_batches(self.examples, self.batch))


class Functions(NamedTuple):
    """``init(*inputs) -> FedState`` and ``step(state, *inputs) -> (FedState, metrics)`` of a case."""

    init: Callable[..., FedState]
    step: Callable[..., tuple[FedState, Metrics]]
    inputs: tuple[PyTree, ClientState, TrainTest, Array]


@contextmanager
def arithmetic(case: Case) -> Iterator[None]:
    """What holds while the program of a case is traced, compiled and run."""
    with jax.default_matmul_precision(PRODUCTS[case.precision]), jax.enable_x64(case.precision == "float64"):
        yield


def convolving(case: Case) -> AbstractContextManager[Any]:
    """What holds while it is traced."""
    if case.lowering == "im2col":
        return mock.patch("fedpsyau_jax.models.conv.tile_for", return_value=(1, 1))
    if case.lowering == "xla":
        return mock.patch("fedpsyau_jax.models.conv.conv2d", xla_conv)
    return nullcontext()


def functions(case: Case) -> Functions:
    """The federation of a case, to be called under its ``arithmetic``."""
    model = _model(case)
    dtype = np.float64 if case.precision == "float64" else np.float32
    store = as_floats(getattr(stored_problem(), "frozen" if case.trained == "frozen" else "whole"), dtype)
    client = initial_weights(model, store)
    unpack = ClientState(packing(client.params).unpack, packing(client.model_state).unpack)

    def algorithm(store: PyTree, data: TrainTest) -> FederatedAlgorithm:
        weights = num_examples(data.train)
        strategies = stacked([jax.vmap(strategy)(weights) for strategy in _strategies(case.rows, case.clients)])
        over = {"over_runs": OVER[case.over_runs], "over_clients": OVER[case.over_clients]}
        return sweep(strategies, _update(case, model, unpack, store), **over)

    def init(store: PyTree, client: ClientState, data: TrainTest, keys: Array) -> FedState:
        del keys
        return algorithm(store, data).init(jax.tree.map(partial(_repeated, case.repeats), client))

    def step(
        state: FedState, store: PyTree, client: ClientState, data: TrainTest, keys: Array
    ) -> tuple[FedState, Metrics]:
        del client
        return algorithm(store, data).step(state, data, keys)

    start = ClientState(packed(client.params), packed(client.model_state))
    data = dealt(case.repeats, case.clients, case.examples, case.test, dtype)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(jnp.arange(case.repeats))
    return Functions(init, step, (store, start, data, keys))


def tested_labels(case: Case) -> np.ndarray:
    """[repeats, clients, test examples] the true classes."""
    tested = dealt(case.repeats, case.clients, case.examples, case.test).test
    return np.asarray(stored_problem().whole.emotion)[tested.examples]


def _model(case: Case) -> Model:
    if case.trained == "frozen":
        return emotion_classifier(NUM_CLASSES)
    return network(NUM_CLASSES, Architecture(), published(), 0.3)


def _strategies(rows: int, clients: int) -> list[Callable[[Array], Strategy]]:
    """Rows of a table: FedAvg, then the others, again and again with another mu."""
    found: list[Callable[[Array], Strategy]] = []
    for row in range(rows):
        mu = 0.01 * (1 + row // 4)
        kinds = (fedavg, local_only, partial(fedprox, mu=mu), partial(p_fedprox, mu=mu))
        found.append(kinds[row % 4] if clients > 1 else local_only)
    return found


def _update(case: Case, model: Model, unpack: ClientState, store: PyTree) -> ClientUpdate:
    """Local training, and a look at the test examples where there are any."""
    training = local_training(
        _loss(case, model, unpack, store),
        optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(0.01)),
        optax.constant_schedule(1e-3),
        batch_size=equal_batches(case.examples, case.batch),
        loop=fori_batches if case.batches == "counted" else _all_batches,
    )
    if case.test:
        return evaluated(training, in_chunks(_predict(model, unpack, store), min(case.test, 64)))

    def update(client: ClientState, memory: PyTree, broadcast: Broadcast, data: TrainTest, key: PRNGKeyArray) -> Any:
        return training.update(client, memory, broadcast, data.train, key)

    return training._replace(update=update)


def _look_up(store: PyTree, batch: Batch, dtype: Any) -> Batch:
    found = jax.tree.map(lambda leaf: leaf[batch.examples], store)
    return as_floats(Batch(found, batch.mask), dtype)


def _loss(case: Case, model: Model, unpack: ClientState, store: PyTree) -> Callable[..., Any]:
    """The loss of a batch of indices for packed weights; in bfloat16 where the case says so, sums in float32."""
    of_examples = classification_loss(model) if case.trained == "frozen" else joint_loss(model)
    inner = jnp.bfloat16 if case.precision == "bf16" else store.flow.dtype

    def loss(params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray) -> Any:
        own, running = as_floats((unpack.params(params), unpack.model_state(model_state)), inner)
        value, aside = of_examples(own, running, _look_up(store, batch, inner), key)
        value, (updated, metrics) = as_floats((value, aside), store.flow.dtype)
        updated = jax.tree.leaves(updated)
        return value, (Packed(jnp.concatenate([jnp.ravel(leaf) for leaf in updated]), ()), metrics)

    return loss


def _predict(model: Model, unpack: ClientState, store: PyTree) -> Callable[[ClientState, Batch], PyTree]:
    def predict(client: ClientState, batch: Batch) -> PyTree:
        own = unpack.params(client.params), unpack.model_state(client.model_state)
        outputs, _ = model.apply(*own, _look_up(store, batch, store.flow.dtype), None, train=False)
        return getattr(outputs, "emotion_logits", outputs)

    return predict


def _all_batches(body: Callable[..., Any], start: Any, num_real: Array, num_all: int) -> Any:
    """A loop whose length the compiler knows; right where no client is padded by a whole batch."""
    del num_real
    return jax.lax.fori_loop(0, num_all, body, start)


def _repeated(count: int, leaf: Array) -> Array:
    return jnp.broadcast_to(leaf, (count, *jnp.shape(leaf)))
