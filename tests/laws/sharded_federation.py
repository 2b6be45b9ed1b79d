"""Run by test_sharding.py, in a process with five virtual devices: raises where a law does not hold."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from toy_federation import KEY, assert_close, clients_data, initial_client, toy_update

from fedpsyau_jax.federated import (
    client_mesh,
    client_sharding,
    dense,
    fedavg,
    mix,
    num_examples,
    p_fedprox,
    sharded,
    stacked,
    state_sharding,
    sweep,
)
from fedpsyau_jax.federated.factored import factored

DATA = jax.tree.map(lambda leaf: leaf[None], clients_data())


def rounds_are_equal_and_compile_once(mesh: Mesh) -> None:
    weights = num_examples(DATA)
    strategies = stacked([jax.vmap(build)(weights) for build in (fedavg, lambda n: p_fedprox(n, 0.1))])
    single = sweep(strategies, toy_update())
    several = sweep(strategies, toy_update(), over_clients=sharded(mesh))
    single_state = single.init(jax.tree.map(lambda leaf: leaf[None], initial_client()))
    where = state_sharding(mesh, num_run_axes=2)
    several_state = jax.device_put(single_state, where)
    several_data = jax.device_put(DATA, client_sharding(mesh, num_run_axes=1))
    single_step = jax.jit(single.step)
    outputs = (where, client_sharding(mesh, num_run_axes=2))
    several_step = jax.jit(several.step, out_shardings=outputs, donate_argnums=0)
    for _ in range(3):
        single_state, single_metrics = single_step(single_state, DATA, KEY[None])
        several_state, several_metrics = several_step(several_state, several_data, KEY[None])
    assert_close((several_state, several_metrics), (single_state, single_metrics))
    leaf = several_state.clients.params["inward"]
    assert {shard.data.shape for shard in leaf.addressable_shards} == {(2, 1, 1, *leaf.shape[3:])}
    assert several_step._cache_size() == 1


def gradients_stay_with_their_client(mesh: Mesh) -> None:
    """Of a shared weight, each client's own gradient: 1 to 5, not their sum 15 everywhere."""

    def one(state: Any, slope: jax.Array, shared: jax.Array) -> Any:
        return state, jax.grad(lambda weight: weight * slope)(shared)

    slopes = jnp.arange(1.0, 6.0)
    _, gradients = jax.jit(lambda weight: sharded(mesh)(one, jnp.zeros(5), slopes, weight))(jnp.float32(2))
    np.testing.assert_array_equal(gradients, slopes)


def a_mean_of_many_clients_is_one_sum_over_devices(mesh: Mesh) -> None:
    """Each device adds up its own clients and keeps their starts: no weights of another device's clients are moved."""
    where = client_sharding(mesh)
    matrix = fedavg(jnp.arange(1.0, 101.0)).mixing
    weights = jax.random.normal(KEY, (100, 3, 4))
    placed = jax.device_put((matrix, weights), where)
    program = jax.jit(mix, out_shardings=where).lower(*placed).compile()
    exchanged = re.findall(r" (all-\w+|collective-\w+|reduce-scatter)(?:-start)?\(", program.as_text())
    assert exchanged == ["all-reduce"], exchanged
    assert_close(program(*placed), mix(dense(matrix), weights))


def a_mean_of_few_clients_is_one_sum_too(mesh: Mesh) -> None:
    """Factored, and of several arrays together."""
    where = client_sharding(mesh)
    matrix = factored(fedavg(jnp.arange(1.0, 6.0)).mixing)
    weights = jax.random.normal(KEY, (5, 7)), jax.random.normal(KEY, (5, 3, 4))
    placed = jax.device_put((matrix, weights), where)
    program = jax.jit(mix, out_shardings=where).lower(*placed).compile()
    exchanged = re.findall(r" (all-\w+|collective-\w+|reduce-scatter)(?:-start)?\(", program.as_text())
    assert exchanged == ["all-reduce"], exchanged
    assert_close(program(*placed), mix(dense(matrix), weights))


def uneven_clients_are_refused() -> None:
    with pytest.raises(ValueError, match="5 clients do not divide evenly over 2 devices"):
        sharded(client_mesh(2))(lambda state, inputs, _: (state, inputs), jnp.zeros(5), jnp.zeros(5), None)


if __name__ == "__main__":
    five_devices = client_mesh(5)
    gradients_stay_with_their_client(five_devices)
    uneven_clients_are_refused()
    a_mean_of_many_clients_is_one_sum_over_devices(five_devices)
    a_mean_of_few_clients_is_one_sum_too(five_devices)
    rounds_are_equal_and_compile_once(five_devices)
