"""The statistics of coordination: against other ways to compute them, and in simulations with subject effects."""

import numpy as np
import pytest
from scipy import stats

from fedpsyau_jax.priors import AnnotationTable, published
from fedpsyau_jax.priors.contingency import (
    expected_together,
    odds_ratio,
    odds_ratio_within,
    pairs_of,
    phi,
    smallest_p,
    strata_of,
    tables,
)
from fedpsyau_jax.priors.coordination import Coordination, adjusted, all_links, coordination, topology_of, verdicts
from fedpsyau_jax.priors.permutation import permutation_p

LEVEL = 0.05
NUM_AUS = 6


def simulated(
    generator: np.random.Generator,
    num_subjects: int = 25,
    clips_each: int = 12,
    planted: tuple[tuple[int, int, float], ...] = (),
) -> AnnotationTable:
    """Subjects differ in how often they show anything at all; of a planted pair, one AU often copies the other."""
    habit = generator.normal(0, 1.2, (num_subjects, 1, 1)) + generator.normal(-0.6, 0.4, (1, 1, NUM_AUS))
    aus = generator.random((num_subjects, clips_each, NUM_AUS)) < 1 / (1 + np.exp(-habit))
    for one, other, share in planted:
        copied = generator.random(aus.shape[:2]) < abs(share)
        aus[..., other] = np.where(copied, aus[..., one] if share > 0 else ~aus[..., one], aus[..., other])
    subject = np.repeat(np.arange(num_subjects), clips_each).astype(str)
    flat = aus.reshape(-1, NUM_AUS).astype(float)
    return AnnotationTable(flat, np.ones_like(flat), np.full(len(flat), -1), subject, (1, 2, 4, 9, 12, 15))


def found_pairs(found: Coordination, kind: str) -> set[tuple[int, int]]:
    chosen = found.finding == kind
    return set(zip(found.first[chosen].tolist(), found.second[chosen].tolist(), strict=True))


def exact_p(cells: np.ndarray) -> float:
    """The limit of infinitely many permutations: strata are independent hypergeometric draws."""
    distribution, fewest = np.ones(1), 0
    for both, first, second, neither in cells[cells.sum(axis=1) > 0]:
        total, rows, columns = both + first + second + neither, both + first, both + second
        low, high = max(0, rows + columns - total), min(rows, columns)
        distribution = np.convolve(distribution, stats.hypergeom.pmf(np.arange(low, high + 1), total, rows, columns))
        fewest += low
    distance = np.abs(np.arange(len(distribution)) + fewest - expected_together(cells[:, None])[0])
    observed = abs(cells[:, 0].sum() - expected_together(cells[:, None])[0])
    return distribution[distance >= observed - 1e-9].sum()


def with_gaps(generator: np.random.Generator) -> AnnotationTable:
    table = simulated(generator, num_subjects=8, clips_each=7, planted=((0, 1, 0.7),))
    mask = table.mask.copy()
    mask[::3, 2] = 0
    mask[5:9] = 0
    return table._replace(mask=mask)


def test_permutation_tends_to_the_exact_distribution() -> None:
    table = with_gaps(np.random.default_rng(0))
    strata, num_permutations = strata_of(table.subject, table.mask), 20_000
    cells = tables(table.aus, table.mask, strata)
    p = permutation_p(table.aus, table.mask, strata, num_permutations, np.random.default_rng(1))
    exact = np.array([exact_p(cells[:, pair]) for pair in range(cells.shape[1])])
    error = np.sqrt(np.maximum(exact * (1 - exact), 0) / num_permutations)
    assert np.all(np.abs(p - exact) <= 4.5 * error + 2 / num_permutations)
    assert exact.min() < 0.01
    assert np.all(smallest_p(cells) <= exact + 1e-9)


@pytest.mark.slow
def test_p_is_uniform_without_coordination_even_if_subjects_differ() -> None:
    generator = np.random.default_rng(2)
    within, across = [], []
    for _ in range(150):
        table = simulated(generator, num_subjects=15, clips_each=60)  # many clips: p takes many values
        aus, mask = table.aus[:, :2], table.mask[:, :2]
        strata = strata_of(table.subject, mask)
        within.append(permutation_p(aus, mask, strata, 99, generator)[0])
        across.append(permutation_p(aus, mask, np.zeros_like(strata), 99, generator)[0])
    assert stats.kstest(within, "uniform").pvalue > 0.01
    assert stats.kstest(across, "uniform").pvalue < 1e-6  # clips taken as independent: the test would be fooled


def discovered(generator: np.random.Generator, planted: tuple[tuple[int, int, float], ...] = ()) -> np.ndarray:
    """Which pairs of a simulated table are found."""
    table = simulated(generator, planted=planted)
    strata = strata_of(table.subject, table.mask)
    testable = smallest_p(tables(table.aus, table.mask, strata)) <= LEVEL
    return adjusted(permutation_p(table.aus, table.mask, strata, 399, generator), testable) <= LEVEL


@pytest.mark.slow
def test_false_discovery_rate_is_held() -> None:
    generator, num_tables = np.random.default_rng(3), 300
    num_false = sum(discovered(generator).any() for _ in range(num_tables))
    # Without any coordination the rate is the chance of at least one discovery, so their number is binomial.
    assert 0 < num_false <= stats.binom.ppf(0.999, num_tables, LEVEL)


@pytest.mark.slow
def test_false_discovery_rate_is_held_among_true_discoveries() -> None:
    """The first and the tenth of 15 pairs are planted: the mean share of others among those found is the rate."""
    generator, planted = np.random.default_rng(7), ((0, 1, 0.5), (2, 3, 0.5))
    found = np.array([discovered(generator, planted) for _ in range(300)])
    true = found[:, [0, 9]].sum(axis=1)
    shares = 1 - true / np.maximum(found.sum(axis=1), 1)
    assert true.mean() > 0.95 * 2
    assert 0 < shares.mean() <= LEVEL + 3 * shares.std() / np.sqrt(len(shares))


def test_planted_coordination_is_found_and_its_sign() -> None:
    generator = np.random.default_rng(4)
    planted = ((0, 1, 0.7), (2, 3, 0.6), (4, 5, -0.6))
    found = coordination(simulated(generator, 40, 15, planted), generator, level=LEVEL, num_permutations=999)
    assert found_pairs(found, "together") == {(0, 1), (2, 3)}
    assert found_pairs(found, "apart") == {(4, 5)}
    links = topology_of(found, NUM_AUS)
    wanted = np.eye(NUM_AUS, dtype=bool)
    wanted[[0, 1, 2, 3], [1, 0, 3, 2]] = True
    assert np.array_equal(links, wanted)


def test_subjects_who_differ_do_not_make_coordination_but_raise_the_pooled_odds() -> None:
    habits = np.repeat([0.1, 0.9], 300)
    generator = np.random.default_rng(5)
    aus = (generator.random((600, 2)) < habits[:, None]).astype(float)
    table = AnnotationTable(aus, np.ones_like(aus), np.zeros(600, int), np.repeat(["a", "b"], 300), (1, 2))
    found = coordination(table, generator, num_permutations=999)
    assert found.odds_ratio.low[0] > 10
    assert found.odds_ratio_within.low[0] < 1 < found.odds_ratio_within.high[0]
    assert found.finding.tolist() == ["undecided"]


def test_measures_of_one_table() -> None:
    cells = np.array([[12, 5, 3, 30], [0, 4, 2, 9], [0, 0, 6, 8]])
    first, second = (np.repeat([1, 1, 0, 0], cells[0]), np.repeat([1, 0, 1, 0], cells[0]))
    assert phi(cells)[0] == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert np.isnan(phi(cells)[2])
    ratio = odds_ratio(cells)
    assert ratio.low[0] < ratio.estimate[0] < ratio.high[0]
    assert ratio.estimate[1] == ratio.low[1] == 0
    assert np.isfinite(ratio.high[1])
    within = odds_ratio_within(cells[None])  # one stratum: cross product and Woolf's interval
    assert within.estimate[0] == pytest.approx(12 * 30 / (5 * 3))
    width = stats.norm.ppf(0.975) * np.sqrt((1 / cells[0]).sum())
    assert np.log(within.high[0] / within.estimate[0]) == pytest.approx(width)
    assert np.isnan(within.high[1])


def test_unlabelled_action_units_are_left_out() -> None:
    table = with_gaps(np.random.default_rng(6))
    other = table._replace(aus=np.where(table.mask == 0, 1 - table.aus, table.aus))
    one, same = (coordination(t, np.random.default_rng(0), num_permutations=99) for t in (table, other))
    unknown = table._replace(aus=np.where(table.mask == 0, np.nan, table.aus))
    np.testing.assert_array_equal(coordination(unknown, np.random.default_rng(0), num_permutations=99).p, one.p)
    with pytest.raises(ValueError, match="other than 0 and 1"):
        coordination(table._replace(aus=2 * table.aus), np.random.default_rng(0), num_permutations=99)
    np.testing.assert_array_equal(one.p, same.p)
    np.testing.assert_array_equal(one.num_both, same.num_both)
    first, second = pairs_of(NUM_AUS)
    np.testing.assert_array_equal(one.num_clips, (table.mask[:, first] * table.mask[:, second]).sum(axis=0))
    assert one.num_subjects.max() == 8


def test_what_is_too_rare_is_not_tested() -> None:
    aus = np.zeros((40, 3))
    aus[0, :2] = 1
    aus[::2, 2] = 1
    table = AnnotationTable(aus, np.ones_like(aus), np.zeros(40, int), np.repeat(["a", "b"], 20), (1, 2, 4))
    found = coordination(table, np.random.default_rng(0), num_permutations=999)
    assert found.smallest_p[0] == pytest.approx(1 / 20)  # one clip of 20 each: they meet by chance in 1 of 20
    assert found.finding.tolist() == ["undecided", "too rare", "too rare"]
    assert np.isnan(found.q).tolist() == [False, True, True]


def test_the_published_topology_as_one_graph() -> None:
    links = all_links(published())
    assert links.sum() == sum(int(prior.topology.sum()) for prior in published()) - 12
    assert links[0, 1]  # AU1 hears AU2, in the upper face
    assert links[6, 1]  # AU9 hears AU2
    assert not links[1, 6]


def test_verdicts_compare_findings_with_links() -> None:
    finding = np.array(["together", "apart", "undecided", "too rare"])
    assert verdicts(finding, np.ones(4, bool)) == ["supported", "contradicted", "undecided", "too rare"]
    assert verdicts(finding, np.zeros(4, bool)) == ["contradicted", "supported", "undecided", "too rare"]
