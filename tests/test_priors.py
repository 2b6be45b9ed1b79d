from pathlib import Path

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedpsyau_jax.models.attention import attention_dense
from fedpsyau_jax.priors import ACTION_UNITS, Prior, from_counts, from_graph, published, released, to_graph
from fedpsyau_jax.priors.cooccurrence import block, published_counts, row_stochastic
from fedpsyau_jax.priors.topologies import topology

DPK_GAT_GOLDEN = Path(__file__).parent / "parity" / "dpk_gat_seed0.npz"

GROUPS = ("upper", "lower", "global_")
NODES = 5
topologies = arrays(bool, (NODES, NODES))
counts = arrays(np.int64, (NODES, NODES), elements=st.integers(0, 50))


@pytest.mark.parametrize("group", GROUPS)
def test_published_priors_are_the_released_ones_to_rounding(group: str) -> None:
    prior = getattr(published(), group)
    with np.load(DPK_GAT_GOLDEN) as golden:
        name = group.rstrip("_")
        np.testing.assert_array_equal(prior.topology, golden[f"const/{name}_adj"] > 0)
        four_digits = golden[f"const/{name}_prior"].astype(float)
    np.testing.assert_allclose(prior.statistics, four_digits, rtol=0, atol=0.5e-4 + 1e-7)
    assert not np.array_equal(prior.statistics, four_digits)


def test_published_topologies_hear_themselves_and_one_link_is_one_way() -> None:
    for prior in published():
        assert prior.topology.diagonal().all()
    topology = published().global_.topology
    one_way = topology & ~topology.T
    assert np.argwhere(one_way).tolist() == [[ACTION_UNITS.index(9), ACTION_UNITS.index(2)]]


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_a_published_prior_moves_little_of_equal_attention(group: str) -> None:
    """What docs/explain.md says of the prior ratio."""
    prior = getattr(published(), group)
    nobody_preferred = jnp.zeros((len(prior.topology), 1))
    attention = attention_dense(nobody_preferred, nobody_preferred, prior, strength=0.3)
    distance = np.abs(attention.prior - attention.learned[0]).sum(axis=1) / 2
    assert 0.03 < distance.min() < distance.max() < 0.22
    moved = np.abs(attention.mixed[0] - attention.learned[0]).sum(axis=1) / 2
    np.testing.assert_allclose(moved, 0.3 * distance, atol=1e-6)


def test_blocks_keep_the_counts_of_their_aus_in_the_order_asked() -> None:
    counts = published_counts()
    assert np.array_equal(counts, counts.T)
    assert np.array_equal(block(counts, (17, 1)), [[484, 18], [18, 1420]])
    with pytest.raises(ValueError, match=r"AU \[3\]"):
        block(counts, (1, 3))


@given(counts)
def test_statistics_are_row_stochastic_and_ignore_the_scale_of_counts(counts: np.ndarray) -> None:
    statistics = row_stochastic(counts)
    assert np.all(statistics >= 0)
    np.testing.assert_allclose(statistics.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(row_stochastic(7 * counts), statistics, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.ones((2, 3)), -np.ones((2, 2)), np.full((2, 2), np.nan), np.ones(4)])
def test_what_is_not_counts_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="co-occurrence counts"):
        row_stochastic(bad)


def test_a_topology_and_counts_of_different_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="same nodes"):
        from_counts(np.eye(3, dtype=bool), np.ones((2, 2), int))
    with pytest.raises(ValueError, match="row 1"):
        topology(("1 0", "1 0 1"))
    with pytest.raises(ValueError, match="row 0"):
        topology(("1 2", "1 0"))


@settings(deadline=None, max_examples=15)
@given(topologies, counts)
def test_a_complete_graph_holds_the_whole_prior(topology: np.ndarray, counts: np.ndarray) -> None:
    prior = from_counts(topology, counts)
    again = from_graph(to_graph(prior, released))
    np.testing.assert_array_equal(again.topology, topology)
    np.testing.assert_allclose(again.statistics, prior.statistics, rtol=1e-6)


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(topologies, counts)
def test_a_neighbour_graph_holds_the_prior_of_its_edges(topology: np.ndarray, counts: np.ndarray) -> None:
    prior = from_counts(topology, counts)
    graph = to_graph(prior)
    assert graph.n_edge.tolist() == [topology.sum()]
    assert topology[graph.receivers, graph.senders].all()
    again = from_graph(graph)
    np.testing.assert_array_equal(again.topology, topology)
    np.testing.assert_allclose(again.statistics, np.where(topology, prior.statistics, 0), rtol=1e-6)


@pytest.mark.slow
def test_graphs_of_priors_batch_and_come_apart_with_jraph() -> None:
    graphs = [to_graph(prior) for prior in published()]
    for prior, graph in zip(published(), jraph.unbatch(jraph.batch(graphs)), strict=True):
        np.testing.assert_array_equal(from_graph(graph).topology, prior.topology)
    with pytest.raises(ValueError, match="3 graphs"):
        from_graph(jraph.batch(graphs))


def test_statistics_of_a_graph_are_differentiable() -> None:
    prior = published().upper

    def squares(statistics: jax.Array) -> jax.Array:
        return (to_graph(Prior(prior.topology, statistics)).edges.statistics ** 2).sum()

    statistics = jnp.asarray(prior.statistics)
    np.testing.assert_allclose(jax.grad(squares)(statistics), jnp.where(prior.topology, 2 * statistics, 0), rtol=1e-6)
