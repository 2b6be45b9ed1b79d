"""Laws of the client axis: its order, its padding, and how it is mapped."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_federation import (
    KEY,
    NUM_CLIENTS,
    SIZES,
    assert_close,
    assert_identical,
    clients_data,
    initial_client,
    toy_update,
    train,
)

from fedpsyau_jax.federated import Broadcast, fedavg, in_groups, local_only, num_examples, p_fedprox, vectorised

DATA = clients_data()
WEIGHTS = num_examples(DATA)
ORDER = np.array([3, 0, 4, 2, 1])


@pytest.fixture(scope="module")
def reference() -> Any:
    return train(p_fedprox(WEIGHTS, 0.1), DATA)


def test_permuting_clients_permutes_results_bit_for_bit():
    """Without exchange: every draw follows the client's id."""
    state, metrics = train(local_only(WEIGHTS), DATA)
    permuted, permuted_metrics = train(local_only(WEIGHTS[ORDER]), jax.tree.map(lambda leaf: leaf[ORDER], DATA))
    assert_identical(permuted.clients, jax.tree.map(lambda leaf: leaf[ORDER], state.clients))
    assert_identical(permuted_metrics, jax.tree.map(lambda leaf: leaf[:, ORDER], metrics))


def test_permuting_clients_permutes_results_of_an_exchange(reference):
    """A sum over clients in another order may differ in its last bits."""
    permuted, _ = train(p_fedprox(WEIGHTS[ORDER], 0.1), jax.tree.map(lambda leaf: leaf[ORDER], DATA))
    assert_close(permuted.clients, jax.tree.map(lambda leaf: leaf[ORDER], reference[0].clients))


def test_the_id_decides_the_draws():
    renamed = DATA._replace(id=DATA.id.at[0].add(1000))
    before, after = (train(local_only(WEIGHTS), data)[0].clients for data in (DATA, renamed))
    assert_identical(*jax.tree.map(lambda leaf: leaf[1:], (before, after)))
    assert np.abs(before.params["inward"][0] - after.params["inward"][0]).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("over_clients", [vectorised, in_groups(2), in_groups(NUM_CLIENTS)])
def test_vectorised_is_sequential(reference, over_clients):
    """Also where the last group is smaller."""
    assert NUM_CLIENTS % 2
    assert_close(train(p_fedprox(WEIGHTS, 0.1), DATA, over_clients=over_clients), reference)


@pytest.mark.slow
def test_one_program_is_a_loop_over_clients():
    """Each client alone, by a Python loop: the same as its slot in the mapped program."""
    state, metrics = train(local_only(WEIGHTS), DATA)
    update = jax.jit(toy_update().update)
    for k in range(NUM_CLIENTS):
        data = jax.tree.map(lambda leaf, k=k: leaf[k], DATA)
        client, reports = initial_client(), []
        for round_ in range(2):
            key = jax.random.fold_in(jax.random.fold_in(KEY, round_), data.id)
            broadcast = Broadcast(client.params, jnp.float32(0), jnp.int32(round_))
            client, _, report = update(client, (), broadcast, data, key)
            reports.append(report)
        assert_close(jax.tree.map(lambda leaf, k=k: leaf[k], state.clients), client)
        for name, values in metrics.items():
            np.testing.assert_allclose(values[:, k], [report[name] for report in reports], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("num_padded", "filler"), [(12, 5.0), (23, np.nan)])
def test_padding_changes_nothing(reference, num_padded, filler):
    padded = clients_data(num_examples=num_padded, filler=filler)
    assert_identical(train(p_fedprox(WEIGHTS, 0.1), padded), reference)


@pytest.mark.slow
def test_padding_changes_nothing_vectorised(reference):
    padded = clients_data(filler=np.nan)
    assert_close(train(p_fedprox(WEIGHTS, 0.1), padded, over_clients=vectorised), reference)


@pytest.mark.slow
def test_a_smaller_last_batch_changes_nothing(reference):
    data = clients_data(num_examples=SIZES.max())
    assert data.mask.shape[1] % 4
    assert_close(train(p_fedprox(WEIGHTS, 0.1), data, update=toy_update(tail=True)), reference)


@pytest.mark.slow
@pytest.mark.parametrize("over_clients", ["sequential", "vectorised"])
def test_a_client_without_examples_is_left_as_it_was(over_clients):
    """Its data are NaN throughout; the others do not hear from it, as it weighs nothing."""
    over = {"over_clients": vectorised} if over_clients == "vectorised" else {}
    absent = DATA._replace(
        mask=DATA.mask.at[2].set(0), examples=jax.tree.map(lambda leaf: leaf.at[2].set(np.nan), DATA.examples)
    )
    state, metrics = train(local_only(WEIGHTS), absent, **over)
    assert_identical(jax.tree.map(lambda leaf: leaf[2], state.clients), initial_client())
    assert all((np.asarray(values)[:, 2] == 0).all() for values in metrics.values())
    exchanged, _ = train(fedavg(num_examples(absent)), absent, **over)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(exchanged.clients))


def test_metrics_count_every_real_example_once_an_epoch(reference):
    _, metrics = reference
    np.testing.assert_array_equal(metrics["examples"], [2 * SIZES] * 2)
    np.testing.assert_array_equal(metrics["steps"], [2 * -(-SIZES // 4)] * 2)
    assert not metrics["diverged"].any()
