"""What is held without a clock: operations of a round, programs of a resumed run, bytes of a checkpoint."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from benchmarks.accelerator.inputs import stored_problem
from benchmarks.accelerator.operations import dot_operations
from benchmarks.accelerator.rounds import Case, arithmetic, functions
from benchmarks.cases.network import ON_A_CPU, analytic
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.federated import ClientData, FederatedAlgorithm, federated, fedprox, keep_state, local_training
from fedpsyau_jax.models.fedpsyau import Architecture, emotion_classifier, network
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Batch, ClientState

NUM_CLIENTS, NUM_EXAMPLES, NUM_FEATURES = 3, 4, 40_000
NOISE = np.random.default_rng(1).normal(size=(NUM_CLIENTS, NUM_EXAMPLES, NUM_FEATURES)).astype(np.float32)
DATA = ClientData(jnp.arange(NUM_CLIENTS), jnp.asarray(NOISE), jnp.ones((NUM_CLIENTS, NUM_EXAMPLES)))


def squares(params: Any, model_state: Any, batch: Batch, key: jax.Array) -> Any:
    return ((batch.examples @ params) ** 2).mean(), (model_state, {})


@pytest.fixture(scope="module")
def algorithm() -> FederatedAlgorithm:
    update = local_training(squares, optax.scale_by_adam(), lambda step: 1e-3, batch_size=2, optimizer_state=keep_state)
    return federated(fedprox(jnp.ones(NUM_CLIENTS), 0.1), update)


@pytest.fixture
def start(algorithm: FederatedAlgorithm) -> Any:
    weights = np.random.default_rng(0).normal(size=NUM_FEATURES).astype(np.float32)
    return algorithm.init(ClientState(jnp.asarray(weights), ()))


@pytest.mark.slow
def test_a_resumed_run_compiles_nothing(algorithm: FederatedAlgorithm, start: Any, tmp_path: Path) -> None:
    """The program of the first round takes the state as it is read from the disk; it cannot be compiled again."""
    key = jax.random.key(0)
    step = jax.jit(algorithm.step).lower(start, DATA, key).compile()
    state, _ = step(start, DATA, key)
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state)
        restored = checkpoints.restore(jax.eval_shape(lambda: state))
    assert restored is not None
    again, uninterrupted = (step(one, DATA, key)[0].clients.params for one in (restored.state, state))
    np.testing.assert_array_equal(again, uninterrupted)


@pytest.mark.slow
def test_a_checkpoint_takes_the_bytes_of_its_arrays(algorithm: FederatedAlgorithm, start: Any, tmp_path: Path) -> None:
    """Adam's two moments and the weights, of each client; and what orbax writes about them."""
    state, _ = jax.jit(algorithm.step)(start, DATA, jax.random.key(0))
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state)
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    arrays = 3 * NUM_CLIENTS * NUM_FEATURES * 4
    assert 0.5 * arrays < written < 1.1 * arrays


def forward_operations(trained: str, batch: int) -> float:
    """Of one batch through the network, in training."""
    problem = stored_problem()
    chosen = problem.frozen if trained == "frozen" else problem.whole
    model = emotion_classifier(7) if trained == "frozen" else network(7, Architecture(), published(), 0.3)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((batch, *leaf.shape[1:]), leaf.dtype), chosen)
    given = Batch(shapes, jax.ShapeDtypeStruct((batch,), jnp.float32))
    key = jax.random.key(0)
    client = jax.eval_shape(model.init, key, given)
    traced = jax.make_jaxpr(lambda client, given: model.apply(*client, given, key, train=True))(client, given)
    return dot_operations(traced.jaxpr, 1)


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["frozen", pytest.param("end to end", marks=pytest.mark.slow)])
def test_a_round_has_the_operations_of_its_passes_and_no_more(trained: Any) -> None:
    """Forward, and twice that backward: nothing is computed twice, and no batch is padded by much."""
    case = Case(trained=trained, test=0, **ON_A_CPU)
    with arithmetic(case):
        pure = functions(case)
        state = jax.eval_shape(pure.init, *pure.inputs)
        traced = jax.make_jaxpr(pure.step)(state, *pure.inputs)
    passes = 3 * case.clients * case.steps * forward_operations(trained, case.examples // case.steps)
    found = dot_operations(traced.jaxpr, case.steps)
    assert 0.7 < found / passes < 1.3
    assert 1 <= found / analytic(case) < 2  # zeros, by which our convolutions multiply for wider products
