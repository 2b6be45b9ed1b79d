"""Laws of a table as one program: each cell is the run alone, and everything compiles once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_federation import (
    assert_close,
    assert_identical,
    clients_data,
    initial_client,
    toy_loss,
    toy_update,
    train,
)

from fedpsyau_jax.federated import (
    AxisMap,
    anchored_at_start,
    fedavg,
    fedprox,
    local_only,
    local_training,
    num_examples,
    p_fedprox,
    run,
    sequential,
    stacked,
    sweep,
    vectorised,
)

pytestmark = pytest.mark.slow

NUM_REPEATS = 2
DATA = jax.tree.map(lambda *leaves: jnp.stack(leaves), clients_data(0), clients_data(1))
DATA = DATA._replace(mask=DATA.mask.at[1, 1, 6:].set(0))  # sizes differ between repeats
WEIGHTS = num_examples(DATA)
KEYS = jax.vmap(jax.random.key)(jnp.arange(NUM_REPEATS))
ALGORITHMS = {
    "local": local_only,
    "fedavg": fedavg,
    "fedprox(0)": lambda n: fedprox(n, 0.0),
    "p_fedprox": lambda n: p_fedprox(n, 0.3),
    "released": lambda n: anchored_at_start(p_fedprox(n, 0.3)),
}
STRATEGIES = {name: jax.vmap(build)(WEIGHTS) for name, build in ALGORITHMS.items()}


def initial_clients() -> Any:
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * NUM_REPEATS), initial_client())


def table(over_runs: AxisMap, over_clients: AxisMap) -> Any:
    algorithm = sweep(stacked(list(STRATEGIES.values())), toy_update(), over_runs=over_runs, over_clients=over_clients)
    state = algorithm.init(initial_clients())
    return jax.jit(lambda state: run(algorithm, state, DATA, KEYS, num_rounds=2))(state)


@pytest.fixture(scope="module")
def reference() -> Any:
    return table(sequential, sequential)


def cell(tree: Any, name: str, repeat: int, leading: int = 0) -> Any:
    index = (slice(None),) * leading + (list(STRATEGIES).index(name), repeat)
    return jax.tree.map(lambda leaf: leaf[index], tree)


@pytest.mark.parametrize("name", ["local", "p_fedprox"])
def test_a_cell_is_the_run_alone(reference, name):
    state, metrics = reference
    data = jax.tree.map(lambda leaf: leaf[1], DATA)
    alone, alone_metrics = train(ALGORITHMS[name](WEIGHTS[1]), data, key=KEYS[1])
    assert_close(cell(state.clients, name, 1), alone.clients)
    assert_close(cell(metrics, name, 1, leading=1), alone_metrics)


def test_algorithms_share_their_draws(reference):
    """So that two equal algorithms have two equal rows."""
    state, _ = reference
    assert_identical(cell(state.clients, "fedavg", 1), cell(state.clients, "fedprox(0)", 1))


def test_repeats_do_not(reference):
    weights = reference[0].clients.params["inward"]
    assert np.abs(weights[:, 0] - weights[:, 1]).max(axis=(1, 2, 3)).min() > 1e-3


def test_an_anchor_at_the_start_matters_from_the_second_round(reference):
    released, ours = (cell(reference[0].clients.params, name, 0) for name in ("released", "p_fedprox"))
    assert np.abs(released["inward"] - ours["inward"]).max() > 1e-4


@pytest.mark.slow
def test_vectorised_is_sequential(reference):
    assert_close(table(vectorised, vectorised), reference)


def test_stacking_fills_in_the_anchor():
    strategies = stacked(list(STRATEGIES.values()))
    np.testing.assert_array_equal(strategies.anchored_at_start, [[False] * 2] * 4 + [[True] * 2])
    assert stacked([STRATEGIES["local"], STRATEGIES["fedavg"]]).anchored_at_start is None


def count_traces(num_algorithms: int, num_repeats: int) -> int:
    """How often the loss is traced over three rounds with a donated state and changing data and keys."""
    traces = []

    def counted(*args: Any) -> Any:
        traces.append(args)
        return toy_loss(*args)

    update = local_training(counted, optax.scale_by_adam(), lambda step: 1e-2, batch_size=4)
    strategies = jax.tree.map(lambda leaf: leaf[:num_algorithms, :num_repeats], stacked(list(STRATEGIES.values())))
    clients, data, keys = jax.tree.map(lambda leaf: leaf[:num_repeats], (initial_clients(), DATA, KEYS))
    algorithm = sweep(strategies, update)
    state = algorithm.init(clients)
    step = jax.jit(algorithm.step, donate_argnums=0)
    for round_ in range(3):
        previous = state
        shifted = data._replace(examples=jax.tree.map(lambda leaf, by=round_: leaf + by, data.examples))
        state, _ = step(state, shifted, jax.vmap(jax.random.fold_in, (0, None))(keys, round_))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(previous.clients))
    assert step._cache_size() == 1
    return len(traces)


def test_rounds_repeats_and_algorithms_compile_once():
    assert count_traces(num_algorithms=5, num_repeats=2) == count_traces(num_algorithms=1, num_repeats=1)
