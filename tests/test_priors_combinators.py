"""The algebra of priors: laws of the combinators, of the constructors, and of the control."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from fedpsyau_jax import priors as package
from fedpsyau_jax.models.dpk_gat import DPKGAT
from fedpsyau_jax.priors import (
    ACTION_UNITS,
    AnnotationTable,
    Prior,
    as_priors,
    from_annotations,
    grouped,
    identity,
    published,
    released_decay,
    subset,
    uniform,
)
from fedpsyau_jax.priors.cooccurrence import row_stochastic

blend, restrict, symmetrise, permute, shuffle_edges, learned, start_logits = map(
    jax.jit,
    (
        package.blend,
        package.restrict,
        package.symmetrise,
        package.permute,
        package.shuffle_edges,
        package.learned,
        package.start_logits,
    ),
)
NODES = 5
TOLERANCE = {"rtol": 0, "atol": 2e-6}
laws = settings(deadline=None, max_examples=15)
topologies = arrays(bool, (NODES, NODES))
weights = arrays(np.int64, (NODES, NODES), elements=st.integers(0, 9))
priors = st.builds(lambda links, counts: Prior(links, row_stochastic(counts)), topologies, weights)
shares = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
orders = st.permutations(range(NODES)).map(np.array)


def same(a: Prior, b: Prior) -> None:
    np.testing.assert_array_equal(a.topology, b.topology)
    np.testing.assert_allclose(a.statistics, b.statistics, **TOLERANCE)


@pytest.mark.slow
@laws
@given(priors, priors, shares, topologies, orders)
def test_rows_stay_stochastic(a: Prior, b: Prior, weight: float, topology: np.ndarray, order: np.ndarray) -> None:
    key = jax.random.key(0)
    made = [blend(a, b, weight), restrict(a, topology), symmetrise(a), permute(a, order), subset(a, [3, 0])]
    for prior in [*made, shuffle_edges(a, key), learned(a.statistics, topology)]:
        assert np.all(np.asarray(prior.statistics) >= 0)
        np.testing.assert_allclose(prior.statistics.sum(axis=1), 1, **TOLERANCE)


@laws
@given(priors, priors, shares)
def test_blending_is_a_mixture(a: Prior, b: Prior, weight: float) -> None:
    same(blend(a, b, 0.0), a)
    same(blend(a, b, 1.0), b)
    same(blend(a, a, weight), a)
    same(blend(a, b, weight), blend(b, a, 1 - weight))
    assert np.array_equal(blend(a, b, 0.5).topology, a.topology | b.topology)


@laws
@given(priors, topologies, topologies)
def test_restricting_twice_is_restricting_to_both(prior: Prior, one: np.ndarray, other: np.ndarray) -> None:
    once = restrict(prior, one)
    same(restrict(once, one), once)
    same(restrict(once, other), restrict(prior, one & other))
    links = np.asarray(once.topology)
    assert not np.any(np.asarray(once.statistics)[links.any(axis=1)][~links[links.any(axis=1)]])


@laws
@given(priors, orders)
def test_symmetrising_is_mutual_and_done_once(prior: Prior, order: np.ndarray) -> None:
    mutual = symmetrise(prior)
    same(mutual, Prior(mutual.topology.T, mutual.statistics.T))
    same(symmetrise(mutual), mutual)
    same(symmetrise(permute(prior, order)), permute(mutual, order))


@laws
@given(priors, priors, orders, topologies, shares)
def test_relabelling_commutes(a: Prior, b: Prior, order: np.ndarray, topology: np.ndarray, weight: float) -> None:
    back = np.argsort(order)
    same(permute(permute(a, order), back), a)
    same(permute(blend(a, b, weight), order), blend(permute(a, order), permute(b, order), weight))
    same(permute(restrict(a, topology), order), restrict(permute(a, order), topology[np.ix_(order, order)]))


@pytest.mark.slow
def test_graph_attention_is_equivariant_to_relabelling_action_units() -> None:
    key, order = jax.random.key(1), np.random.default_rng(0).permutation(12)
    nodes = jax.random.normal(key, (3, 12, 25))
    prior = published().global_
    network = DPKGAT()
    attend = jax.jit(lambda nodes, prior: network.apply(parameters, nodes, prior, 1.0, train=False))
    parameters = jax.jit(partial(network.init, train=False))(key, nodes, prior, 1.0)
    straight = attend(nodes, prior)[:, order]
    np.testing.assert_allclose(attend(nodes[:, order], permute(prior, order)), straight, rtol=1e-4, atol=1e-5)
    assert np.abs(attend(nodes[:, order], prior) - straight).max() > 1e-2


@pytest.mark.slow
@laws
@given(priors, st.integers(0, 9))
def test_shuffling_keeps_degrees_and_strengths(prior: Prior, seed: int) -> None:
    shuffled = jax.tree.map(np.asarray, shuffle_edges(prior, jax.random.key(seed)))
    for axis in (0, 1):
        assert np.array_equal(shuffled.topology.sum(axis), prior.topology.sum(axis))
    assert np.array_equal(shuffled.topology.diagonal(), prior.topology.diagonal())
    np.testing.assert_allclose(shuffled.statistics.diagonal(), prior.statistics.diagonal(), **TOLERANCE)
    for row in range(NODES):
        for new, old in ((shuffled.topology, prior.topology), (~shuffled.topology, ~prior.topology)):
            before, after = prior.statistics[row, old[row]], shuffled.statistics[row, new[row]]
            np.testing.assert_allclose(np.sort(after), np.sort(before), **TOLERANCE)


@pytest.mark.slow
def test_every_graph_of_the_same_degrees_is_equally_likely() -> None:
    cycle = np.roll(np.eye(4, dtype=bool), 1, axis=1)  # 9 such graphs: the derangements of 4
    keys = jax.random.split(jax.random.key(0), 1800)
    links = jax.jit(jax.vmap(lambda key: shuffle_edges(Prior(cycle, np.eye(4)), key).topology))(keys)
    _, counts = np.unique(np.asarray(links).reshape(len(keys), -1), axis=0, return_counts=True)
    assert len(counts) == 9
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.slow
def test_shuffling_moves_links_of_the_published_graph() -> None:
    prior = published().global_
    one, other = (np.asarray(shuffle_edges(prior, jax.random.key(seed)).topology) for seed in (0, 1))
    moved = (one != prior.topology).sum() / prior.topology.sum()
    assert moved > 0.3
    assert (one != other).any()


@pytest.mark.slow
def test_combinators_work_inside_programs() -> None:
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[as_priors(uniform(np.ones((12, 12), bool)))[:2]] * 3)[0]

    @jax.jit
    @jax.vmap
    def program(prior: Prior, key: jax.Array, weight: jax.Array) -> Prior:
        shuffled = shuffle_edges(symmetrise(permute(prior, jnp.arange(6)[::-1])), key)
        return restrict(blend(prior, shuffled, weight), prior.topology)

    keys, blending = jax.random.split(jax.random.key(0), 3), jnp.linspace(0, 1, 3)
    np.testing.assert_allclose(program(stacked, keys, blending).statistics.sum(-1), 1, **TOLERANCE)


@pytest.mark.parametrize(
    "combine",
    [
        lambda statistics: blend(Prior(EMPTY, statistics), identity(NODES), 0.3),
        lambda statistics: restrict(Prior(~EMPTY, statistics), EMPTY),
        lambda statistics: restrict(Prior(~EMPTY, statistics * 0), ~EMPTY),
        lambda statistics: symmetrise(Prior(EMPTY, statistics)),
        lambda statistics: shuffle_edges(Prior(EMPTY, statistics), jax.random.key(0)),
        lambda statistics: learned(statistics, EMPTY),
    ],
)
def test_gradients_are_finite_even_of_empty_graphs(combine: Callable[[jax.Array], Prior]) -> None:
    target = jnp.arange(NODES**2.0).reshape(NODES, NODES)
    gradient = jax.grad(lambda statistics: (combine(statistics).statistics * target).sum())
    assert jnp.isfinite(gradient(jnp.full((NODES, NODES), 1 / NODES))).all()


EMPTY = np.zeros((NODES, NODES), bool)


@laws
@given(priors)
def test_a_learned_prior_starts_at_a_prior(prior: Prior) -> None:
    start = learned(start_logits(prior), prior.topology)
    wanted = restrict(prior, prior.topology)
    hears = prior.topology.any(axis=1)
    np.testing.assert_allclose(start.statistics[hears], wanted.statistics[hears], rtol=0, atol=1e-5)


def test_a_learned_prior_learns_on_its_links_alone() -> None:
    topology = np.eye(NODES, dtype=bool) | np.eye(NODES, k=1, dtype=bool)
    gradient = jax.grad(lambda logits: learned(logits, topology).statistics[0, 1])(jnp.zeros((NODES, NODES)))
    assert float(gradient[0, 1]) == pytest.approx(0.25)
    assert not np.any(np.asarray(gradient)[~topology])


def test_annotations_without_gaps_give_normalised_counts() -> None:
    aus = np.random.default_rng(0).random((40, NODES)) < 0.4
    statistics = from_annotations(aus).statistics
    np.testing.assert_allclose(statistics, row_stochastic(aus.T.astype(int) @ aus.astype(int)), rtol=1e-12)
    alone = np.arange(len(aus)).astype(str)
    np.testing.assert_allclose(from_annotations(aus, subjects=alone).statistics, statistics, rtol=1e-12)


def test_an_unlabelled_action_unit_never_counts() -> None:
    generator = np.random.default_rng(1)
    aus = (generator.random((30, NODES)) < 0.5).astype(float)
    mask = np.ones_like(aus)
    mask[:20, 2] = 0
    garbage = np.where(mask == 0, np.nan, aus)
    known = from_annotations(np.where(mask == 0, 1, aus), mask)
    np.testing.assert_array_equal(from_annotations(np.where(mask == 0, 0, aus), mask).statistics, known.statistics)
    rate = (aus.T @ aus) / len(aus)
    rate[2], rate[:, 2] = (aus[20:, 2] @ aus[20:]) / 10, (aus[20:, 2] @ aus[20:]) / 10
    np.testing.assert_allclose(known.statistics, row_stochastic(rate), rtol=1e-12)
    np.testing.assert_array_equal(from_annotations(garbage, mask).statistics, known.statistics)
    with pytest.raises(ValueError, match="other than 0 and 1"):
        from_annotations(garbage)


def test_each_subject_weighs_the_same() -> None:
    few, many = np.array([[1, 1, 0]]), np.array([[1, 0, 1]])
    aus = np.concatenate([few, np.repeat(many, 9, axis=0)])
    subjects = np.array(["a"] + ["b"] * 9)
    statistics = from_annotations(aus, subjects=subjects).statistics
    np.testing.assert_allclose(statistics[0], [0.5, 0.25, 0.25])
    assert from_annotations(aus).statistics[0, 1] == pytest.approx(1 / 20)


def test_annotations_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"give \[clips, aus\]"):
        from_annotations(np.ones((3, 2)), subjects=np.array(["a"]))
    with pytest.raises(ValueError, match="other than 0 and 1"):
        from_annotations(np.full((3, 2), 0.5))
    with pytest.raises(ValueError, match=r"shape \(3, 3\) and the annotations have 2 AUs"):
        from_annotations(np.ones((3, 2)), topology=np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="no annotated clips"):
        from_annotations(np.ones((0, 2)))


@pytest.mark.slow
def test_the_face_is_one_grouping_of_a_prior() -> None:
    whole = published().global_
    priors = as_priors(whole)
    assert as_priors(priors) is priors
    assert priors.global_ is whole
    for part in ("upper", "lower"):
        np.testing.assert_allclose(getattr(priors, part).statistics, getattr(published(), part).statistics, **TOLERANCE)
    mouth = grouped(whole, {"mouth": (12, 15), "all": ACTION_UNITS})
    same(mouth["all"], whole)
    assert mouth["mouth"].statistics.shape == (2, 2)
    with pytest.raises(ValueError, match=r"group 'eyes' names AU \[43\]"):
        grouped(whole, {"eyes": (5, 43)})
    with pytest.raises(ValueError, match=r"\(5, 5\)"):
        as_priors(identity(NODES))


def test_rows_of_a_table_are_its_clips() -> None:
    table = AnnotationTable(np.eye(4, 12), np.ones((4, 12)), np.arange(4), np.array(list("abcd")))
    part = table.rows(np.array([3, 1]))
    assert part.subject.tolist() == ["d", "b"]
    assert part.emotion.tolist() == [3, 1]
    np.testing.assert_array_equal(part.aus, table.aus[[3, 1]])


def test_the_released_ratio_follows_its_recursion_and_composes_with_optax() -> None:
    schedule = released_decay(30)
    ratio = 1.0
    for epoch in range(31):
        ratio *= 1 - epoch / 30
        assert float(schedule(epoch)) == pytest.approx(ratio, rel=1e-5, abs=1e-7)
    with pytest.raises(ValueError, match="over 0 epochs"):
        released_decay(0)
    late = optax.join_schedules([optax.constant_schedule(0.3), schedule], [10])
    assert [round(float(jax.jit(late)(step)), 4) for step in (9, 10, 11, 99)] == [0.3, 1.0, 0.9667, 0.0]
