"""W = diag(d) + l r^T is the matrix written out, in every use, and costs as many operations as there are clients."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedpsyau_jax.federated import (
    GROUPS,
    ClientData,
    FederatedAlgorithm,
    Problem,
    Strategy,
    algorithms,
    compact,
    fedavg,
    federated,
    keep_group,
    local_only,
    local_training,
    mix,
    p_fedprox,
    run,
    scan_batches,
    stacked,
    with_participation,
)
from fedpsyau_jax.federated.factored import DiagonalPlusOuter, dense
from fedpsyau_jax.federated.participation import heard_from
from fedpsyau_jax.types import Batch, ClientState

pytestmark = pytest.mark.usefixtures("double_precision")
MANY = compact.FEW + 3
Build = Callable[[jax.Array], Any]
MATRICES: dict[str, Build] = {
    "isolation": compact.isolation,
    "averaging": compact.averaging,
    "personalised": partial(compact.personalised, self_weight=0.9),
    "others only": partial(compact.personalised, self_weight=0.0),
}
sizes = st.lists(st.integers(0, 500), min_size=MANY, max_size=MANY).filter(any)
present = st.lists(st.booleans(), min_size=MANY, max_size=MANY)
close = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)


def written_out(build: Build, weights: jax.Array) -> Any:
    """What ``build`` gives where matrices are not factored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "FEW", len(weights))
        return build(weights)


def values(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("name", MATRICES)
@given(weights=sizes)
@example(weights=[0] * (MANY - 1) + [3])
@settings(max_examples=10, deadline=None)
def test_mixing_is_the_product_with_the_matrix(name: str, weights: list[int]) -> None:
    """Clients without examples, such as padding, included."""
    n = jnp.asarray(weights, float)
    factored, matrix = MATRICES[name](n), written_out(MATRICES[name], n)
    assert isinstance(factored, DiagonalPlusOuter)
    assert (factored.shape, factored.ndim, factored.dtype) == (matrix.shape, matrix.ndim, matrix.dtype)
    close(dense(factored), matrix)
    leaf = values(MANY, 2, 3)
    close(mix(factored, leaf), mix(matrix, leaf))


@pytest.mark.parametrize("name", MATRICES)
@given(weights=sizes, took_part=present)
@settings(max_examples=10, deadline=None)
def test_who_is_heard_of_is_the_same(name: str, weights: list[int], took_part: list[bool]) -> None:
    n, there = jnp.asarray(weights, float), jnp.asarray(took_part, float)
    factored, matrix = (heard_from(one, there) for one in (MATRICES[name](n), written_out(MATRICES[name], n)))
    close(dense(factored), matrix, rtol=1e-9)


def test_nobody_is_heard_of() -> None:
    for name, build in MATRICES.items():
        alone = heard_from(build(jnp.arange(1.0, MANY + 1)), jnp.zeros(MANY))
        close(dense(alone), np.eye(MANY), err_msg=name)


def test_the_order_of_clients_is_the_order_of_results() -> None:
    order = np.random.default_rng(1).permutation(MANY)
    n, leaf = jnp.arange(1.0, MANY + 1), values(MANY, 4)
    for build in MATRICES.values():
        close(mix(build(n[order]), leaf[order]), mix(build(n), leaf)[order])


def test_a_group_can_be_kept() -> None:
    n = jnp.arange(1.0, MANY + 1)
    kept, matrix = (keep_group(strategy, "head").mixing for strategy in (fedavg(n), written_out(fedavg, n)))
    assert isinstance(kept, DiagonalPlusOuter)
    assert kept.shape == (len(GROUPS), MANY, MANY)
    close(dense(kept), matrix)


def test_strategies_are_stacked_in_one_form() -> None:
    n = jnp.arange(1.0, MANY + 1)
    together = stacked([local_only(n), fedavg(n), keep_group(p_fedprox(n, 0.1), "norm")]).mixing
    assert isinstance(together, DiagonalPlusOuter)
    assert together.shape == (3, len(GROUPS), MANY, MANY)
    ring = Strategy((jnp.eye(MANY) + jnp.roll(jnp.eye(MANY), 1, axis=1)) / 2, jnp.zeros(MANY))
    mixed = stacked([fedavg(n), ring]).mixing
    assert not isinstance(mixed, DiagonalPlusOuter)
    close(mixed[0], dense(fedavg(n).mixing))
    close(mixed[1], ring.mixing)


def squares(params: Any, model_state: Any, batch: Batch, key: jax.Array) -> Any:
    x, y = batch.examples
    return ((x @ params - y) ** 2 * batch.mask).sum(), (model_state, {})


def federation(strategy: Strategy, num_clients: int) -> tuple[FederatedAlgorithm, Any, ClientData]:
    """An algorithm on least squares, its first state, and data; the last client has none."""
    update = local_training(squares, optax.identity(), optax.constant_schedule(0.05), batch_size=2, loop=scan_batches)
    algorithm = federated(strategy, update, problem=Problem(loss=squares, batch_size=2, loop=scan_batches))
    mask = jnp.ones((num_clients, 2)).at[-1].set(0)
    data = ClientData(jnp.arange(num_clients), (values(num_clients, 2, 3), values(num_clients, 2)), mask)
    return algorithm, algorithm.init(ClientState(jnp.ones(3), ())), data


def trained(strategy: Strategy) -> jax.Array:
    algorithm, state, data = federation(strategy, MANY)
    done: jax.Array = jax.jit(lambda: run(algorithm, state, data, jax.random.key(0), 3)[0].clients.params)()
    return done


def sampled(weights: jax.Array) -> Strategy:
    return with_participation(p_fedprox(weights, 0.1, 0.7), weights, 0.3)


STRATEGIES: dict[str, Callable[[jax.Array], Strategy]] = {
    "fedavg": fedavg,
    "p_fedprox": lambda weights: p_fedprox(weights, 0.1, 0.7),
    "participation": sampled,
    "mean of participants": lambda weights: with_participation(fedavg(weights), weights, 0.3),
    "messages": algorithms.scaffold,
    "outer": lambda weights: algorithms.fedavgm(weights, 1.0, 0.5),
    "rule": lambda weights: algorithms.q_fedavg(weights, 0.5, 10.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_rounds_are_those_of_the_matrix(name: str) -> None:
    n = jnp.asarray(np.arange(MANY)[::-1], float)
    close(trained(STRATEGIES[name](n)), trained(written_out(STRATEGIES[name], n)), rtol=1e-10)


@pytest.mark.slow
def test_gradients_are_those_of_the_matrix() -> None:
    n = jnp.arange(1.0, MANY + 1)

    def outcome(self_weight: jax.Array) -> jax.Array:
        return (trained(p_fedprox(n, 0.1, self_weight)) ** 2).sum()

    factored, matrix = jax.grad(outcome)(0.7), written_out(lambda _: jax.grad(outcome)(0.7), n)
    assert abs(matrix) > 1e-6
    close(factored, matrix, rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "rule"])
def test_a_round_holds_no_matrix_of_clients(name: str) -> None:
    count = 1009
    algorithm, state, data = federation(STRATEGIES[name](jnp.ones(count)), count)
    text = str(jax.make_jaxpr(algorithm.step)(state, data, jax.random.key(0)))
    assert f"[{count}]" in text
    assert f"{count},{count}" not in text


def test_the_operations_of_mixing_grow_as_the_clients() -> None:
    def operations(count: int) -> float:
        leaf = jax.ShapeDtypeStruct((count, 10), jnp.float64)
        program = jax.jit(mix).lower(fedavg(jnp.ones(count)).mixing, leaf).compile()
        return float(program.cost_analysis()["flops"])  # type: ignore[index]

    assert 9 < operations(1000) / operations(100) < 11
